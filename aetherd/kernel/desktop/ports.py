"""What the desktop room needs of its neighbours."""

from __future__ import annotations

from typing import Protocol

from aetherd.operations.operation import Call


class Control(Protocol):
    """Who holds the keyboard of a process."""

    def holder_of(self, pid: int) -> str | None:
        """Return who holds it, or None."""
        ...

    def renew(self, pid: int, call: Call | None) -> None:
        """Let the lease go on: its holder was seen."""
        ...
