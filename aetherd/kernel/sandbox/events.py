"""What happens to sandboxes and their images; that one stands is told by its process's own events."""

from __future__ import annotations

from typing import Literal

from aetherd.events import Event


class SandboxOomKilled(Event):
    """The kernel killed programs in it that wanted more memory than the limit allows."""

    type: Literal["sandbox.oom_killed"] = "sandbox.oom_killed"
    kills: int  # since the last look


class SandboxImageMade(Event):
    """An image was made from its recipe."""

    type: Literal["sandbox.image_made"] = "sandbox.image_made"
    image: str
    recipe: str


class SandboxPruned(Event):
    """What was left of sandboxes without a process was removed."""

    type: Literal["sandbox.pruned"] = "sandbox.pruned"
    removed: list[str]


EVENTS = (SandboxOomKilled, SandboxImageMade, SandboxPruned)
