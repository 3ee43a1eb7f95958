"""Directories that agents share, who has them, who reserved what in them, and who wrote past it."""

from aetherd.kernel.workspace.events import EVENTS
from aetherd.kernel.workspace.service import WorkspaceService

__all__ = ["EVENTS", "WorkspaceService"]
