"""What the quota room needs from its neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from sqlmodel import Session

from aetherd.operations.bounds import Bounds
from aetherd.operations.operation import Call, Owner
from aetherd.operations.spending import Metered
from aetherd.store import Tx


class Identity(Protocol):
    """An agent as the agent room knows it."""

    @property
    def id(self) -> str:
        """Its stable id."""
        ...

    @property
    def name(self) -> str:
        """What it is called."""
        ...


class WishedLimits(Protocol):
    """The limits of a run that quotas count."""

    @property
    def tokens(self) -> int | None:
        """The most tokens, with those of all it starts."""
        ...

    @property
    def steps(self) -> int | None:
        """The most calls to models."""
        ...


class Wish(Protocol):
    """What shall be started."""

    @property
    def env(self) -> Mapping[str, object]:
        """Environment for it, whose values are nobody's business here."""
        ...

    @property
    def budget(self) -> float | None:
        """USD, for it and all it starts."""
        ...

    @property
    def parent(self) -> int | None:
        """The run that starts it, when a person says so."""
        ...

    @property
    def limits(self) -> WishedLimits:
        """Its limits."""
        ...


class Agents(Protocol):
    """The agent room."""

    async def find(self, ref: str, call: Call) -> Identity:
        """Return an agent of the caller's user by id or name; raises `NotFound`."""
        ...

    def page(
        self, session: Session, call: Call, *, archived: bool, cursor: str | None, limit: int
    ) -> Sequence[Identity]:
        """Return agents that the caller may see, newest first."""
        ...


class Processes(Protocol):
    """The process room."""

    bounds: Bounds

    async def owner(self, key: int) -> Owner:
        """Return whose a run is; raises `NotFound`."""
        ...

    def bounded_in(self, tx: Tx, pid: int, changes: Mapping[str, Any], by: str) -> None:
        """Show other bounds on what a run spends: `budget` in nanodollars, `tokens`, `steps`."""
        ...

    async def stop(self, pid: int, why: str) -> None:
        """End a run because of a limit of it; raises `Conflict` when it has ended."""
        ...

    def metered_in(self, tx: Tx, pid: int, agent: str, total: Metered, call: Metered, model: str | None) -> None:
        """Show what a run has cost so far by its metered calls, and the newest of them."""
        ...


class Files(Protocol):
    """The fs room."""

    def bound(self, agent: str, size: int | None) -> None:
        """Let an agent's home hold no more than so many bytes; None: as much as any."""
        ...

    async def weigh(self, agent: str, home: Path) -> tuple[int, int]:
        """Measure an agent's home: bytes on disk and files. Raises OSError when there is none."""
        ...
