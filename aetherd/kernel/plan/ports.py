"""What the plan room needs from its neighbours."""

from __future__ import annotations

from typing import Protocol

from aetherd.operations.operation import Call


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
