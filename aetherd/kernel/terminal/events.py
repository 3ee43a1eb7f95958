"""What happens to terminals; their bytes are not events."""

from __future__ import annotations

from typing import Literal

from aetherd.events import Event


class TerminalOpened(Event):
    """A terminal was opened."""

    type: Literal["terminal.opened"] = "terminal.opened"
    terminal: str
    title: str


class TerminalClosed(Event):
    """A terminal ended."""

    type: Literal["terminal.closed"] = "terminal.closed"
    terminal: str
    exit_code: int | None


EVENTS = (TerminalOpened, TerminalClosed)
