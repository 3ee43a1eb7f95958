"""What the quota room needs from its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from sqlmodel import Session

from aetherd.operations.bounds import Bounds
from aetherd.operations.operation import Call
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


class Files(Protocol):
    """The fs room."""

    def bound(self, agent: str, size: int | None) -> None:
        """Let an agent's home hold no more than so many bytes; None: as much as any."""
        ...

    async def weigh(self, agent: str, home: Path) -> tuple[int, int]:
        """Measure an agent's home: bytes on disk and files. Raises OSError when there is none."""
        ...


class Messages(Protocol):
    """The message room."""

    def post_in(
        self,
        tx: Tx,
        *,
        sender: tuple[str | None, str],
        to: tuple[str | None, str],
        text: str,
        kind: str,
        data: dict[str, Any],
        user: str,
        org: str,
    ) -> str:
        """Send inside the caller's transaction; parties are agent id (None: the person) and name."""
        ...
