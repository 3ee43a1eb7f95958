"""What the fs room needs of its neighbours, and a place it works in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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


class Shared(Protocol):
    """A workspace as one caller may use it; the workspace room gives it."""

    @property
    def id(self) -> str:
        """The workspace's id."""
        ...

    @property
    def path(self) -> Path:
        """Its directory."""
        ...

    @property
    def uid(self) -> int | None:
        """As whom to act in it; None when all share the daemon's uid."""
        ...

    def begin(self, paths: Sequence[str], tree: bool) -> None:
        """Raise `Conflict` when somebody else reserved one, or with `tree` anything beneath; called in a thread."""
        ...

    async def changed(self, paths: Sequence[str]) -> None:
        """Learn what was changed through the room."""
        ...

    def settle(self, paths: Sequence[str]) -> None:
        """Note that what was begun is over, done or not."""
        ...


class Workspaces(Protocol):
    """A room with directories of its own, such as workspaces, in the list of `fs.workspaces`."""

    async def shared(self, ref: str, call: Call, *, write: bool) -> Shared:
        """Return a workspace (id or name) the caller may use so; raises `NotFound`, `Forbidden`."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where files are: an agent's home, or a workspace."""

    key: str  # the agent's or the workspace's id
    path: Path
    uid: int | None
    shared: Shared | None = None

    @classmethod
    def home(cls, home: Home) -> Place:
        """Return an agent's home as a place."""
        return cls(home.agent, home.path, home.uid)
