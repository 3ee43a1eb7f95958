"""The frame of a bridge's life: which interpreter runs it, and how it leaves when it is told to."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType


def demand_python(version: tuple[int, int] = (3, 11)) -> None:
    """Leave with a clear word when this place's interpreter is too old."""
    if sys.version_info < version:
        wanted = ".".join(map(str, version))
        sys.exit(f"the bridge needs Python {wanted}, and here is {sys.version.split()[0]}: take another image")


def leave_on_signals(*kills: Callable[[], None]) -> None:
    """On SIGTERM, SIGINT and SIGHUP kill what is ours and exit with 128 + the signal, also while a write blocks."""

    def leave(number: int, frame: FrameType | None) -> None:
        for kill in kills:
            kill()
        os._exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, leave)
