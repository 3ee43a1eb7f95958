"""What the terminal room needs of its neighbours."""

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
    def stdio(self) -> str | None:
        """What its current incarnation speaks through: `pty` or `pipes`."""
        ...

    @property
    def directory(self) -> Path | None:
        """The shim directory of its current incarnation."""
        ...

    @property
    def title(self) -> str:
        """What runs in it, for people."""
        ...

    @property
    def controlled(self) -> bool:
        """Whether a person has taken it over."""
        ...


class Processes(Beside, Protocol):
    """The process room."""

    async def place_of(self, pid: int) -> Place:
        """Return where a process runs; raises `NotFound`."""
        ...

    async def may_type(self, pid: int, call: Call | None) -> str | None:
        """Return None when the caller may type into this process, else why not."""
        ...
