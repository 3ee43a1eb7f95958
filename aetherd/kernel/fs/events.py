"""What happens to files through aetherd; what a program does by itself is seen by `fs.watch`."""

from __future__ import annotations

from typing import Literal

from aetherd.events import Event

What = Literal["written", "edited", "made", "moved", "copied", "removed"]


class FsChanged(Event):
    """A file or directory of a home, or of a workspace, was changed by a call."""

    type: Literal["fs.changed"] = "fs.changed"
    path: str
    what: What
    to: str | None = None
    workspace: str | None = None


EVENTS = (FsChanged,)
