"""What happens to reflections."""

from __future__ import annotations

from typing import Literal

from aetherd.events import Event


class ReflectionAdded(Event):
    """An agent looked back at its run; this is in the run's timeline."""

    type: Literal["reflection.added"] = "reflection.added"
    reflection: str
    rating: int
    lessons: list[str]
    differently: str | None
    skill: str | None
    memory: str


EVENTS = (ReflectionAdded,)
