"""How a worktree comes to be and how it ends: whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
from sqlmodel import col, func, select

from aetherd.core.errors import Conflict, Exhausted
from aetherd.kernel.worktree.events import WorktreeCreated, WorktreeRemoved
from aetherd.kernel.worktree.keeper import Keeper, Standing
from aetherd.kernel.worktree.models import Gone
from aetherd.kernel.worktree.names import address
from aetherd.kernel.worktree.queue import Queue
from aetherd.kernel.worktree.tables import RepositoryRow, WorktreeRow
from aetherd.kernel.worktree.trees import Trees
from aetherd.store import Store, Tx

WORKTREES = 500  # of one person
SHOWN = 50


class Coming:
    """Makes and removes worktrees, rows and directories together."""

    def __init__(self, store: Store, trees: Trees, keeper: Keeper, queue: Queue, now: Callable[[], str]) -> None:
        self._store, self._trees, self._keeper, self._queue, self._now = store, trees, keeper, queue, now

    async def recover(self) -> None:
        """Clear away what an earlier daemon began and did not finish."""
        begun = select(WorktreeRow.id).where(WorktreeRow.state == "making")
        for key in await self._store.read(lambda session: list(session.exec(begun))):
            await self._undo(key)

    async def make(self, row: WorktreeRow, repository: RepositoryRow, base: str) -> WorktreeRow:
        """Make a worktree at a commit of the base; a daemon killed meanwhile leaves nothing of it."""
        key, branch, uid, who = row.id, row.branch, row.uid, (row.name, address(row.agent))
        told = WorktreeCreated(
            agent=row.agent, worktree=key, repository=repository.id, branch=branch, base=repository.base
        )

        def done(tx: Tx) -> WorktreeRow:
            found = tx.session.get_one(WorktreeRow, key)
            found.state = "active"
            tx.session.add(found)
            tx.emit(told)
            return found

        await self._store.write(lambda tx: self._begin(tx, row))
        try:
            place = self._trees.tree(key)
            await self._trees.make(repository.id, place, base, branch, uid, who=who, base=repository.base, tip=base)
            await self._trees.make_shadow(key, base, uid)
            return await self._store.write(done)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._undo(key)
            raise

    def _begin(self, tx: Tx, row: WorktreeRow) -> None:
        living = col(WorktreeRow.state) != "removed"
        same = select(WorktreeRow).where(WorktreeRow.repository == row.repository, WorktreeRow.branch == row.branch)
        if (there := tx.session.exec(same.where(living)).first()) is not None:
            raise Conflict(
                f"branch {row.branch} is that of worktree {there.id}; name another with `branch`", worktree=there.id
            )
        mine = select(func.count()).select_from(WorktreeRow)
        mine = mine.where(WorktreeRow.user == row.user, WorktreeRow.org == row.org, living)
        if tx.session.exec(mine).one() >= WORKTREES:
            raise Exhausted(f"there are {WORKTREES} worktrees; remove one first")
        tx.session.add(row)

    async def _undo(self, key: str) -> None:
        await self._trees.clear(self._trees.tree(key))
        await self._trees.clear(self._trees.shadow(key))

        def work(tx: Tx) -> None:
            if (row := tx.session.get(WorktreeRow, key)) is not None and row.state == "making":
                tx.session.delete(row)

        await self._store.write(work)

    async def remove(self, row: WorktreeRow, repository: RepositoryRow, base: str, *, dry: bool) -> Gone:
        """Remove a worktree, after what is nowhere else was archived."""
        try:
            standing = await self._keeper.look(row, repository, base, anew=True)
            trouble = standing.look.partial
        except Conflict as exc:
            trouble = exc.message
        if trouble:  # git cannot tell what is in it: then all of it is kept
            archive = None if dry else await self._trees.pack(row.id)
            return await self._end(row, dry, archive, note=f"the whole directory is kept, because {trouble}")
        return await self._settle(row, repository, standing, dry)

    async def _settle(self, row: WorktreeRow, repository: RepositoryRow, standing: Standing, dry: bool) -> Gone:
        refs, commits = await self._keeper.unsaved(row, standing)
        bundle = patch = None
        if (refs or standing.dirty) and not dry:
            there = await self._trees.stores.theirs(repository).has(standing.base)
            bundle, patch = await self._keeper.archive(row, standing, refs, [standing.base] if there else [])
        back = f"git -C {repository.path} fetch {bundle} 'refs/archive/{row.id}/*:refs/heads/restored/*'"
        return await self._end(
            row,
            dry,
            bundle,
            dirty=list(standing.dirty)[:SHOWN],
            unmerged=commits,
            patch=patch and str(patch),
            note=f"to get it back: {back}" if bundle else "",
        )

    async def _end(self, row: WorktreeRow, dry: bool, archive: Path | None, **facts: Any) -> Gone:
        disk, kept = await self._trees.disk(row.id), None if archive is None else str(archive)

        def work(tx: Tx) -> None:
            if busy := self._queue.cancel(tx, row.id, "the worktree was removed"):
                raise Conflict(
                    f"its merge {busy[0].id} is at work ({busy[0].state}); wait for that", state=busy[0].state
                )
            found = tx.session.get_one(WorktreeRow, row.id)
            found.state, found.removed_at, found.archive = "removed", self._now(), kept
            tx.session.add(found)
            tx.emit(WorktreeRemoved(agent=row.agent, worktree=row.id, branch=row.branch, archive=kept))

        if not dry:
            await self._store.write(work)
            with anyio.CancelScope(shield=True):
                await self._trees.clear(self._trees.tree(row.id))
                await self._trees.clear(self._trees.shadow(row.id))
                self._keeper.forget(row.id)
                await self._trees.stores.forget(row.repository, row.id)
        return Gone(
            worktree=row.id,
            path=str(self._trees.tree(row.id)),
            bytes=disk.bytes,
            archive=kept,
            done=not dry,
            **({"dirty": [], "unmerged": 0, "patch": None} | facts),
        )
