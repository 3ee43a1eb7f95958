"""Makes a snapshot: looks while the agent works, then lets it stand still only for what has changed meanwhile."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.to_thread
from sqlmodel import Session, col, select

from aetherd.core.clock import Clock, stamp
from aetherd.core.config import Settings
from aetherd.core.errors import AetherError, NotFound
from aetherd.core.ids import new_id
from aetherd.core.portable import Keeping, Portable
from aetherd.events import EventLog
from aetherd.kernel.snapshot.events import SnapshotCreated, SnapshotFailed
from aetherd.kernel.snapshot.manifest import Manifest
from aetherd.kernel.snapshot.objects import Writing
from aetherd.kernel.snapshot.ports import Identity, Messages, Plans, Processes
from aetherd.kernel.snapshot.shelf import Shelf
from aetherd.kernel.snapshot.tables import SnapshotRow
from aetherd.kernel.snapshot.taking import Found, Known, Source, known_of, take
from aetherd.operations.lifecycle import Lifecycle
from aetherd.operations.operation import Call
from aetherd.runtime import Runtime
from aetherd.store import Store, Tx

logger = logging.getLogger(__name__)

MESSAGES = 50
ENDED = ("exited", "lost")
TELL = 64 << 20  # bytes between two words of progress


@dataclass(frozen=True, slots=True)
class View:
    """What an agent is made of just now."""

    sources: list[Source]
    run: Any  # its newest process (ports.Run), or None
    left: list[tuple[str, str]]

    @property
    def living(self) -> bool:
        """Whether that process has not ended."""
        return self.run is not None and self.run.state not in ENDED


class Making:
    """Makes snapshots, one of an agent at a time."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settings: Settings,
        lifecycle: Lifecycle,
        shelf: Shelf,
        processes: Processes,
        plans: Plans,
        messages: Messages,
        runtimes: Mapping[str, Runtime],
    ) -> None:
        self._store, self._clock, self._settings, self._lifecycle = store, clock, settings, lifecycle
        self._shelf, self._processes, self._plans, self._messages = shelf, processes, plans, messages
        self._runtimes = runtimes
        self.locks: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)  # by agent: one who makes or brings back
        self.limiter = anyio.CapacityLimiter(2)

    def keeping(self, runtime: str | None) -> Keeping:
        """Return what a runtime's files need."""
        adapter = self._runtimes.get(runtime or "")
        return adapter.keeping if isinstance(adapter, Portable) else Keeping()

    async def view(self, agent: Identity) -> View:
        """Return where an agent's files are and what runs."""
        run = await self._processes.still.newest_of(agent.id)
        home = self._settings.home / "agents" / agent.id / "home"
        uid = agent.uid if self._lifecycle.own_uids else None
        sources, left = [Source("home", home, _owned_by(uid), self.keeping(run.runtime if run else None))], []
        for mount in await self._processes.mounts(agent.id):
            if mount.path.parent == self._settings.home / "workspaces" and not mount.readonly:
                sources.append(Source(mount.path.name, mount.path, _shared_by(mount.gid), Keeping()))
            else:
                left.append((str(mount.path), "is only looked at" if mount.readonly else "is kept by its worktree"))
        return View(sources, run, left)

    async def make(
        self, agent: Identity, kind: str, name: str | None, by: str, call: Call | None = None
    ) -> SnapshotRow:
        """Keep an agent as it is; the caller holds its lock. Whatever fails, nothing is left and it goes on."""
        view = await self.view(agent)
        row = SnapshotRow(
            id=new_id("snapshot"),
            agent=agent.id,
            agent_name=agent.name,
            user=agent.user,
            org=agent.org,
            parent_agent=agent.parent,
            name=name,
            kind=kind,
            state="creating",
            pid=view.run.pid if view.run else None,
            runtime=view.run.runtime if view.run else None,
            session=view.run.session if view.run else None,
            created_at=stamp(self._clock.now()),
            created_by=by,
        )
        key = row.id
        await self._store.write(lambda tx: tx.session.add(SnapshotRow(**row.model_dump())))
        try:
            async with _progress(call) as tell:
                return await self._make(row, agent, view, tell)
        except BaseException as exc:
            told = exc.message if isinstance(exc, AetherError) else "it was interrupted, or aetherd failed"
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._shelf.drop, key)
                await self._store.write(lambda tx: self._failed(tx, key, kind, told))
            raise

    async def _make(self, row: SnapshotRow, agent: Identity, view: View, tell: Callable[[int], None]) -> SnapshotRow:
        known = await self.known(agent.id)
        plan, messages = await self._plans.of(agent.id), await self._messages.got(agent.id, MESSAGES)
        with self._shelf.objects.writing() as writing:
            if view.living:
                first = await self.look(view, known, writing, tell)
                known = known | known_of(first.entries)
                async with self._processes.still.frozen(view.run.pid) as stood:
                    position = await self._position()
                    found = await self.look(view, known, writing, tell)
                row.frozen_ms = round(stood.ms, 1)
            else:
                position = await self._position()
                found = await self.look(view, known, writing, tell)
            head = {
                "agent": agent.id,
                "parts": [{"name": one.name, "path": str(one.path)} for one in view.sources],
                "process": self._processes.still.made_of(view.run) if view.run else None,
                "plan": plan,
                "messages": messages,
                "left": [*view.left, *found.left],
                "left_total": len(view.left) + found.left_total,
            }
            await anyio.to_thread.run_sync(writing.settle, limiter=self.limiter)
            manifest = Manifest(head, found.entries)
            digest = await anyio.to_thread.run_sync(self._shelf.keep, row.id, manifest, limiter=self.limiter)
            row.state, row.event, row.digest, row.stored = "ready", position, digest, writing.stored
            row.files = sum(entry.kind in ("file", "same") for entry in found.entries)
            row.bytes = sum(entry.size for entry in found.entries if entry.kind == "file")
            with anyio.CancelScope(shield=True):
                await self._store.write(lambda tx: _ready(tx, row))
        return row

    async def look(
        self, view: View, known: Known, writing: Writing | None, tell: Callable[[int], None] = lambda _: None
    ) -> Found:
        """Look through all that an agent has."""
        most = self._settings.snapshot_mb << 20
        return await anyio.to_thread.run_sync(take, view.sources, known, writing, most, tell, limiter=self.limiter)

    async def newest(self, agent: str) -> SnapshotRow | None:
        """Return the last snapshot of an agent."""

        def query(session: Session) -> SnapshotRow | None:
            rows = select(SnapshotRow).where(SnapshotRow.agent == agent, SnapshotRow.state == "ready")
            return session.exec(rows.order_by(col(SnapshotRow.id).desc())).first()

        return await self._store.read(query)

    async def known(self, agent: str) -> Known:
        """Return what the last snapshot of an agent knows of its files; a torn one knows nothing."""
        row = await self.newest(agent)
        if row is None:
            return {}

        def load() -> Known:
            try:
                return known_of(self._shelf.load(row.id, row.digest).entries)
            except AetherError as exc:
                logger.warning("snapshot %s: %s", row.id, exc.message)
                return {}

        return await anyio.to_thread.run_sync(load, limiter=self.limiter)

    async def _position(self) -> int:
        return (await self._store.read(EventLog.bounds))[1]

    def _failed(self, tx: Tx, key: str, kind: str, reason: str) -> None:
        row = tx.session.get(SnapshotRow, key)
        if row is not None:
            tx.session.delete(row)
            tx.emit(SnapshotFailed(agent=row.agent, snapshot=key, kind=kind, reason=reason))


