"""What the desktop room needs of its neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from aetherd.operations.beside import Beside
from aetherd.operations.operation import Call


class Place(Protocol):
    """Where a process runs and whose it is."""

    @property
    def pid(self) -> int:
        """Our pid."""
        ...

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

    @property
    def parent(self) -> str | None:
        """The agent that spawned its agent."""
        ...

    @property
    def home(self) -> Path:
        """Its agent's home."""
        ...

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        ...

    @property
    def graphical(self) -> bool:
        """Whether it was started to have a desktop."""
        ...

    @property
    def tier(self) -> str:
        """Where it runs: docker, bwrap or host."""
        ...

    @property
    def door(self) -> Path:
        """The directory of its own sockets."""
        ...

    @property
    def door_inside(self) -> Path:
        """The same, as its programs see it."""
        ...


class Processes(Beside, Protocol):
    """The process room."""

    async def place_of(self, pid: int) -> Place:
        """Return where a process runs; raises `NotFound`."""
        ...


class Control(Protocol):
    """Who holds the keyboard of a process."""

    def holder_of(self, pid: int) -> str | None:
        """Return who holds it, or None."""
        ...

    def renew(self, pid: int, call: Call | None) -> None:
        """Let the lease go on: its holder was seen."""
        ...
