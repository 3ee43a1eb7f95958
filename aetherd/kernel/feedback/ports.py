"""What the feedback room needs from its neighbours."""

from __future__ import annotations

from typing import Protocol

from aetherd.operations.operation import Call


class Identity(Protocol):
    """An agent as the agent room knows it."""

    @property
    def id(self) -> str:
        """Its stable id."""
        ...


class Agents(Protocol):
    """The agent room."""

    async def find(self, ref: str, call: Call) -> Identity:
        """Return an agent of the caller's user by id or name; raises `NotFound`."""
        ...


class Run(Protocol):
    """A process as the process room knows it."""

    @property
    def agent(self) -> str:
        """Whose run it is."""
        ...

    @property
    def user(self) -> str:
        """The agent's user."""
        ...

    @property
    def org(self) -> str:
        """The user's organisation."""
        ...

    @property
    def goal(self) -> str | None:
        """What it was for."""
        ...


class Processes(Protocol):
    """The process room."""

    async def row_of(self, pid: int) -> Run:
        """Return a run; raises `NotFound`."""
        ...
