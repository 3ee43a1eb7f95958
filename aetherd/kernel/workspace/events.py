"""What happens to workspaces; which files changed is told by `workspace.changes`."""

from __future__ import annotations

from typing import Literal

from aetherd.events import Event


class WorkspaceCreated(Event):
    """A shared directory was made."""

    type: Literal["workspace.created"] = "workspace.created"
    workspace: str
    name: str


class WorkspaceMounted(Event):
    """An agent was given it."""

    type: Literal["workspace.mounted"] = "workspace.mounted"
    workspace: str
    name: str
    mode: str
    live: bool


class WorkspaceUnmounted(Event):
    """It was taken from an agent."""

    type: Literal["workspace.unmounted"] = "workspace.unmounted"
    workspace: str
    name: str


class WorkspaceReserved(Event):
    """Somebody keeps others off a path in it, for a while."""

    type: Literal["workspace.reserved"] = "workspace.reserved"
    workspace: str
    reservation: str
    path: str
    tree: bool
    mode: str
    holder: str
    reason: str
    expires_at: str


class WorkspaceReleased(Event):
    """A reservation ended."""

    type: Literal["workspace.released"] = "workspace.released"
    workspace: str
    reservation: str
    path: str
    holder: str
    reason: str


class WorkspaceChanged(Event):
    """A look found that programs changed files; `workspace.changes` says which."""

    type: Literal["workspace.changed"] = "workspace.changed"
    workspace: str
    name: str
    count: int


class WorkspaceConflictDetected(Event):
    """A file was written past somebody's reservation; `agent` is who holds that."""

    type: Literal["workspace.conflict_detected"] = "workspace.conflict_detected"
    workspace: str
    name: str
    reservation: str
    path: str
    kind: str
    holder: str
    by: str | None
    by_agent: str | None
    maybe: list[str]
    changed_at: str


class WorkspaceRemoved(Event):
    """It is gone for good."""

    type: Literal["workspace.removed"] = "workspace.removed"
    workspace: str
    name: str
    files: str


EVENTS = (
    WorkspaceCreated,
    WorkspaceMounted,
    WorkspaceUnmounted,
    WorkspaceReserved,
    WorkspaceReleased,
    WorkspaceChanged,
    WorkspaceConflictDetected,
    WorkspaceRemoved,
)
