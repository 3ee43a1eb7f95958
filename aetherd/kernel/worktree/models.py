"""What the worktree room takes and gives."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from aetherd.core.model import Model, Page

Step = Literal["queued", "rebasing", "testing", "merged", "conflict", "failed_tests", "failed", "cancelled"]
How = Literal["rebase", "merge"]
Branch = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./+@-]*$")]
Path = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00]+$")]


class WorktreeRef(Model):
    """Names one worktree."""

    worktree: str = Field(min_length=1, max_length=200, description="worktree id, or its branch")


class WorktreeCreate(Model):
    """A worktree for an agent in a repository."""

    repository: Path = Field(
        description="a git repository on this machine: its path, which a person names the first time, or its id"
    )
    agent: str | None = Field(default=None, max_length=100, description="agent id or name; default is the caller")
    branch: Branch | None = Field(default=None, description="a new branch; default `agent/` and the agent's name")
    base: Branch | None = Field(
        default=None, description="branch it starts from and is merged into; default what is checked out there"
    )
    test: str | None = Field(
        default=None,
        max_length=4000,
        description="person only, kept for the repository: shell command that must succeed before each merge; "
        "empty for none",
    )
    test_timeout_s: float | None = Field(
        default=None, ge=1, le=7200, description="person only, kept for the repository; at first 600"
    )


class Clash(Model):
    """Another worktree of the repository that cannot be merged beside this one."""

    worktree: str
    branch: str
    agent: str
    name: str = Field(description="that agent's name")
    files: list[str] = Field(description="what both changed in ways that conflict; the first 50")


class Merge(Model):
    """A place in the merge queue."""

    id: str
    worktree: str
    state: Step
    how: How
    tip: str = Field(description="the commit of the branch that is merged")
    test: str | None
    commit: str | None = Field(description="what the base branch became, once merged")
    files: list[str] = Field(description="where it conflicts")
    reason: str | None = Field(description="why it ended so, or what is to be done now")
    output: str | None = Field(description="the last of what the test printed")
    ahead: int = Field(description="merges of the same repository that come first")
    created_at: str
    created_by: str
    ended_at: str | None


class Worktree(Model):
    """An agent's own directory and branch of a repository."""

    id: str
    repository: str = Field(description="repository id")
    repository_path: str
    path: str = Field(description="where it is; a process of the agent reaches it from its next start")
    branch: str
    base: str
    agent: str
    name: str = Field(description="the agent's name")
    state: Literal["making", "active", "broken", "removed"] = Field(
        description="broken: git cannot tell what is in it; `trouble` says why"
    )
    trouble: str | None
    tip: str | None = Field(description="commit of its branch")
    ahead: int | None = Field(description="commits that the base lacks")
    behind: int | None = Field(description="commits of the base that it lacks")
    dirty: list[str] = Field(description="files changed and not committed; the first 50")
    dirty_files: int = Field(description="how many")
    merged: bool = Field(description="all its commits are in the base")
    pushed: str | None = Field(description="commit that was pushed last")
    bytes: int | None = Field(description="what it takes on disk")
    bytes_complete: bool = Field(description="false: it holds too many files to count, it takes more")
    conflicts: list[Clash] = Field(
        description="forecast: other living worktrees that would conflict with it, also by what is not committed"
    )
    forecast_complete: bool = Field(description="false: there are too many worktrees to compare all")
    merge: Merge | None = Field(description="its newest place in the merge queue")
    archive: str | None = Field(description="after removal: where what was not merged or pushed is")
    note: str = Field(description="what one should know to work in it")
    created_at: str


class Repository(Model):
    """A repository in which worktrees may be made."""

    id: str
    path: str
    base: str
    test: str | None
    test_timeout_s: float
    queue: int = Field(description="merges that wait or are at work")
    bytes: int = Field(description="what our copies of its objects take on disk, beside the worktrees themselves")


class WorktreeList(Page):
    """Which worktrees; newest first."""

    repository: Path | None = Field(default=None, description="only of this one (path or id)")
    agent: str | None = Field(default=None, max_length=100, description="only of this agent (id or name)")
    worktree: str | None = Field(default=None, max_length=200, description="only this one (id or branch)")
    removed: bool = Field(
        default=False, description="show those that were removed instead, and where their work is kept"
    )


class Worktrees(Model):
    """A page of worktrees, and the repositories one can work in."""

    worktrees: list[Worktree]
    repositories: list[Repository]
    cursor: str | None = None


class WorktreeDiff(WorktreeRef):
    """Which part of what was changed."""

    committed: bool = Field(default=False, description="only what is committed on the branch")
    paths: list[Path] = Field(default=[], max_length=100, description="only these files or directories")
    cursor: str | None = Field(default=None, max_length=300, description="the `cursor` of the part before")
    limit: int = Field(default=50_000, ge=1000, le=1_000_000, description="most bytes of patch to return")


class Changed(Model):
    """A file that differs from the base."""

    path: str
    added: int | None = Field(description="lines; null for a binary file")
    removed: int | None


class Diff(Model):
    """What a worktree changed since it left the base."""

    worktree: str
    since: str = Field(description="the commit it left the base at")
    files: list[Changed] = Field(description="the first 500")
    files_total: int
    patch: str = Field(description="this part of the patch; bytes that are no UTF-8 are shown as U+FFFD")
    truncated: bool = Field(description="there is more: give `cursor` back for it")
    cursor: str | None


class WorktreeCommit(WorktreeRef):
    """What to commit, and what to say of it."""

    message: str = Field(min_length=1, max_length=20_000, pattern=r"^[^\x00]*\S[^\x00]*$", description="commit message")
    paths: list[Path] = Field(default=[], max_length=500, description="only these, relative to it; default everything")


class Committed(Model):
    """The commit."""

    worktree: str
    commit: str | None = Field(description="null: nothing had changed")
    files: int = Field(description="files it changes")
    author: str


class WorktreeMerge(WorktreeRef):
    """How to merge its branch into the base."""

    how: How = Field(
        default="rebase",
        description="rebase: its commits on top of the base, one by one; merge: one merge commit",
    )
    test: str | None = Field(
        default=None,
        max_length=4000,
        description="shell command that must succeed, in a fresh checkout; default the repository's own, which only a "
        "person may replace",
    )
    wait_s: float = Field(default=0, ge=0, le=600, description="how long to wait for the outcome; the queue goes on")


class WorktreePush(WorktreeRef):
    """Where to push its branch."""

    remote: str = Field(
        default="origin", max_length=100, pattern=r"^[A-Za-z0-9_][\w.-]*$", description="a remote of the repository"
    )
    branch: Branch | None = Field(default=None, description="its name there; default the same")


class Pushed(Model):
    """What was pushed."""

    worktree: str
    remote: str
    branch: str
    commit: str


class WorktreeRemove(WorktreeRef):
    """Remove a worktree."""

    dry_run: bool = Field(default=False, description="only tell what would be archived and removed")


class Gone(Model):
    """What was, or would be, removed."""

    worktree: str
    path: str
    bytes: int
    dirty: list[str] = Field(description="files that were changed and not committed; the first 50")
    unmerged: int = Field(description="commits that were neither merged nor pushed, on any branch in it")
    archive: str | None = Field(description="where these are kept, as a git bundle; null when there were none")
    patch: str | None = Field(description="where what was not committed is kept as a patch, too")
    note: str = Field(description="how to get it back")
    done: bool = Field(description="false for a dry run")
