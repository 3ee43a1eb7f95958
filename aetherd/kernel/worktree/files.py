"""A worktree as one caller uses it through fs.*: as its agent, with nobody to keep off."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aetherd.core.errors import Conflict
from aetherd.kernel.worktree.tables import WorktreeRow
from aetherd.kernel.worktree.trees import Trees
from aetherd.operations.operation import Call


@dataclass(frozen=True, slots=True)
class Tree:
    """What the fs room gets; a worktree has no reservations, and git tells what changed in it."""

    id: str
    path: Path
    uid: int | None

    def begin(self, paths: Sequence[str], tree: bool) -> None:
        """Nobody else writes here."""

    async def changed(self, paths: Sequence[str]) -> None:
        """Git tells it."""

    def settle(self, paths: Sequence[str]) -> None:
        """Do nothing: nothing was begun."""


class Files:
    """The worktree room, in the list of `fs.workspaces`."""

    def __init__(self, mine: Callable[[str, Call], Awaitable[WorktreeRow]], trees: Trees) -> None:
        self._mine, self._trees = mine, trees

    async def shared(self, ref: str, call: Call, *, write: bool) -> Tree:
        """Return a worktree (id or branch) of the caller's; raises `NotFound`, `Forbidden`, `Conflict`."""
        row = await self._mine(ref, call)
        if row.state != "active":
            raise Conflict(f"worktree {row.id} is {row.state}; its files are out of reach", state=row.state)
        return Tree(row.id, self._trees.tree(row.id), row.uid)
