"""What the memory room takes and gives."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from aetherd.core.model import Model, Page


def _tidy(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tag.strip().lower() for tag in tags if tag.strip()))


Layer = Literal["episodic", "semantic", "procedural", "social"]
Namespace = Literal["agent", "team", "workspace", "global"]
Tags = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=20), AfterValidator(_tidy)]
Ref = Annotated[str, Field(max_length=100)]
Content = Annotated[str, Field(min_length=1, max_length=100_000)]


class Remember(Model):
    """Something worth knowing later; `content` is enough."""

    content: Content = Field(repr=False, description="the fact itself, understandable on its own")
    layer: Layer = Field(
        default="semantic",
        description="semantic: a fact; episodic: what happened; procedural: how to; social: about people",
    )
    namespace: Namespace = Field(
        default="global",
        description="who recalls it. global: all agents of the same user; agent: a private note; team: the agents that "
        "come from the same lead; workspace: those that have the workspace",
    )
    workspace: Ref | None = Field(default=None, description="for namespace workspace: its name or id")
    tags: Tags = Field(default=[], description="words to find it by; case does not matter")
    importance: float = Field(default=0.5, ge=0, le=1, description="0 trivial, 1 vital; weighs in recall")
    agent: Ref | None = Field(
        default=None, description="for people: keep it as this agent's private note, or its team's (id or name)"
    )

    @model_validator(mode="after")
    def _one_place(self) -> Remember:
        named = self.namespace if "namespace" in self.model_fields_set else None
        if self.agent is not None and named in ("global", "workspace"):
            raise ValueError(f"a note for one agent is not {named}; leave out `agent` or `namespace`")
        if self.workspace is not None and (named not in (None, "workspace") or self.agent is not None):
            raise ValueError("what is kept in a workspace is kept nowhere else; leave out `agent` and `namespace`")
        if named == "workspace" and self.workspace is None:
            raise ValueError("which workspace? name it as `workspace`; workspace.list shows those there are")
        return self


class Remembered(Model):
    """What was stored."""

    id: str
    layer: Layer
    namespace: Namespace
    workspace: str | None = Field(default=None, description="id of the workspace whose it is")
    tags: list[str]
    importance: float
    agent: str | None = Field(description="whose it is; null for a person's")
    created_at: str
    updated_at: str | None = None
    journal: int | None = Field(
        default=None, description="pid of the run that aetherd itself tells of here; null: remembered on purpose"
    )


class Memory(Remembered):
    """One memory."""

    content: str
    truncated: bool = Field(default=False, description="content is only the beginning; memory.get has it all")


class WholeMemory(Memory):
    """One memory in full, and where it comes from."""

    origin: str | None = Field(default=None, description="the memory it is a copy of, by memory.share")
    sources: list[str] = Field(default=[], description="memories merged into it; memory.get still shows each")
    merged_into: str | None = Field(default=None, description="the memory it is part of now; recall finds that one")


class Recall(Model):
    """What to look for; `query` is enough."""

    query: str = Field(min_length=1, max_length=20_000, repr=False, description="plain words; any of them may match")
    layer: Layer | None = Field(default=None, description="only this layer")
    namespace: Namespace | None = Field(default=None, description="only this namespace; default all you may see")
    workspace: Ref | None = Field(default=None, description="only this workspace's memories (id or name)")
    tags: Tags = Field(default=[], description="only memories that have all of these")
    agent: Ref | None = Field(default=None, description="only this agent's memories (id or name)")
    limit: int = Field(default=10, ge=1, le=50, description="most memories to return")


class RecalledMemory(Memory):
    """A memory and how well it fits."""

    score: float = Field(description="0 to 1: fit of the words x importance x freshness, relative to the best fit")


class Recalled(Model):
    """The best first; journals after all that was remembered on purpose."""

    memories: list[RecalledMemory]


class MemoryRef(Model):
    """Names one memory."""

    id: Ref = Field(description="memory id")


class MemoryList(Page):
    """Which memories; newest first."""

    layer: Layer | None = Field(default=None, description="only this layer")
    namespace: Namespace | None = Field(default=None, description="only this namespace")
    workspace: Ref | None = Field(default=None, description="only this workspace's memories (id or name)")
    tags: Tags = Field(default=[], description="only memories that have all of these")
    agent: Ref | None = Field(default=None, description="only this agent's memories (id or name)")


class Memories(Model):
    """A page of memories."""

    memories: list[Memory]
    cursor: str | None = None


class MemoryUpdate(MemoryRef):
    """What to change; what is left out stays."""

    content: Content | None = Field(default=None, repr=False, description="the fact as it is now")
    layer: Layer | None = Field(default=None, description="another layer")
    tags: Tags | None = Field(default=None, description="these tags instead of those it has")
    importance: float | None = Field(default=None, ge=0, le=1, description="0 trivial, 1 vital")

    @model_validator(mode="after")
    def _something(self) -> MemoryUpdate:
        if not any(value is not None for name, value in self if name != "id"):
            raise ValueError("nothing to change; give content, layer, tags or importance")
        return self


class MemoryShare(MemoryRef):
    """With whom: one of the three."""

    namespace: Literal["team", "workspace", "global"] | None = Field(
        default=None, description="global: all agents of the user; team: those that come from the same lead"
    )
    workspace: Ref | None = Field(default=None, description="those that have this workspace (id or name)")
    to: Ref | None = Field(default=None, description="one agent (id or name): it gets a copy of its own")

    @model_validator(mode="after")
    def _with_one(self) -> MemoryShare:
        if self.workspace is None and self.namespace == "workspace":
            raise ValueError("which workspace? name it as `workspace`; workspace.list shows those there are")
        if self.workspace is not None and self.namespace == "workspace":
            return self if self.to is None else self._refuse()
        return self if [self.namespace, self.workspace, self.to].count(None) == 2 else self._refuse()

    def _refuse(self) -> MemoryShare:
        raise ValueError("say with whom: one of namespace (team, global), workspace, to")


class Consolidate(Model):
    """Which memories to look through, and how alike is alike."""

    namespace: Namespace | None = Field(
        default=None, description="whose: default `agent`, the private notes, for an agent, and `global` for a person"
    )
    workspace: Ref | None = Field(default=None, description="this workspace's memories (id or name)")
    agent: Ref | None = Field(default=None, description="for people: only this agent's memories (id or name)")
    similarity: float = Field(
        default=0.8, ge=0.5, le=1, description="share of words two have in common; 1: the same words"
    )
    limit: int = Field(default=500, ge=1, le=1000, description="most memories to look at in this call, newest first")
    cursor: str | None = Field(default=None, description="the `cursor` of the call before, to go on with older ones")
    dry_run: bool = Field(default=False, description="only say what would be merged")


class Merged(Model):
    """Memories that say the same."""

    id: str = Field(description="the newest of them, which stays, with the tags and the highest importance of all")
    content: str = Field(description="what it says; long ones are cut")
    sources: list[str] = Field(description="what is merged into it; memory.get still shows each")
    similarity: float = Field(description="of the one least like it")


class Consolidated(Model):
    """What was merged, or would be."""

    merged: list[Merged]
    looked_at: int
    done: bool = Field(description="false for a dry run")
    cursor: str | None = Field(default=None, description="there are older ones: give it back to go on with them")


class Forgotten(Model):
    """What was removed."""

    id: str
