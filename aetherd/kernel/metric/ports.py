"""What the metric room needs from others."""

from __future__ import annotations

from typing import Any, Protocol

from sqlmodel import Session

from aetherd.operations.bounds import Bounds


class Processes(Protocol):
    """Processes, their counts and what they use."""

    bounds: Bounds

    async def row_of(self, pid: int) -> Any:
        """Return a process: `runtime`, `name`, `agent`, `session`, `model_seen`, `created_at`, its tokens and end."""
        ...

    def counts(self, session: Session) -> dict[str, int]:
        """Count processes by state."""
        ...

    def limited(self, session: Session) -> int:
        """Count the processes that wait for a usage limit."""
        ...


class Approvals(Protocol):
    """Questions to people."""

    def pending(self, session: Session) -> dict[int, int]:
        """Count the questions that wait, by pid."""
        ...
