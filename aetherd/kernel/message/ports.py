"""What the message room needs from its neighbours."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from aetherd.operations.operation import Call
from aetherd.store import Tx


class Identity(Protocol):
    """An agent as the agent room knows it."""

    @property
    def id(self) -> str:
        """Its stable id."""
        ...

    @property
    def name(self) -> str:
        """What people call it."""
        ...


class Agents(Protocol):
    """The agent room."""

    async def find(self, ref: str, call: Call) -> Identity:
        """Return an agent of the caller's user by id or name; raises `NotFound`."""
        ...

    def gone_in(self, tx: Tx, agent: str) -> str | None:
        """Say why an agent gets no messages any more, or None."""
        ...

    async def everyone(self, call: Call, *, role: str | None, template: str | None, limit: int) -> Sequence[Identity]:
        """Return the agents of the caller's user that are not put away, or only those of a role or template."""
        ...


class Processes(Protocol):
    """The process room."""

    def at_work(self, agent: str) -> Sequence[int]:
        """Return the pids of an agent's processes that may take a text."""
        ...

    def deliver_in(self, tx: Tx, pids: Sequence[int], *, text: str, priority: str, key: str, by: str) -> bool:
        """Give a text to the first of some processes that can take it; as `deliver`, inside the transaction."""
        ...

    async def deliver(self, agent: str, text: str, priority: str, key: str, by: str) -> bool:
        """Give a text to the agent's running process, once for each key; False when none can take it now.

        How far it is then, its `text_hooks` say. Raises what is not `retryable` when it can never be told.
        """
        ...


class Memories(Protocol):
    """The memory room."""

    def remember_in(self, tx: Tx, call: Call, *, content: str, tags: Sequence[str], importance: float) -> str:
        """Keep a memory that all agents of the caller's user recall, inside the transaction; returns its id."""
        ...


class Tasks(Protocol):
    """The task room, in the list `message.tasks`."""

    def having_in(self, tx: Tx, key: str, call: Call) -> Collection[str]:
        """Return the agents that were given a task or took it; refuses one the caller may not know of."""
        ...


class Circles(Protocol):
    """The workspace room, in the list `message.circles`."""

    async def members(self, ref: str, call: Call) -> Collection[str]:
        """Return the agents that have a workspace the caller may use; raises `NotFound`, `Forbidden`."""
        ...
