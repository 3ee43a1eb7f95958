"""What the system room needs from its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from sqlmodel import Session

from aetherd.runtime import Report


class Processes(Protocol):
    """The process table."""

    def counts(self, session: Session) -> dict[str, int]:
        """Count processes by state."""
        ...

    async def shutdown_agents(self, actor: str) -> int:
        """End every living process."""
        ...


class Approvals(Protocol):
    """Questions that wait."""

    def pending(self, session: Session) -> dict[int, int]:
        """Count them by pid."""
        ...


class Runtimes(Protocol):
    """The runtime room."""

    async def reports(self) -> Mapping[str, Report]:
        """Ask every adapter whether it can run here."""
        ...
