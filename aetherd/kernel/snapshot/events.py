"""What happens to snapshots."""

from __future__ import annotations

from typing import Literal

from aetherd.events import Event


class SnapshotCreated(Event):
    """An agent was kept as it is. It is not of a process's story, which may have ended before: `of` names that."""

    type: Literal["snapshot.created"] = "snapshot.created"
    snapshot: str
    of: int | None
    name: str | None
    kind: str
    files: int
    bytes: int
    stored: int
    frozen_ms: float


class SnapshotFailed(Event):
    """One was begun and could not be made; nothing of it is kept."""

    type: Literal["snapshot.failed"] = "snapshot.failed"
    snapshot: str
    kind: str
    reason: str


class SnapshotRestored(Event):
    """An agent goes on from a snapshot, as a new process."""

    type: Literal["snapshot.restored"] = "snapshot.restored"
    snapshot: str
    safety: str | None


class SnapshotForked(Event):
    """A new agent (`agent`) goes on from another's snapshot."""

    type: Literal["snapshot.forked"] = "snapshot.forked"
    snapshot: str
    source: str


class SnapshotRemoved(Event):
    """It is gone for good."""

    type: Literal["snapshot.removed"] = "snapshot.removed"
    snapshot: str
    kind: str
    reason: str


EVENTS = (SnapshotCreated, SnapshotFailed, SnapshotRestored, SnapshotForked, SnapshotRemoved)
