"""Brings files back and has a process go on with them: all of it, or nothing.

Everything is built beside, then swapped by one rename each, then a process is spawned; `RestoreRow.done` is written in
the transaction that spawns it. Until then the old state is what holds: whoever fails, or finds such a row at a start
of the daemon, swaps back what was swapped, which it knows by the inode of the new directory.
"""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from sqlmodel import select

from aetherd.core import disk
from aetherd.core.clock import Clock, stamp
from aetherd.core.config import Settings
from aetherd.core.errors import Conflict, Exhausted, NotFound
from aetherd.core.ids import new_id
from aetherd.core.openat import exchange
from aetherd.core.portable import Portable
from aetherd.kernel.snapshot import models as m
from aetherd.kernel.snapshot.building import build, carry
from aetherd.kernel.snapshot.events import SnapshotForked, SnapshotRestored
from aetherd.kernel.snapshot.making import Making
from aetherd.kernel.snapshot.manifest import Entry, Manifest
from aetherd.kernel.snapshot.ports import Agents, Identity, Plans, Processes, Workspaces
from aetherd.kernel.snapshot.shelf import Shelf
from aetherd.kernel.snapshot.tables import RestoreRow, SnapshotRow
from aetherd.operations.lifecycle import Lifecycle
from aetherd.operations.operation import Call
from aetherd.runtime import Runtime
from aetherd.store import Store, Tx

logger = logging.getLogger(__name__)

SPARE = 64 << 20  # bytes that stay free on the disk


@dataclass(frozen=True, slots=True)
class Past:
    """What the new process goes on from."""

    session: str | None
    context: str = ""


@dataclass(slots=True)
class Place:
    """A directory that is brought back."""

    part: str
    target: Path
    staged: Path
    inode: int = 0  # of the new one; 0 until it stands


@dataclass(slots=True)
class Work:
    """One restore or fork that is under way."""

    key: str
    snapshot: SnapshotRow
    manifest: Manifest
    agent: Identity
    fork: bool
    places: list[Place] = field(default_factory=list)