def _ready(tx: Tx, row: SnapshotRow) -> None:
    stored = tx.session.get(SnapshotRow, row.id)
    if stored is None:
        raise NotFound("the snapshot was removed while it was made", kind="snapshot", id=row.id)
    stored.sqlmodel_update(row.model_dump())
    tx.session.add(stored)
    tx.emit(
        SnapshotCreated(
            agent=row.agent,
            snapshot=row.id,
            of=row.pid,
            name=row.name,
            kind=row.kind,
            files=row.files,
            bytes=row.bytes,
            stored=row.stored,
            frozen_ms=row.frozen_ms,
        )
    )


def _owned_by(uid: int | None) -> Callable[[os.stat_result], bool]:
    own = os.geteuid() if uid is None else uid
    return lambda status: status.st_uid == own


def _shared_by(gid: int | None) -> Callable[[os.stat_result], bool]:
    return _owned_by(None) if gid is None else lambda status: status.st_gid == gid


@asynccontextmanager
async def _progress(call: Call | None) -> AsyncIterator[Callable[[int], None]]:
    """Yield a function for threads that counts bytes, told to the caller now and then."""
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count

    if call is None or call.progress is None:
        yield tell
        return
    progress = call.progress

    async def report() -> None:
        told = 0
        while True:
            await anyio.sleep(0.5)
            if done - told >= TELL:
                told = done
                await progress(done, None, f"{done >> 20} MB")

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(report)
            yield tell
            group.cancel_scope.cancel()
    except BaseExceptionGroup as group_of_one:  # the caller shall see what went wrong, not how we count
        raise group_of_one.exceptions[0] from None
