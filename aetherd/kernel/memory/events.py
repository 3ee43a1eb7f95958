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


class MemoryUpdated(Event):
    """It was changed; `fields` says what."""

    type: Literal["memory.updated"] = "memory.updated"
    memory: str
    namespace: str
    fields: list[str]


class MemoryShared(Event):
    """More may see it now; with `source` it is a copy that was given."""

    type: Literal["memory.shared"] = "memory.shared"
    memory: str
    namespace: str
    from_namespace: str
    source: str | None = None


class MemoryConsolidated(Event):
    """Near-duplicates became one: `merged` are in it now and found no longer by themselves."""

    type: Literal["memory.consolidated"] = "memory.consolidated"
    memory: str
    namespace: str
    merged: list[str]


class MemoryForgotten(Event):
    """It was removed for good."""

    type: Literal["memory.forgotten"] = "memory.forgotten"
    memory: str
    namespace: str


EVENTS = (MemoryRemembered, MemoryUpdated, MemoryShared, MemoryConsolidated, MemoryForgotten)
