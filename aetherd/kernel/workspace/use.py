"""A workspace as one caller uses it through fs.*: as whom, kept off by which reservations, and recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aetherd.kernel.workspace.book import Book
from aetherd.kernel.workspace.record import Author
from aetherd.kernel.workspace.reservations import Party
from aetherd.kernel.workspace.tables import WorkspaceRow
from aetherd.kernel.workspace.watcher import Watcher


@dataclass(frozen=True, slots=True)
class Use:
    """What the fs room gets."""

    row: WorkspaceRow
    path: Path
    uid: int | None  # the agent's, a person acts as the workspace's own; None when all share the daemon's
    party: Party
    book: Book
    watcher: Watcher
    now: Callable[[], str]

    @property
    def id(self) -> str:
        """The workspace's id."""
        return self.row.id

    def begin(self, paths: Sequence[str], tree: bool) -> None:
        """Raise `Conflict` when somebody else reserved one of the paths, or with `tree` anything beneath."""
        for path in paths:
            self.book.reservations.check(self.id, path, tree, self.party, self.now())
        self.watcher.marks[self.id].take(paths)

    async def changed(self, paths: Sequence[str]) -> None:
        """Record what was changed at these paths."""
        await self.watcher.changed(self.row, paths, Author(self.party.agent, self.party.name))

    def settle(self, paths: Sequence[str]) -> None:
        """Note that what was begun is over, done or not."""
        self.watcher.marks[self.id].settle(paths)
