"""Agents as they were: kept, compared, brought back, and run beside themselves."""

from aetherd.kernel.snapshot.events import EVENTS
from aetherd.kernel.snapshot.service import SnapshotService

__all__ = ["EVENTS", "SnapshotService"]
