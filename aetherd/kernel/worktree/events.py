"""What happens to worktrees and in the merge queue."""

from __future__ import annotations

from typing import Literal

from aetherd.events import Event


class WorktreeCreated(Event):
    """An agent was given a worktree; `agent` is whose it is, here and below."""

    type: Literal["worktree.created"] = "worktree.created"
    worktree: str
    repository: str
    branch: str
    base: str


class WorktreeCommitted(Event):
    """Work in it was committed by worktree.commit."""

    type: Literal["worktree.committed"] = "worktree.committed"
    worktree: str
    commit: str
    files: int


class WorktreeMergeChanged(Event):
    """Its place in the merge queue is at another step; `from_state` is null when it was just queued."""

    type: Literal["worktree.merge_changed"] = "worktree.merge_changed"
    worktree: str
    merge: str
    from_state: str | None
    to_state: str
    commit: str | None
    reason: str | None


class WorktreePushed(Event):
    """Its branch was pushed to a remote."""

    type: Literal["worktree.pushed"] = "worktree.pushed"
    worktree: str
    remote: str
    branch: str
    commit: str


class WorktreeRemoved(Event):
    """It is gone; what was not merged or pushed is in the archive."""

    type: Literal["worktree.removed"] = "worktree.removed"
    worktree: str
    branch: str
    archive: str | None


EVENTS = (WorktreeCreated, WorktreeCommitted, WorktreeMergeChanged, WorktreePushed, WorktreeRemoved)
