"""Worktrees and merges as they are shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
from sqlmodel import Session, col, select

from aetherd.core.errors import AetherError
from aetherd.kernel.worktree import models as m
from aetherd.kernel.worktree import queue
from aetherd.kernel.worktree.keeper import Keeper, Standing
from aetherd.kernel.worktree.stores import Clash
from aetherd.kernel.worktree.tables import MergeRow, RepositoryRow, WorktreeRow
from aetherd.kernel.worktree.trees import Disk, Trees
from aetherd.store import Store

SHOWN = 50
LIVING = 200  # worktrees of one repository that are looked into for a forecast


@dataclass
class Sight:
    """What was seen of a repository's living worktrees."""

    standings: dict[str, Standing] = field(default_factory=dict)
    trouble: dict[str, str] = field(default_factory=dict)
    disks: dict[str, Disk] = field(default_factory=dict)
    clashes: Mapping[str, Mapping[str, Clash]] = field(default_factory=dict)
    complete: bool = True


class View:
    """Rows on their way to the wire."""

    def __init__(self, store: Store, trees: Trees, keeper: Keeper) -> None:
        self._store, self._trees, self._keeper = store, trees, keeper

    async def see(self, repository: RepositoryRow, mine: Sequence[WorktreeRow], *, forecast: bool) -> Sight:
        """Look into mine, and for a forecast into all living worktrees of the repository, to compare mine with them."""
        living = select(WorktreeRow).where(WorktreeRow.repository == repository.id, WorktreeRow.state == "active")
        rows: list[WorktreeRow] = []
        if forecast and any(row.state == "active" for row in mine):
            rows = await self._store.read(lambda s: list(s.exec(living.order_by(col(WorktreeRow.id)).limit(LIVING))))
        keys = {row.id for row in rows}
        rows += [row for row in mine if row.id not in keys and row.state == "active"]
        sight = Sight()
        if not rows:
            return sight
        try:
            base = await self._keeper.sync(repository)
        except AetherError as exc:
            sight.trouble = {row.id: exc.message for row in rows}
            return sight

        async def look(row: WorktreeRow) -> None:
            try:
                sight.standings[row.id] = await self._keeper.look(row, repository, base)
            except AetherError as exc:
                sight.trouble[row.id] = exc.message

        async def measure(row: WorktreeRow) -> None:
            sight.disks[row.id] = await self._trees.disk(row.id)

        async with anyio.create_task_group() as group:
            for row in rows:
                group.start_soon(look, row)
            for row in mine:
                if row.state != "removed":
                    group.start_soon(measure, row)
        chosen = {row.id: sight.standings[row.id] for row in mine if row.id in sight.standings}
        sight.clashes, sight.complete = await self._keeper.forecast(repository.id, chosen, sight.standings)
        sight.complete = sight.complete and len(keys) < LIVING
        return sight

    async def worktrees(self, rows: Sequence[WorktreeRow], *, forecast: bool = True) -> list[m.Worktree]:
        """Return worktrees as they are now, in this order."""

        def query(session: Session) -> tuple[dict[str, RepositoryRow], dict[str, m.Merge], dict[str, WorktreeRow]]:
            keys = {row.repository for row in rows}
            repositories = session.exec(select(RepositoryRow).where(col(RepositoryRow.id).in_(keys)))
            merges: dict[str, m.Merge] = {}
            for row in rows:
                newest = select(MergeRow).where(MergeRow.worktree == row.id).order_by(col(MergeRow.seq).desc())
                if (found := session.exec(newest.limit(1)).first()) is not None:
                    merges[row.id] = merge(session, found)
            siblings = session.exec(select(WorktreeRow).where(col(WorktreeRow.repository).in_(keys)))
            return {one.id: one for one in repositories}, merges, {one.id: one for one in siblings}

        repositories, merges, names = await self._store.read(query)
        sights = {
            key: await self.see(repository, [row for row in rows if row.repository == key], forecast=forecast)
            for key, repository in repositories.items()
        }
        return [
            self._wire(row, repositories[row.repository], sights[row.repository], merges.get(row.id), names)
            for row in rows
        ]

    def _wire(
        self,
        row: WorktreeRow,
        repository: RepositoryRow,
        sight: Sight,
        newest: m.Merge | None,
        names: Mapping[str, WorktreeRow],
    ) -> m.Worktree:
        standing, disk, trouble = sight.standings.get(row.id), sight.disks.get(row.id), sight.trouble.get(row.id)
        facts: dict[str, Any] = {}
        if standing is not None:
            dirty, look = list(standing.dirty), standing.look
            facts = {"tip": look.tip, "ahead": standing.ahead, "behind": standing.behind}
            facts |= {"dirty": dirty[:SHOWN], "dirty_files": len(dirty)}
            trouble = trouble or look.partial or None
            if look.on != f"refs/heads/{row.branch}":
                trouble = trouble or f"its HEAD is not on {row.branch}, so what is committed there does not count"
        clashes = sight.clashes.get(row.id, {})
        return m.Worktree(
            id=row.id,
            repository=repository.id,
            repository_path=repository.path,
            path=str(self._trees.tree(row.id)),
            branch=row.branch,
            base=repository.base,
            agent=row.agent,
            name=row.name,
            state="broken" if row.state == "active" and standing is None else row.state,
            trouble=trouble,
            merged=standing is not None and standing.ahead == 0,
            pushed=row.pushed,
            bytes=None if disk is None else disk.bytes,
            bytes_complete=disk is not None and disk.complete,
            conflicts=[
                m.Clash(
                    worktree=key,
                    branch=names[key].branch,
                    agent=names[key].agent,
                    name=names[key].name,
                    files=list(clash.files[:SHOWN]),
                )
                for key, clash in sorted(clashes.items())
                if key in names
            ],
            forecast_complete=sight.complete,
            merge=newest,
            archive=row.archive,
            note="" if row.state == "removed" else note(row, repository),
            created_at=row.created_at,
            **({"tip": None, "ahead": None, "behind": None, "dirty": [], "dirty_files": 0} | facts),
        )


def note(row: WorktreeRow, repository: RepositoryRow) -> str:
    """Say how to work in a worktree."""
    return (
        f"commit on {row.branch} with git or worktree.commit, then worktree.merge; base/{repository.base} is the "
        f"newest {repository.base}; git push and fetch do not reach {repository.path} from here"
    )


def merge(session: Session, row: MergeRow) -> m.Merge:
    """Return a place in the queue."""
    facts = row.model_dump(
        include={"id", "worktree", "state", "how", "tip", "test", "reason", "output", "created_at", "created_by"}
    )
    return m.Merge(
        **facts,
        commit=row.candidate if row.state == "merged" else None,
        files=json.loads(row.files),
        ahead=0 if row.ended_at else queue.waiting(session, row.repository, row.seq),
        ended_at=row.ended_at,
    )


async def outcome(store: Store, merges: queue.Queue, key: str, wait_s: float) -> m.Merge:
    """Return what became of a place in the queue, once it ended or the time is up."""

    def query(session: Session) -> m.Merge:
        return merge(session, session.exec(select(MergeRow).where(MergeRow.id == key)).one())

    until = anyio.current_time() + wait_s
    while True:
        news = merges.news
        found = await store.read(query)
        if found.ended_at is not None or (left := until - anyio.current_time()) <= 0:
            return found
        with anyio.move_on_after(left):
            await news.wait()
