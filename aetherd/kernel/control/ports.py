"""What the control room needs from the process room."""

from __future__ import annotations

from typing import Any, Protocol

from aetherd.store import Tx


class Processes(Protocol):
    """Processes whose keyboard can be moved."""

    async def row_of(self, pid: int) -> Any:
        """Return a process's row, read-only: `agent`, `user`, `org`, `turn`, `want`, `state`."""
        ...

    def want_in(self, tx: Tx, pid: int, mode: str) -> str:
        """Set the wanted mode inside the transaction; returns `tui` or `keyboard`."""
        ...

    def tell_in(self, tx: Tx, pid: int, text: str, by: str) -> None:
        """Queue a text for the agent inside the transaction; it is sent when it is headless again."""
        ...

    def ask_person_in(self, tx: Tx, pid: int, reason: str) -> None:
        """Show inside the transaction that the agent waits for a person."""
        ...

    def poke(self, pid: int) -> None:
        """Have the supervisor look again."""
        ...

    async def moved(self, pid: int) -> None:
        """Return when something about the process changed, at the latest after a second."""
        ...
