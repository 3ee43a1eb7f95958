"""Workspaces: directories that agents share, mounted into their view, with reservations that keep them apart."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from sqlmodel import col, func, select

from aetherd.core import disk
from aetherd.core.clock import Clock, stamp
from aetherd.core.config import Settings
from aetherd.core.context import origin
from aetherd.core.errors import Conflict, Exhausted, NotFound
from aetherd.core.ids import new_id
from aetherd.events import Hub
from aetherd.kernel.workspace import ground
from aetherd.kernel.workspace import models as m
from aetherd.kernel.workspace.access import Access
from aetherd.kernel.workspace.book import Book
from aetherd.kernel.workspace.events import WorkspaceCreated, WorkspaceRemoved, WorkspaceUnmounted
from aetherd.kernel.workspace.holding import Holding
from aetherd.kernel.workspace.mounting import Mounting
from aetherd.kernel.workspace.ports import Agents, Files, Messages, Processes
from aetherd.kernel.workspace.queries import View
from aetherd.kernel.workspace.record import Record
from aetherd.kernel.workspace.tables import WorkspaceRow
from aetherd.kernel.workspace.use import Use
from aetherd.kernel.workspace.watcher import Watcher
from aetherd.operations.lifecycle import Lifecycle
from aetherd.operations.operation import Call, Effect, Owner, Rule, Subject, operation
from aetherd.store import Store, Tx

WORKSPACES = 1_000  # of one person
GIDS = 10_000  # how far group ids go below the first uid of agents
ONE = Subject("workspace", "workspace")


class WorkspaceService:
    """Makes, mounts, guards, watches and removes shared directories."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        settings: Settings,
        clock: Clock,
        lifecycle: Lifecycle,
        agent: Agents,
        process: Processes,
        fs: Files,
        message: Messages,
    ) -> None:
        self._store, self._settings, self._clock, self._lifecycle = store, settings, clock, lifecycle
        self._agents, self._processes = agent, process
        self._ground = settings.home / "workspaces"
        self._book = Book(store)
        record = Record(store, clock, self._book, message)
        self._watcher = Watcher(hub, clock, settings, self._book, record, process)
        self._view = View(store, self._book, self._watcher, process, self._ground)
        self._access = Access(self._book, self._watcher, agent, fs, self._ground, self._now)
        self._mounting = Mounting(self._book, self._watcher, self._view, self._access, self._ground, self._now)
        self._holding = Holding(store, clock, self._book)
        self._disk = anyio.CapacityLimiter(2)

    def offers(self) -> Mapping[str, Any]:
        """Give the fs room its places, starting processes their mounts and what they should know of them."""
        return {
            "owners.workspace": self.owner,
            "fs.workspaces": self,
            "memory.workspaces": self._access,
            "process.workspaces": self._mounting,
            "process.context_sources": self._mounting.context,
            "process.end_hooks": self._holding.process_ended,
            "message.circles": self,
        }

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch what changes, and end what has had its time."""
        await anyio.to_thread.run_sync(ground.open_ground, self._ground)
        await self._book.load()
        own_uids = self._lifecycle.own_uids
        for row in self._book.rows.values():
            await anyio.to_thread.run_sync(ground.make, self._ground / row.id, row.gid if own_uids else None)
        async with self._watcher.running(own_uids), anyio.create_task_group() as group:
            group.start_soon(self._holding.sweep)
            yield
            group.cancel_scope.cancel()

    async def owner(self, key: str) -> Owner:
        """Return whose a workspace is: the agent's that made it, or a person's."""
        who = origin.get()
        return await self._access.owner(self._access.named(key, who.user, who.org))

    # Operations -------------------------------------------------------------------------------------

    @operation("workspace.create", access=Rule.OWN, positional=("name",))
    async def create(self, input: m.WorkspaceCreate, call: Call) -> m.Workspace:
        """Make a directory that agents share; the agent that makes it has it, others get it by workspace.mount."""
        maker = None if call.agent is None else await self._agents.find(call.agent, call)
        key = new_id("workspace")

        def work(tx: Tx) -> WorkspaceRow:
            mine = select(WorkspaceRow).where(
                WorkspaceRow.user == call.user, WorkspaceRow.org == call.org, col(WorkspaceRow.removed_at).is_(None)
            )
            if tx.session.exec(mine.where(WorkspaceRow.name == input.name)).first() is not None:
                raise Conflict(f"a workspace named {input.name!r} exists; use another name", name=input.name)
            if tx.session.exec(select(func.count()).select_from(mine.subquery())).one() >= WORKSPACES:
                raise Exhausted(f"there are {WORKSPACES:,} workspaces; remove one first")
            row = WorkspaceRow(
                id=key,
                name=input.name,
                description=input.description,
                agent=call.agent,
                user=call.user,
                org=call.org,
                gid=self._next_gid(tx),
                created_at=self._now(),
                created_by=call.actor,
            )
            self._book.put(tx, row)
            tx.emit(WorkspaceCreated(agent=call.agent, pid=call.pid, workspace=key, name=row.name))
            if maker is not None:
                self._mounting.mount(tx, row, maker, "rw", call)
            return row

        row = await self._store.write(work)
        with anyio.CancelScope(shield=True):
            gid = row.gid if self._lifecycle.own_uids else None
            await anyio.to_thread.run_sync(ground.make, self._ground / key, gid, limiter=self._disk)
            self._watcher.begun(key)
        return await self._view.workspace(row)

    @operation("workspace.list", effect=Effect.READ, access=Rule.OWN)
    async def list_workspaces(self, input: m.WorkspaceList, call: Call) -> m.Workspaces:
        """List workspaces, newest first: who has each, what is reserved; an agent sees those it has or made."""
        agent = None if input.agent is None else (await self._agents.find(input.agent, call)).id
        found = []
        for row in sorted(self._book.rows.values(), key=lambda one: one.id, reverse=True):
            if input.cursor is not None and row.id >= input.cursor:
                continue
            if (agent is None or agent in self._book.mounts[row.id]) and await self._access.sees(row, call):
                found.append(row)
                if len(found) > input.limit:
                    break
        more = len(found) > input.limit
        found = found[: input.limit]
        return m.Workspaces(
            workspaces=[await self._view.workspace(row) for row in found], cursor=found[-1].id if more else None
        )

    @operation("workspace.get", effect=Effect.READ, access=Rule.OWN, positional=("workspace",))
    async def get(self, input: m.WorkspaceRef, call: Call) -> m.Workspace:
        """Show a workspace: where it is, who has it, who reserved what until when, who wrote past that."""
        row = await self._access.usable(input.workspace, call)
        await self._watcher.look(row.id)
        return await self._view.workspace(row)

    @operation("workspace.mount", access=Rule.OWN, positional=("workspace", "agent"))
    async def mount(self, input: m.WorkspaceMount, call: Call) -> m.Mounted:
        """Give a workspace to an agent. Its fs tools reach it at once (name it as `workspace`).

        Its own programs, such as a shell, reach it at the `path` of the answer: from the agent's next start
        where agents have uids of their own, which `live` and `from` say.
        """
        row, target = await self._access.usable(input.workspace, call), await self._access.target(input.agent, call)
        await self._access.may_give(row, target, input.mode, call)
        await self._watcher.ready(row.id)
        mount = await self._store.write(lambda tx: self._mounting.mount(tx, row, target, input.mode, call))
        return self._view.mounted(row, mount)

    @operation("workspace.unmount", access=Rule.OWN, positional=("workspace", "agent"))
    async def unmount(self, input: m.WorkspaceUnmount, call: Call) -> m.Unmounted:
        """Take a workspace from an agent; its reservations end, its files stay."""
        row, target = await self._access.usable(input.workspace, call), await self._access.target(input.agent, call)
        await self._access.may_take(row, target, call)

        def work(tx: Tx) -> list[str]:
            if not self._book.end_mount(tx, row.id, target.id):
                raise Conflict(f"agent {target.name} does not have workspace {row.name}", agent=target.id)
            tx.emit(WorkspaceUnmounted(agent=target.id, workspace=row.id, name=row.name))
            return self._holding.unmounted(tx, row.id, target.id)

        note = self._view.left(target.id, self._book.mounts[row.id].get(target.id))
        return m.Unmounted(workspace=row.id, agent=target.id, released=await self._store.write(work), note=note)

    @operation("workspace.reserve", access=Rule.OWN, positional=("workspace", "path"))
    async def reserve(self, input: m.Reserve, call: Call) -> m.Reservation:
        """Keep others from writing a file or directory while you work on it; reserve again to renew.

        fs tools refuse whoever else writes there; what other programs write past it is found and reported to both
        and to the person. It ends when its time is up, when you release it, or with your process. A refusal says
        who has it, why and until when.
        """
        row = await self._access.usable(input.workspace, call)
        party = await self._access.party(row, call, write=True)
        path = await self._access.path(row, call, input.path)
        await self._watcher.ready(row.id)
        held = await self._store.write(lambda tx: self._holding.reserve(tx, row, path, input, party, call.pid))
        return self._view.reservation(held)

    @operation("workspace.release", access=Rule.OWN, positional=("workspace", "path"))
    async def release(self, input: m.Release, call: Call) -> m.Released:
        """End reservations: as soon as you are done, so that others need not wait."""
        row = await self._access.usable(input.workspace, call)
        party = await self._access.party(row, call)
        path = None if input.path is None else await self._access.path(row, call, input.path)
        await self._watcher.look(row.id)  # what was written past them is found while they hold

        ended = await self._store.write(lambda tx: self._holding.release(tx, row, path, input, party, call))
        return m.Released(released=ended)

    @operation("workspace.changes", effect=Effect.READ, access=Rule.OWN, positional=("workspace",))
    async def changes(self, input: m.Changes, call: Call) -> m.ChangesPage:
        """Show which files changed, when and by whom as far as that is known; give the cursor back to get what is new.

        Directories of tools, such as .git and node_modules, are left out.
        """
        row = await self._access.usable(input.workspace, call)
        agent = None if input.agent is None else (await self._agents.find(input.agent, call)).id
        picture = await self._watcher.look(row.id)
        return await self._view.changes(row, input, agent, picture.complete)

    @operation("workspace.remove", effect=Effect.DESTROY, access=ONE, positional=("workspace",))
    async def remove(self, input: m.WorkspaceRemove, call: Call) -> m.WorkspaceGone:
        """Remove a workspace for good; say what becomes of its files, and try it with dry_run first."""
        row = self._access.named(input.workspace, call.user, call.org)
        place = self._ground / row.id
        self._unused(row)
        size = await anyio.to_thread.run_sync(ground.size, place, limiter=self._disk)
        answer = m.WorkspaceGone(
            workspace=row.id, path=str(place), action=input.files, bytes=size, done=not input.dry_run
        )
        if input.dry_run:
            return answer
        packed: Path | None = None
        if input.files == "archive":
            packed = self._settings.home / "archive" / f"{row.id}.tar.gz"
            await anyio.to_thread.run_sync(disk.pack, place, packed, limiter=self._disk)

        def work(tx: Tx) -> None:
            self._unused(row)  # again: packing may have taken long
            found = tx.session.get_one(WorkspaceRow, row.id)
            if found.removed_at is not None:
                raise NotFound(f"workspace {row.name!r} was removed", kind="workspace", id=row.id)
            found.removed_at = self._now()
            self._book.end(tx, found)
            tx.emit(WorkspaceRemoved(agent=row.agent, workspace=row.id, name=row.name, files=input.files))

        with anyio.CancelScope(shield=True):
            await self._store.write(work)
            self._watcher.forget(row.id)
            if input.files != "keep":  # only after the record says so
                await anyio.to_thread.run_sync(disk.clear, place, limiter=self._disk)
        return answer.model_copy(update={"archive": str(packed) if packed else None})

    # For other rooms --------------------------------------------------------------------------------

    async def give_all(self, source: str, target: Any, call: Call) -> None:
        """Let an agent have the workspaces another has, in the same mode."""
        for row, mount in list(self._book.of_agent(source)):
            await self._watcher.ready(row.id)
            await self._store.write(
                lambda tx, row=row, mode=mount.mode: self._mounting.mount(tx, row, target, mode, call)  # type: ignore[misc]
            )

    async def members(self, ref: str, call: Call) -> set[str]:
        """Return the agents that have a workspace the caller may use."""
        return set(self._book.mounts[(await self._access.usable(ref, call)).id])

    async def shared(self, ref: str, call: Call, *, write: bool) -> Use:
        """Return a workspace as a caller may use it through fs.*."""
        row = await self._access.usable(ref, call)
        party = await self._access.party(row, call, write=write)
        if write:
            await self._watcher.ready(row.id)
        return await self._access.use(row, call, party)

    # Inside -----------------------------------------------------------------------------------------

    def _now(self) -> str:
        return stamp(self._clock.now())

    def _next_gid(self, tx: Tx) -> int | None:
        """Return a group nobody ever had, downwards from the agents' uids; None where there are none."""
        base = self._settings.agent_uid_base
        if not self._lifecycle.own_uids:
            return None
        lowest = tx.session.exec(select(func.min(WorkspaceRow.gid))).one()
        gid = (lowest if lowest is not None else base - 1) - 1  # base - 1 tries the windows, see process/host.py
        if gid < max(500, base - GIDS):
            raise Exhausted("no group id is left for another workspace; set agent_uid_base higher")
        return gid

    def _unused(self, row: WorkspaceRow) -> None:
        for mount in self._book.mounts[row.id].values():
            for process in self._processes.living(mount.agent):
                raise Conflict(
                    f"agent {mount.name} has it and runs as process {process.pid}; unmount it or end that first",
                    pid=process.pid,
                )
