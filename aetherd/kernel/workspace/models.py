"""What the workspace room takes and gives."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, ConfigDict, Field, model_validator

from aetherd.core.model import Model, Page

Mode = Literal["rw", "ro"]
Files = Literal["keep", "archive", "delete"]
Kind = Literal["created", "modified", "removed"]
PATH = "relative to the workspace, such as `src/app.py`"


class WorkspaceRef(Model):
    """Names one workspace."""

    workspace: str = Field(min_length=1, max_length=100, description="workspace id or name")


class WorkspaceCreate(Model):
    """A new shared directory."""

    name: str = Field(
        min_length=1, max_length=64, pattern=r"^[\w][\w .@+-]*$", description="unique among your workspaces"
    )
    description: str | None = Field(default=None, max_length=4000, description="what it is for")


class WorkspaceList(Page):
    """Which workspaces."""

    agent: str | None = Field(default=None, max_length=100, description="only those this agent has (id or name)")


class WorkspaceMount(WorkspaceRef):
    """Give a workspace to an agent."""

    agent: str | None = Field(default=None, max_length=100, description="agent id or name; default is the caller")
    mode: Mode = Field(default="rw", description="rw: read and write; ro: only look")


class WorkspaceUnmount(WorkspaceRef):
    """Take it from an agent."""

    agent: str | None = Field(default=None, max_length=100, description="agent id or name; default is the caller")


class Mounted(Model):
    """An agent that has a workspace."""

    model_config = ConfigDict(serialize_by_alias=True)

    workspace: str
    agent: str
    name: str = Field(description="the agent's name")
    mode: Mode
    path: str = Field(description="where its own programs find it; fs tools take `workspace` and a relative path")
    since: str
    pid: int | None = Field(description="its running process, if there is one")
    live: bool = Field(description="whether its own programs reach it now; its fs tools always do")
    reach: Literal["now", "next start"] = Field(
        alias="from", description="when its own programs reach it: a process sees it from its next start"
    )
    note: str = Field(description="the same in words")


class Unmounted(Model):
    """What was taken."""

    workspace: str
    agent: str
    released: list[str] = Field(description="reservations of the agent that ended with it")
    note: str = Field(description="what a process that runs can still reach, in words")


class Reserve(WorkspaceRef):
    """Keep others from writing a path, for a while; the same again renews it."""

    path: str = Field(min_length=1, max_length=1024, description=f"file or directory, {PATH}; need not exist yet")
    tree: bool = Field(default=False, description="with everything beneath it")
    mode: Literal["exclusive", "shared"] = Field(
        default="exclusive",
        description="exclusive: nobody else writes there; shared: all who reserve it shared may",
    )
    ttl_s: float = Field(default=600, ge=1, le=86_400, description="ends by itself after so many seconds")
    reason: str = Field(min_length=1, max_length=500, description="why; those who are refused read it")


class Reservation(Model):
    """A path that somebody keeps others off."""

    id: str
    workspace: str
    path: str
    tree: bool
    mode: Literal["exclusive", "shared"]
    agent: str | None = Field(description="who holds it; null for a person")
    holder: str = Field(description="the agent's name, or the person")
    pid: int | None = Field(description="it ends with this process")
    reason: str
    created_at: str
    expires_at: str


class Release(WorkspaceRef):
    """End reservations of your own: one, those of a path, or without both all in this workspace."""

    reservation: str | None = Field(
        default=None, max_length=100, description="one by its id; a person may end anybody's"
    )
    path: str | None = Field(default=None, min_length=1, max_length=1024, description=f"those of exactly this, {PATH}")

    @model_validator(mode="after")
    def _one_way(self) -> Release:
        if self.reservation is not None and self.path is not None:
            raise ValueError("name a reservation or a path, not both")
        return self


class Released(Model):
    """What ended."""

    released: list[str]


class Changes(WorkspaceRef):
    """Which changes; oldest first."""

    cursor: str | None = Field(
        default=None, max_length=20, description="the `cursor` of an answer before: what came after it"
    )
    since: AwareDatetime | None = Field(default=None, description="only from this time on")
    agent: str | None = Field(default=None, max_length=100, description="only by this agent (id or name)")
    limit: int = Field(default=50, ge=1, le=500, description="most changes; without a cursor the newest")


class Change(Model):
    """A file that changed."""

    path: str
    kind: Kind
    agent: str | None = Field(description="id of the agent that did it, as far as it is known")
    by: str | None = Field(description="name of the agent, or the person; null: not known")
    maybe: list[str] = Field(description="when it is not known: agents that were at work then")
    via: Literal["fs", "seen"] = Field(description="fs: through an fs tool; seen: found in the directory afterwards")
    at: str


class ChangesPage(Model):
    """A page of changes."""

    changes: list[Change]
    cursor: str = Field(description="give it back, now or later, to get what comes after")
    more: bool
    complete: bool = Field(description="false: the workspace holds too many files to look at them all")


class Conflict(Model):
    """A write past a reservation."""

    path: str
    kind: Kind
    holder: str = Field(description="who had reserved it")
    holder_agent: str | None
    by: str | None = Field(description="who wrote; null: not known")
    by_agent: str | None
    maybe: list[str]
    reason: str = Field(description="why it was reserved")
    count: int = Field(description="how often it was seen")
    first_at: str
    at: str


class Workspace(Model):
    """A directory that agents share."""

    id: str
    name: str
    description: str | None
    path: str = Field(description="where it is on this machine")
    agent: str | None = Field(description="the agent that made it; null for a person")
    created_at: str
    mounts: list[Mounted] = Field(description="who has it")
    reservations: list[Reservation]
    conflicts: list[Conflict] = Field(description="the newest 20 writes past reservations, newest first")
    files: int | None = Field(description="how many files it holds; null until it was looked at")
    bytes: int | None = Field(description="what they take on disk")


class Workspaces(Model):
    """A page of workspaces."""

    workspaces: list[Workspace]
    cursor: str | None = None


class WorkspaceRemove(WorkspaceRef):
    """Remove a workspace for good."""

    files: Files = Field(
        default="keep", description="what becomes of its directory; archive packs it into a tar file first"
    )
    dry_run: bool = Field(default=False, description="only tell what would be removed")


class WorkspaceGone(Model):
    """What was, or would be, removed."""

    workspace: str
    path: str
    action: Files
    bytes: int = Field(description="size of the directory")
    archive: str | None = Field(default=None, description="where the directory was packed to")
    done: bool = Field(description="false for a dry run")
