"""What the reflection room takes and gives."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from aetherd.core.model import Model, Page, Pid


def _tidy(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tag.strip().lower() for tag in tags if tag.strip()))


Lesson = Annotated[str, Field(min_length=1, max_length=1000)]
Tags = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=10), AfterValidator(_tidy)]


class ReflectionAdd(Model):
    """A look back at your run; `rating` and `lessons` are enough."""

    rating: int = Field(ge=1, le=5, description="how well it went: 1 it failed, 5 nothing to do better")
    lessons: list[Lesson] = Field(
        min_length=1, max_length=10, description="what to know next time, each understandable on its own"
    )
    differently: str | None = Field(default=None, max_length=2000, description="what you would do differently")
    skill: str | None = Field(
        default=None,
        max_length=2000,
        description="a skill that could be made of it: what for, and the file or memory that has its text",
    )
    namespace: Literal["agent", "global"] = Field(
        default="global", description="who recalls it. global: all agents of the same user; agent: you alone"
    )
    tags: Tags = Field(default=[], description="words to find it by")
    pid: Pid | None = Field(default=None, description="the run; default your own that is running")


class ReflectionList(Page):
    """Which reflections; newest first."""

    agent: str | None = Field(default=None, max_length=100, description="only this agent's (id or name)")
    pid: Pid | None = Field(default=None, description="only on this run")


class Reflection(Model):
    """What was learnt from a run; the rating is the agent's own, feedback is the person's."""

    id: str
    pid: int
    agent: str
    rating: int
    lessons: list[str]
    differently: str | None
    skill: str | None
    memory: str = Field(description="the procedural memory that keeps it; memory.recall finds it")
    created_at: str
    created_by: str


class Reflections(Model):
    """A page of reflections."""

    reflections: list[Reflection]
    cursor: str | None = None
