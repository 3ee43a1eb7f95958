"""What the worktree room needs from its neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

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


class Mount(Protocol):
    """A directory a command gets."""

    @property
    def path(self) -> Path:
        """Where it is, outside and inside."""
        ...

    @property
    def readonly(self) -> bool:
        """Whether it may only look."""
        ...

    @property
    def gid(self) -> int | None:
        """A group it needs for that."""
        ...


class Errand(Protocol):
    """How a command went."""

    @property
    def code(self) -> int | None:
        """None when it was killed."""
        ...

    @property
    def output(self) -> bytes:
        """The last of its output."""
        ...

    @property
    def dropped(self) -> int:
        """Bytes of output before that."""
        ...

    @property
    def error(self) -> bytes:
        """The last of its standard error."""
        ...

    @property
    def late(self) -> bool:
        """Whether its deadline came first."""
        ...


class Errands(Protocol):
    """Runs commands as agents."""

    async def run(
        self,
        name: str,
        uid: int | None,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        home: Path,
        mounts: Sequence[Mount],
        deadline_s: float,
        keep: int,
        rlimits: Mapping[str, Sequence[int]] | None = None,
    ) -> Errand:
        """Run one to its end; raises `Unavailable`."""
        ...

    async def end(self, name: str) -> None:
        """Kill what is left of one."""
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