class Returning:
    """Restores and forks."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settings: Settings,
        lifecycle: Lifecycle,
        shelf: Shelf,
        making: Making,
        agents: Agents,
        processes: Processes,
        workspaces: Workspaces,
        plans: Plans,
        runtimes: Mapping[str, Runtime],
    ) -> None:
        self._store, self._clock, self._settings, self._lifecycle = store, clock, settings, lifecycle
        self._shelf, self._making, self._agents, self._processes = shelf, making, agents, processes
        self._workspaces, self._plans, self._runtimes = workspaces, plans, runtimes
        self._busy: dict[str, str] = {}  # agent -> the call that brings its files back: nobody else may run it

    def rule(self, tx: Tx, pid: int, agent: Identity, wish: Any, env: Any, call: Call) -> None:
        """Keep an agent from being run while its files are brought back."""
        if self._busy.get(agent.id, call.id) != call.id:
            raise Conflict(f"agent {agent.name} is being brought back from a snapshot; try again in a moment")

    async def restore(self, row: SnapshotRow, manifest: Manifest, input: m.SnapshotRestore, call: Call) -> m.Restored:
        """Bring an agent back; the caller holds its lock."""
        agent = await self._agents.find(row.agent, call)
        await self._store.read(lambda session: self._processes.still.alone(session, agent.id))
        work = Work(new_id("restore"), row, manifest, agent, fork=False)
        left = await self._places(work, input.workspaces, call)
        self._busy[agent.id] = call.id
        try:
            safety = await self._making.make(agent, "safety", f"before the restore of {row.id}", call.actor, call)
            past = Past(self.session(row, manifest), (manifest.head.get("process") or {}).get("context", ""))

            def also(tx: Tx, pid: int | None) -> None:
                self._processes.still.alone(tx.session, agent.id, but=pid)
                tx.emit(SnapshotRestored(pid=pid, agent=agent.id, snapshot=row.id, safety=safety.id))

            pid = await self._do(work, past, self._cwd(manifest, agent.id), input.text, input.env, also, call)
        finally:
            del self._busy[agent.id]
        return m.Restored(
            snapshot=row.id,
            agent=agent.id,
            pid=pid,
            session=past.session,
            conversation="resumed" if past.session else "new",
            files=sum(entry.kind == "file" for entry in manifest.entries),
            changes=None,
            safety=safety.id,
            left=[m.Left(path=path, why=why) for path, why in left],
            done=True,
        )

    async def fork(self, row: SnapshotRow, manifest: Manifest, input: m.SnapshotFork, call: Call) -> m.Restored:
        """Run an agent as it was under a new one, with the same workspaces."""
        made: list[Identity] = []
        key = new_id("restore")

        def begin(tx: Tx) -> None:
            role = (manifest.head.get("process") or {}).get("role")
            agent = self._agents.create_in(tx, call, name=input.name, role=role, stem=f"{row.agent_name}-fork")
            made[:] = [agent]
            tx.session.add(self._row(key, row.id, agent.id, True))

        await self._store.write(begin)
        agent = made[0]
        self._busy[agent.id] = call.id
        work = Work(key, row, manifest, agent, fork=True)
        try:
            await self._agents.make_home(agent.id, self._uid(agent))
            home = self._settings.home / "agents" / agent.id / "home"
            work.places = [Place("home", home, self._shelf.work / key / "home")]
            await self._workspaces.give_all(row.agent, agent, call)
            past, cwd = await self._forked(row, manifest, agent)

            def also(tx: Tx, pid: int | None) -> None:
                tx.emit(SnapshotForked(pid=pid, agent=agent.id, snapshot=row.id, source=row.agent))

            pid = await self._do(work, past, cwd, input.text, input.env, also, call)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._undo(key)
            raise
        finally:
            del self._busy[agent.id]
        return m.Restored(
            snapshot=row.id,
            agent=agent.id,
            pid=pid,
            session=past.session,
            conversation="resumed" if past.session else "new",
            files=sum(entry.kind == "file" and entry.part == "home" for entry in manifest.entries),
            changes=None,
            safety=None,
            left=[],
            done=True,
        )

    async def recover(self) -> None:
        """Finish what an earlier daemon left: the old state holds unless the new one was written down."""
        for row in await self._store.read(lambda session: session.exec(select(RestoreRow)).all()):
            logger.warning("restore %s was interrupted; the %s state holds", row.id, "new" if row.done else "old")
            await self._undo(row.id)

    # Inside -----------------------------------------------------------------------------------------

    async def _do(
        self,
        work: Work,
        past: Past,
        cwd: str | None,
        text: str | None,
        env: Mapping[str, Any],
        also: Callable[[Tx, int | None], None],
        call: Call,
    ) -> int | None:
        """Build, swap and start; on any failure the old state is there again."""
        if not work.fork:
            await self._store.write(
                lambda tx: tx.session.add(self._row(work.key, work.snapshot.id, work.agent.id, False))
            )
        try:
            await anyio.to_thread.run_sync(self._build, work, past, cwd, limiter=self._making.limiter)
            with anyio.CancelScope(shield=True):  # short from here on
                await self._store.write(lambda tx: self._ready(tx, work))
                await anyio.to_thread.run_sync(_swap, work.places)
                pid = await self._start(work, past, cwd, text, env, also, call)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._store.write(lambda tx: self._failed(tx, work.key))
                await self._undo(work.key)
            raise
        with anyio.CancelScope(shield=True):
            await self._undo(work.key)  # which is done: only what it took the place of goes
        return pid

    async def _start(
        self,
        work: Work,
        past: Past,
        cwd: str | None,
        text: str | None,
        env: Mapping[str, Any],
        also: Callable[[Tx, int | None], None],
        call: Call,
    ) -> int | None:
        plan, agent = work.manifest.head.get("plan"), work.agent

        def done(tx: Tx, pid: int | None) -> None:
            found = tx.session.get_one(RestoreRow, work.key)
            found.done = True
            tx.session.add(found)
            if plan is not None:
                self._plans.put_back_in(tx, agent.id, pid, plan, call)
            also(tx, pid)

        process = work.manifest.head.get("process")
        if process is None:  # it never ran: there are only files
            await self._store.write(lambda tx: done(tx, None))
            return None
        wish = {name: process[name] for name in ("runtime", "model", "template", "toolset", "role", "rows", "cols")}
        wish |= {"priority": process["priority"], "limits": process["limits"], "sandbox": process["sandbox"]}
        wish["budget"] = process.get("budget")  # those from before there were budgets have none
        if process["argv"]:
            wish |= {"argv": process["argv"], "goal": process["goal"]}
        elif text is not None:
            wish["goal"] = text
        if cwd is not None:
            wish["cwd"] = cwd
        started = await self._processes.start(
            call, lambda tx, pid, _agent, _name: done(tx, pid), past, agent=agent.id, env=env, session="new", **wish
        )
        return int(started.pid)

    def _build(self, work: Work, past: Past, cwd: str | None) -> None:
        """Make the new directories beside the old ones; blocking."""
        needed = sum(entry.stored for entry in work.manifest.entries)
        stat = os.statvfs(self._shelf.work)
        if stat.f_bavail * stat.f_frsize < needed + SPARE:
            raise Exhausted(f"the disk has no room for {needed >> 20:,} MB beside what is there; free some")
        place = self._shelf.work / work.key
        place.mkdir(mode=0o700)
        uid = self._uid(work.agent)
        for one in work.places:
            entries = [entry for entry in work.manifest.entries if entry.part == one.part]
            whose, bits = _whose(one, uid)
            build(one.staged, entries, self._shelf.objects, whose, bits, lambda _: None)
            if one.part == "home":
                keeping = self._making.keeping(work.snapshot.runtime)
                if not work.fork:
                    carry(one.target, one.staged, keeping.secrets, uid)
                self._converse(work, one.staged, past, cwd)
            one.inode = one.staged.stat().st_ino

    def _converse(self, work: Work, home: Path, past: Past, cwd: str | None) -> None:
        adapter = self._runtimes.get(work.snapshot.runtime or "")
        if not work.fork or past.session is None or not isinstance(adapter, Portable):
            return
        old = Path(work.manifest.head["process"]["cwd"])
        assert work.snapshot.session is not None
        new = Path(cwd) if cwd is not None else self._settings.home / "agents" / work.agent.id / "home" / "work"
        adapter.fork(home, work.snapshot.session, past.session, (old, new))

    async def _places(self, work: Work, workspaces: bool, call: Call) -> list[tuple[str, str]]:
        """Say what is brought back, and what is not and why."""
        agent, staging, left = work.agent, self._shelf.work / work.key, list[tuple[str, str]]()
        work.places = [Place("home", self._settings.home / "agents" / agent.id / "home", staging / "home")]
        mounts = {mount.path: mount for mount in await self._processes.mounts(agent.id)}
        for part in work.manifest.head["parts"][1:]:
            path = self._settings.home / "workspaces" / str(part["name"])
            why = None if workspaces else "as you wish"
            if path not in mounts or mounts[path].readonly:
                why = "the agent does not have it any more"
            elif why is None:
                try:
                    others = await self._workspaces.members(path.name, call) - {agent.id}
                except NotFound:
                    others, why = set(), "it was removed"
                busy = [pid for other in others for pid in self._processes.at_work(other)]
                why = f"others are at work in it: process {busy[0]}" if busy else why
            if why is None:
                work.places.append(Place(path.name, path, staging / path.name))
            else:
                left.append((str(path), why))
        return left

    async def _forked(self, row: SnapshotRow, manifest: Manifest, agent: Identity) -> tuple[Past, str | None]:
        """Return what a fork goes on from, and where it works."""
        process = manifest.head.get("process")
        if process is None:
            return Past(None), None
        cwd = self._cwd(manifest, agent.id)
        if cwd is not None and Path(cwd).is_relative_to(self._settings.home / "worktrees"):
            raise Conflict(
                "the snapshot was at work in a worktree, which is one agent's own;"
                " make the new agent a worktree and spawn it there"
            )
        session = self.session(row, manifest)
        if session is not None and not isinstance(self._runtimes.get(row.runtime or ""), Portable):
            session = None
        return Past(session and str(uuid.uuid4()), process["context"]), cwd

    def session(self, row: SnapshotRow, manifest: Manifest) -> str | None:
        """Return the conversation to go on in; None when the runtime cannot, or it is not in the snapshot."""
        adapter = self._runtimes.get(row.runtime or "")
        if adapter is None or not adapter.capabilities.resume or row.session is None:
            return None
        if isinstance(adapter, Portable):
            paths = [entry.path for entry in manifest.entries if entry.part == "home"]
            return row.session if adapter.holds(paths, row.session) else None
        return row.session

    def _cwd(self, manifest: Manifest, agent: str) -> str | None:
        """Return where the process works: the same place in the agent's home; None is the default."""
        process = manifest.head.get("process")
        if process is None:
            return None
        old = self._settings.home / "agents" / str(manifest.head["agent"]) / "home"
        cwd, new = Path(process["cwd"]), self._settings.home / "agents" / agent / "home"
        if not cwd.is_relative_to(old):
            return str(cwd)
        moved = new / cwd.relative_to(old)
        return None if moved == new / "work" else str(moved)

    async def _undo(self, key: str) -> None:
        """Clear away a restore: swap back unless it is done, remove what was built or replaced, forget it."""
        row = await self._store.read(lambda session: session.get(RestoreRow, key))
        if row is None:
            return
        places = [Place("", Path(target), Path(staged), inode) for target, staged, inode in json.loads(row.places)]
        await anyio.to_thread.run_sync(partial(_clear, self._shelf.work / key, places, row.done))
        if row.fork and not row.done:
            await self._agents.discard(row.agent)
        await self._store.write(lambda tx: tx.session.delete(tx.session.get_one(RestoreRow, key)))

    def _row(self, key: str, snapshot: str, agent: str, fork: bool) -> RestoreRow:
        now = stamp(self._clock.now())
        return RestoreRow(id=key, snapshot=snapshot, agent=agent, fork=fork, places="[]", created_at=now)

    def _ready(self, tx: Tx, work: Work) -> None:
        row = tx.session.get_one(RestoreRow, work.key)
        row.places = json.dumps([[str(one.target), str(one.staged), one.inode] for one in work.places])
        tx.session.add(row)

    def _failed(self, tx: Tx, key: str) -> None:
        row = tx.session.get(RestoreRow, key)
        if row is not None:
            row.done = False  # its process could not be started
            tx.session.add(row)

    def _uid(self, agent: Identity) -> int | None:
        return agent.uid if self._lifecycle.own_uids else None


def _whose(place: Place, uid: int | None) -> tuple[Callable[[Entry], tuple[int, int]], int]:
    """Return whose the things of a part become, and which mode bits they may have."""
    if place.part == "home":
        return (lambda _: (-1, -1) if uid is None else (uid, uid)), 0o777
    if uid is None:
        return (lambda _: (-1, -1)), 0o2777
    gid, own = place.target.stat().st_gid, place.target.stat().st_uid
    return (lambda entry: (entry.uid if entry.uid >= 1000 else own, gid)), 0o2777


def _swap(places: list[Place]) -> None:
    for place in places:
        exchange(str(place.target), str(place.staged))


def _clear(work: Path, places: list[Place], done: bool) -> None:
    if not done:
        for place in places:
            if place.inode and place.target.stat().st_ino == place.inode:
                exchange(str(place.target), str(place.staged))
    disk.clear(work)
