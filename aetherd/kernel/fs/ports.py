"""What the fs room needs of its neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from aetherd.operations.operation import Call


class Home(Protocol):
    """Where an agent's files are and whose they are."""

    @property
    def agent(self) -> str:
        """The agent's id."""
        ...

    @property
    def path(self) -> Path:
        """Its home directory."""
        ...

    @property
    def uid(self) -> int | None:
        """Its own uid; None when it shares the daemon's."""
        ...


class Agents(Protocol):
    """The agent room."""

    async def home_of(self, ref: str | None, call: Call) -> Home:
        """Return the home of an agent (id or name), by default the caller's own; raises `NotFound`."""
        ...
