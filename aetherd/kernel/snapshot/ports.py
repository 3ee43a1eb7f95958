"""What the snapshot room needs from its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from sqlmodel import Session

from aetherd.operations.errands import Mount
from aetherd.operations.operation import Call
from aetherd.store import Tx


class Identity(Protocol):
    """An agent as the agent room keeps it."""

    id: str
    name: str
    user: str
    org: str
    parent: str | None
    uid: int | None


class Agents(Protocol):
    """The agent room."""

    async def find(self, ref: str, call: Call) -> Identity:
        """Return an agent of the caller's user by id or name; raises `NotFound`."""
        ...

    def create_in(self, tx: Tx, call: Call, *, name: str | None, role: str | None, stem: str) -> Identity:
        """Create one inside the transaction; without a name one is made up from the stem."""
        ...

    async def make_home(self, agent: str, uid: int | None) -> None:
        """Make its directories."""
        ...

    async def discard(self, agent: str) -> None:
        """Remove one that was made for a moment, with its home."""
        ...


class Run(Protocol):
    """A process as the process room keeps it."""

    pid: int | None
    state: str
    runtime: str
    session: str | None


class Stillness(Protocol):
    """How long a process stood still."""

    ms: float


class Still(Protocol):
    """What the process room offers for snapshots."""

    def frozen(self, pid: int) -> AbstractAsyncContextManager[Stillness]:
        """Let a tree stand still for as long as it is held."""
        ...

    async def thaw_left(self, pid: int) -> None:
        """Let a process go on that was frozen so, unless somebody has paused it."""
        ...

    async def newest_of(self, agent: str) -> Any:
        """Return the newest process of an agent (a `Run`), or None."""
        ...

    def made_of(self, row: Any) -> dict[str, Any]:
        """Return what a run can be made from again, without anything secret."""
        ...

    def alone(self, session: Session, agent: str, but: int | None = None) -> None:
        """Raise `Conflict` while a process of the agent lives."""
        ...


class Processes(Protocol):
    """The process room."""

    still: Still

    async def mounts(self, agent: str) -> Sequence[Mount]:
        """Return the shared directories an agent gets when it is started."""
        ...

    def at_work(self, agent: str) -> list[int]:
        """Return the pids of an agent's processes that run."""
        ...

    async def start(self, call: Call, also: Callable[[Tx, int, str, str], None], past: Any = None, **wish: Any) -> Any:
        """Spawn, and write something in the same transaction."""
        ...


class Workspaces(Protocol):
    """The workspace room."""

    async def members(self, ref: str, call: Call) -> set[str]:
        """Return the agents that have a workspace."""
        ...

    async def give_all(self, source: str, target: Any, call: Call) -> None:
        """Let an agent have the workspaces another has."""
        ...


class Plans(Protocol):
    """The plan room."""

    async def of(self, agent: str) -> dict[str, Any] | None:
        """Return an agent's plan."""
        ...

    def put_back_in(self, tx: Tx, agent: str, pid: int | None, plan: dict[str, Any], call: Call) -> None:
        """Let an agent have a plan again."""
        ...


class Messages(Protocol):
    """The message room."""

    async def got(self, agent: str, limit: int) -> list[dict[str, Any]]:
        """Return the newest messages an agent got."""
        ...
