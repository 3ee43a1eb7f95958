"""What the skill room needs from its neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from aetherd.operations.errands import Errands, Mount
from aetherd.operations.operation import Call, Owner
from aetherd.store import Tx


class Identity(Protocol):
    """An agent as the agent room knows it."""

    id: str
    name: str
    uid: int | None


class Home(Protocol):
    """Where an agent lives."""

    @property
    def agent(self) -> str:
        """Its id."""
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

    async def find(self, ref: str, call: Call) -> Identity:
        """Return an agent of the caller's user by id or name; raises `NotFound`."""
        ...

    async def owner(self, key: str) -> Owner:
        """Return whose an agent is."""
        ...

    async def home_of(self, ref: str | None, call: Call) -> Home:
        """Return an agent's home, the caller's own when no agent is named."""
        ...

    def create_in(self, tx: Tx, call: Call, *, name: str | None, role: str | None, stem: str) -> Identity:
        """Create one inside the transaction."""
        ...

    async def make_home(self, agent: str, uid: int | None) -> None:
        """Make its directories."""
        ...

    async def discard(self, agent: str) -> None:
        """Remove one that was made for a moment, with its home."""
        ...


class Processes(Protocol):
    """The process room."""

    errands: Errands

    def dismiss(self, pid: int) -> None:
        """Let a process end by itself as soon as it rests; one that is not there has ended."""
        ...

    async def mounts(self, agent: str) -> Sequence[Mount]:
        """Return the shared directories an agent's programs reach."""
        ...


class Files(Protocol):
    """The fs room."""

    async def collect(
        self, call: Call, *, agent: str | None, workspace: str | None, path: str, files: int, most: int
    ) -> Mapping[str, tuple[bytes, bool]]:
        """Return the plain files of a directory by path, or of one file under `""`: bytes, and whether it runs."""
        ...
