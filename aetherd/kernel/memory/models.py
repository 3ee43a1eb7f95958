"""What the memory room takes and gives."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from aetherd.core.model import Model, Page


def _known(value: Any) -> Any:
    if value in ("team", "workspace"):
        raise ValueError(
            f"{value} memories come with the rooms org and workspace; use global (shared) or agent (private)"
        )
    return value


def _tidy(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tag.strip().lower() for tag in tags if tag.strip()))


Layer = Literal["episodic", "semantic", "procedural", "social"]
Namespace = Annotated[Literal["agent", "global"], BeforeValidator(_known)]
Tags = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=20), AfterValidator(_tidy)]


class Remember(Model):
    """Something worth knowing later; `content` is enough."""

    content: str = Field(
        min_length=1, max_length=100_000, repr=False, description="the fact itself, understandable on its own"
    )
    layer: Layer = Field(
        default="semantic",
        description="semantic: a fact; episodic: what happened; procedural: how to; social: about people",
    )
    namespace: Namespace = Field(
        default="global", description="global: all agents of the same user recall it; agent: a private note"
    )
    tags: Tags = Field(default=[], description="words to find it by; case does not matter")
    importance: float = Field(default=0.5, ge=0, le=1, description="0 trivial, 1 vital; weighs in recall")
    agent: str | None = Field(default=None, description="for people: keep it as this agent's private note (id or name)")

    @model_validator(mode="after")
    def _one_place(self) -> Remember:
        if self.agent is not None and self.namespace == "global" and "namespace" in self.model_fields_set:
            raise ValueError("a note for one agent is not global; leave out `agent` or `namespace`")
        return self


class Remembered(Model):
    """What was stored."""

    id: str
    layer: Layer
    namespace: Literal["agent", "global"]
    tags: list[str]
    importance: float
    agent: str | None = Field(description="whose it is; null for a person's")
    created_at: str


class Memory(Remembered):
    """One memory."""

    content: str
    truncated: bool = Field(default=False, description="content is only the beginning; memory.get has it all")


class Recall(Model):
    """What to look for; `query` is enough."""

    query: str = Field(min_length=1, max_length=20_000, repr=False, description="plain words; any of them may match")
    layer: Layer | None = Field(default=None, description="only this layer")
    namespace: Namespace | None = Field(
        default=None, description="only global (shared) or only agent (private); default both"
    )
    tags: Tags = Field(default=[], description="only memories that have all of these")
    agent: str | None = Field(default=None, description="only this agent's memories (id or name)")
    limit: int = Field(default=10, ge=1, le=50, description="most memories to return")


class RecalledMemory(Memory):
    """A memory and how well it fits."""

    score: float = Field(description="0 to 1: fit of the words x importance x freshness, relative to the best fit")


class Recalled(Model):
    """The best first."""

    memories: list[RecalledMemory]


class MemoryRef(Model):
    """Names one memory."""

    id: str = Field(max_length=100, description="memory id")


class MemoryList(Page):
    """Which memories; newest first."""

    layer: Layer | None = Field(default=None, description="only this layer")
    namespace: Namespace | None = Field(default=None, description="only global or only agent")
    tags: Tags = Field(default=[], description="only memories that have all of these")
    agent: str | None = Field(default=None, description="only this agent's memories (id or name)")


class Memories(Model):
    """A page of memories."""

    memories: list[Memory]
    cursor: str | None = None


class Forgotten(Model):
    """What was removed."""

    id: str
