"""What the worktree room needs from its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from aetherd.operations.errands import Errands
from aetherd.operations.operation import Call, Owner


class Identity(Protocol):
    """An agent as the agent room keeps it."""

    id: str
    name: str
    parent: str | None
    uid: int | None


class Agents(Protocol):
    """The agent room."""

    async def find(self, ref: str, call: Call) -> Identity:
        """Return an agent of the caller's user by id or name; raises `NotFound`."""
        ...

    async def owner(self, key: str) -> Owner:
        """Return whose an agent is."""
        ...


class Living(Protocol):
    """A process that runs."""

    @property
    def pid(self) -> int:
        """Our pid."""
        ...


class Processes(Protocol):
    """The process room."""

    errands: Errands

    def living(self, agent: str) -> Sequence[Living]:
        """Return an agent's processes that run."""
        ...


class Messages(Protocol):
    """The message room."""

    async def announce(self, agent: str, name: str, text: str, data: dict[str, Any]) -> None:
        """Send an agent a message of the house itself; durable."""
        ...
