"""What the task room needs from its neighbours."""

from __future__ import annotations

from typing import Any, Protocol

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


class Also(Protocol):
    """What is written together with a new process."""

    def __call__(self, tx: Tx, pid: int, agent: str, name: str) -> None:
        """Change rows; no waiting. What it raises undoes the spawn."""
        ...


class Processes(Protocol):
    """The process room."""

    async def start(self, call: Call, also: Also, **wish: Any) -> object:
        """Spawn as the caller, and write something in the same transaction; keywords are those of process.spawn."""
        ...
