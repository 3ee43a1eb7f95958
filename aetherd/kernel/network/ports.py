"""What the network room needs of its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from aetherd.operations.operation import Call


class Identity(Protocol):
    """An agent as the agent room knows it."""

    @property
    def id(self) -> str:
        """Its stable id."""
        ...

    @property
    def user(self) -> str:
        """Its user."""
        ...

    @property
    def org(self) -> str:
        """Its organisation."""
        ...


class Agents(Protocol):
    """The agent room."""

    async def find(self, ref: str, call: Call) -> Identity:
        """Return an agent of the caller's user by id or name; raises `NotFound`."""
        ...


class Place(Protocol):
    """Where a process runs and whose it is."""

    @property
    def agent(self) -> str:
        """Its agent."""
        ...

    @property
    def user(self) -> str:
        """Its user."""
        ...

    @property
    def org(self) -> str:
        """Its organisation."""
        ...


class Processes(Protocol):
    """The process room."""

    async def place_of(self, pid: int) -> Place:
        """Return where a process runs; raises `NotFound`."""
        ...


class Wish(Protocol):
    """A spawn that is being accepted."""

    @property
    def sandbox(self) -> Any:
        """Its wish for a sandbox, with `network`."""
        ...


Env = Mapping[str, str]
