"""What happens to desktops; their pictures are frames, not events."""

from __future__ import annotations

from typing import Literal

from aetherd.events import Event


class DesktopStarted(Event):
    """A desktop was started beside a process."""

    type: Literal["desktop.started"] = "desktop.started"
    width: int
    height: int


class DesktopStopped(Event):
    """A desktop ended, with all that ran on it."""

    type: Literal["desktop.stopped"] = "desktop.stopped"


EVENTS = (DesktopStarted, DesktopStopped)
