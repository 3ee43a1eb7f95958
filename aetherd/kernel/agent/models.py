"""What the agent room takes and gives."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aetherd.core.model import Model, Page


class AgentRef(Model):
    """Names one agent."""

    agent: str = Field(description="agent id or name")


class AgentCreate(Model):
    """A new identity."""

    name: str = Field(
        min_length=1, max_length=64, pattern=r"^[\w][\w .@+-]*$", description="unique among your living agents"
    )
    role: str | None = Field(default=None, max_length=200, description="what it is for, in a few words")
    description: str | None = Field(default=None, max_length=4000, description="anything a reader should know")
    template: str | None = Field(
        default=None, max_length=100, description="role template for its runs (template.list), with its list of tools"
    )


class AgentUpdate(Model):
    """What to change; fields left out stay."""

    agent: str = Field(description="agent id or name")
    name: str | None = Field(
        default=None, min_length=1, max_length=64, pattern=r"^[\w][\w .@+-]*$", description="a new name"
    )
    role: str | None = Field(default=None, max_length=200, description="what it is for, in a few words")
    description: str | None = Field(default=None, max_length=4000, description="anything a reader should know")


class AgentList(Page):
    """Which agents."""

    archived: bool = Field(default=False, description="also those put away")


class AgentRemove(Model):
    """Remove an agent for good."""

    agent: str = Field(description="agent id or name")
    home: Literal["keep", "archive", "delete"] = Field(
        default="keep", description="what becomes of its home directory; archive packs it into a tar file first"
    )
    dry_run: bool = Field(default=False, description="only tell what would be removed")


class Agent(Model):
    """An identity that works towards goals; it outlives its processes."""

    id: str
    name: str
    role: str | None
    description: str | None
    template: str | None = Field(description="the template its runs start from, where none else is named")
    user: str
    org: str
    parent: str | None = Field(description="the agent that created it, if one did")
    home: str = Field(description="its private directory on this machine")
    uid: int | None = Field(description="its own unprivileged uid; null when the daemon is not root")
    created_at: str
    archived_at: str | None


class Agents(Model):
    """A page of agents."""

    agents: list[Agent]
    cursor: str | None = None


class AgentRemoved(Model):
    """What was, or would be, removed."""

    agent: str
    home: str
    action: Literal["keep", "archive", "delete"]
    bytes: int = Field(description="size of the home")
    archive: str | None = Field(default=None, description="where the home was packed to")
    done: bool = Field(description="false for a dry run")
