"""Terminals: a person's own, and the screens of processes."""

from aetherd.kernel.terminal.events import EVENTS
from aetherd.kernel.terminal.service import TerminalService

__all__ = ["EVENTS", "TerminalService"]
