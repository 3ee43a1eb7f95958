"""Snapshots: conversation, home, workspaces and event position of an agent, kept and brought back together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
from sqlmodel import Session, col, select

from aetherd.core.clock import Clock
from aetherd.core.config import Settings
from aetherd.core.context import Origin, origin
from aetherd.core.errors import Conflict, Forbidden, Invalid, NotFound
from aetherd.events import Hub
from aetherd.kernel.snapshot import comparing
from aetherd.kernel.snapshot import models as m
from aetherd.kernel.snapshot.checkpoints import Checkpoints
from aetherd.kernel.snapshot.making import Making
from aetherd.kernel.snapshot.manifest import Entry, Manifest
from aetherd.kernel.snapshot.ports import Agents, Messages, Plans, Processes, Workspaces
from aetherd.kernel.snapshot.returning import Returning
from aetherd.kernel.snapshot.shelf import Shelf
from aetherd.kernel.snapshot.tables import SnapshotRow
from aetherd.operations.lifecycle import Lifecycle
from aetherd.operations.operation import Call, Effect, Owner, Rule, Subject, operation
from aetherd.runtime import Runtime
from aetherd.store import Store, Tx

ONE = Subject("snapshot", "snapshot")
ITS_AGENT = Subject("agent", "agent")


class SnapshotService:
    """Keeps agents as they were."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        clock: Clock,
        settings: Settings,
        lifecycle: Lifecycle,
        runtimes: Mapping[str, Runtime],
        agent: Agents,
        process: Processes,
        message: Messages,
        workspace: Workspaces,
        plan: Plans,
    ) -> None:
        self._store, self._settings, self._agents, self._processes = store, settings, agent, process
        self._shelf = Shelf(settings.home)
        self._making = Making(store, clock, settings, lifecycle, self._shelf, process, plan, message, runtimes)
        self._returning = Returning(
            store, clock, settings, lifecycle, self._shelf, self._making, agent, process, workspace, plan, runtimes
        )
        self._checkpoints = Checkpoints(store, hub, clock, settings, self._shelf, self._making, agent)

    def offers(self) -> Mapping[str, Any]:
        """Say whose a snapshot is; keep agents from being run while their files are brought back."""
        return {"owners.snapshot": self.owner, "process.spawn_rules": self._returning.rule}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Put right what an earlier daemon left half done, then make checkpoints."""
        await anyio.to_thread.run_sync(self._shelf.open)
        await self._returning.recover()
        await self._recover()
        async with anyio.create_task_group() as group:
            if self._settings.checkpoints:
                group.start_soon(self._checkpoints.listen)
                group.start_soon(self._checkpoints.work)
            group.start_soon(self._checkpoints.sweep)
            yield
            group.cancel_scope.cancel()

    async def owner(self, key: str) -> Owner:
        """Return whose a snapshot is."""
        row = await self._row(key)
        return Owner(row.agent, row.user, row.org, row.parent_agent)

    # Operations -------------------------------------------------------------------------------------

    @operation("snapshot.create", access=ITS_AGENT, positional=("agent",), long=True)
    async def create(self, input: m.SnapshotCreate, call: Call) -> m.Snapshot:
        """Keep an agent as it is: its home, workspaces and conversation, and where the event log was.

        A running agent stands still only for what changed while its files were read. Credentials, environment and
        tokens are never kept. What has not changed since the last snapshot costs nothing.
        """
        if input.agent is None and call.agent is None:
            raise Invalid("which agent? name one with `agent`", field="agent")
        agent = await self._agents.find(input.agent or str(call.agent), call)
        async with self._making.locks[agent.id]:
            return _wire(await self._making.make(agent, "manual", input.name, call.actor, call))

    @operation("snapshot.list", effect=Effect.READ, access=Rule.OWN, positional=("agent",))
    async def list_snapshots(self, input: m.SnapshotList, call: Call) -> m.Snapshots:
        """List snapshots, newest first; an agent sees those of itself and of agents it created."""
        agent = None if input.agent is None else (await self._agents.find(input.agent, call)).id

        def query(session: Session) -> list[SnapshotRow]:
            rows = select(SnapshotRow).where(SnapshotRow.user == call.user, SnapshotRow.org == call.org)
            if call.agent is not None:
                rows = rows.where((SnapshotRow.agent == call.agent) | (SnapshotRow.parent_agent == call.agent))
            for column, value in ((SnapshotRow.agent, agent), (SnapshotRow.kind, input.kind)):
                rows = rows if value is None else rows.where(column == value)
            if input.cursor is not None:
                rows = rows.where(SnapshotRow.id < input.cursor)
            return list(session.exec(rows.order_by(col(SnapshotRow.id).desc()).limit(input.limit + 1)))

        found = await self._store.read(query)
        more, found = len(found) > input.limit, found[: input.limit]
        return m.Snapshots(snapshots=[_wire(row) for row in found], cursor=found[-1].id if more else None)

    @operation("snapshot.get", effect=Effect.READ, access=ONE, positional=("snapshot",), long=True)
    async def get(self, input: m.SnapshotGet, call: Call) -> m.SnapshotDetails:
        """Show what a snapshot holds, and what was left out of it; with `verify` every file is read and compared."""
        row, manifest = await self._load(input.snapshot)
        if input.verify:
            await anyio.to_thread.run_sync(self._verify, manifest, limiter=self._making.limiter)
        head = manifest.head
        return m.SnapshotDetails(
            **_wire(row).model_dump(),
            parts=[_part(part, manifest.entries) for part in head["parts"]],
            left_out=[m.Left(path=_shown(path), why=why) for path, why in head["left"]],
            left_out_total=head["left_total"],
            process=head["process"],
            plan=head["plan"],
            messages=head["messages"],
            verified=input.verify,
        )

    @operation("snapshot.diff", effect=Effect.READ, access=ONE, positional=("snapshot", "other"), long=True)
    async def diff(self, input: m.SnapshotDiff, call: Call) -> m.Difference:
        """Show which files differ between a snapshot and a later, or the agent as it is, and what was said since."""
        row, manifest = await self._load(input.snapshot)
        if input.other is None:
            return await self._since(row, manifest, call, text=input.text, limit=input.limit)
        if not call.owns(await self.owner(input.other)):
            raise Forbidden(f"snapshot {input.other} is not yours", kind="snapshot", id=input.other)
        other, later = await self._load(input.other)
        return await self._compared(row, other, manifest.entries, later.entries, text=input.text, limit=input.limit)

    @operation("snapshot.restore", access=ONE, positional=("snapshot",), long=True)
    async def restore(self, input: m.SnapshotRestore, call: Call) -> m.Restored:
        """Take an agent back to a snapshot: its files, and a new process that goes on in the same conversation.

        Its process must have ended. The state before is kept as a safety snapshot. Try it with dry_run first.
        """
        row, manifest = await self._load(input.snapshot)
        if input.dry_run:
            changes = await self._since(row, manifest, call, text=False, limit=200)
            count = sum(entry.kind == "file" for entry in manifest.entries)
            session = self._returning.session(row, manifest)
            return m.Restored(
                snapshot=row.id,
                agent=row.agent,
                pid=None,
                session=session,
                conversation="resumed" if session else "new",
                files=count,
                changes=changes,
                safety=None,
                left=[],
                done=False,
            )
        async with self._making.locks[row.agent]:
            return await self._returning.restore(row, manifest, input, call)

    @operation("snapshot.fork", access=ONE, positional=("snapshot", "name"), long=True)
    async def fork(self, input: m.SnapshotFork, call: Call) -> m.Restored:
        """Run an agent as it was under a new one, beside it: its files and a copy of its conversation.

        Workspaces are shared, not copied.
        """
        row, manifest = await self._load(input.snapshot)
        return await self._returning.fork(row, manifest, input, call)

    @operation("snapshot.remove", effect=Effect.DESTROY, access=ONE, positional=("snapshot",))
    async def remove(self, input: m.SnapshotRef, call: Call) -> m.SnapshotRemoved:
        """Remove a snapshot for good; what others share with it stays."""
        row = await self._row(input.snapshot)
        if row.state != "ready":
            raise Conflict(f"snapshot {row.id} is being made; try again in a moment", state=row.state)
        await self._checkpoints.remove(row, f"removed by {call.actor}")
        await self._checkpoints.clear()
        return m.SnapshotRemoved(snapshot=row.id, agent=row.agent)

    # Inside -----------------------------------------------------------------------------------------

    async def _row(self, key: str) -> SnapshotRow:
        row = await self._store.read(lambda session: session.get(SnapshotRow, key))
        if row is None:
            raise NotFound(f"no snapshot {key}; snapshot.list shows those there are", kind="snapshot", id=key)
        return row

    async def _load(self, key: str) -> tuple[SnapshotRow, Manifest]:
        """Return a snapshot that is whole as far as its manifest and the presence of its objects tell."""
        row = await self._row(key)
        if row.state != "ready":
            raise Conflict(f"snapshot {key} is being made; try again in a moment", state=row.state)

        def load() -> Manifest:
            manifest = self._shelf.load(row.id, row.digest)
            if lacking := self._shelf.objects.lacking(manifest.objects):
                raise Conflict(f"snapshot {key} is torn: {lacking} stored files are not there", snapshot=key)
            return manifest

        return row, await anyio.to_thread.run_sync(load, limiter=self._making.limiter)

    def _verify(self, manifest: Manifest) -> None:
        for entry in {one.object: one for one in manifest.entries if one.object}.values():
            for _ in self._shelf.objects.read(entry.object, entry.stored):
                pass

    async def _since(self, row: SnapshotRow, manifest: Manifest, call: Call, *, text: bool, limit: int) -> m.Difference:
        """Compare with the agent as it is now; what that stores for the comparison is cleared away later."""
        agent = await self._agents.find(row.agent, call)
        view = await self._making.view(agent)
        parts = {part["name"] for part in manifest.head["parts"]}
        view.sources[:] = [source for source in view.sources if source.name in parts]
        known = await self._making.known(agent.id)
        with self._shelf.objects.writing() as writing:
            found = await self._making.look(view, known, writing)
            return await self._compared(row, None, manifest.entries, found.entries, text=text, limit=limit)

    async def _compared(
        self, row: SnapshotRow, other: SnapshotRow | None, old: list[Entry], new: list[Entry], *, text: bool, limit: int
    ) -> m.Difference:
        key = None if other is None else other.id

        def compare() -> m.Difference:
            return comparing.compared(row.id, key, old, new, self._shelf.objects, text=text, limit=limit)

        found = await anyio.to_thread.run_sync(compare, limiter=self._making.limiter)
        until = None if other is None else other.event
        messages = await self._store.read(lambda session: comparing.said(session, row.agent, row.event, until))
        return found.model_copy(update={"messages": messages})

    async def _recover(self) -> None:
        """Forget what was being made; let agents go on that stood still for it."""
        rows = await self._store.read(lambda session: session.exec(select(SnapshotRow)).all())
        for row in rows:
            if row.state == "ready":
                continue
            if row.pid is not None:
                await self._processes.still.thaw_left(row.pid)
            origin.set(Origin("system", None, row.user, row.org))
            key = row.id

            def work(tx: Tx, key: str = key) -> None:
                tx.session.delete(tx.session.get_one(SnapshotRow, key))

            await self._store.write(work)
        keys = {row.id for row in rows if row.state == "ready"}
        await anyio.to_thread.run_sync(self._shelf.forget_others, keys)


def _wire(row: SnapshotRow) -> m.Snapshot:
    return m.Snapshot(**row.model_dump(exclude={"user", "org", "parent_agent"}))


def _part(part: dict[str, Any], entries: list[Entry]) -> m.Part:
    mine = [entry for entry in entries if entry.part == part["name"] and entry.kind == "file"]
    size = sum(entry.size for entry in mine)
    return m.Part(name=part["name"], path=part["path"], files=len(mine), bytes=size)


def _shown(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
