"""What happens to memories; never their content."""

from __future__ import annotations

from typing import Literal

from aetherd.events import Event


class MemoryRemembered(Event):
    """Something was stored."""

    type: Literal["memory.remembered"] = "memory.remembered"
    memory: str
    namespace: str
    layer: str


class MemoryForgotten(Event):
    """It was removed for good."""

    type: Literal["memory.forgotten"] = "memory.forgotten"
    memory: str
    namespace: str


EVENTS = (MemoryRemembered, MemoryForgotten)
