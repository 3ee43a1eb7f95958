"""Git worktrees of agents: one directory and branch each, a merge queue with tests, nothing of theirs ever lost."""

from aetherd.kernel.worktree.events import EVENTS
from aetherd.kernel.worktree.service import WorktreeService

__all__ = ["EVENTS", "WorktreeService"]
