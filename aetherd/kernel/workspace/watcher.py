"""Looks at workspaces when agents may have written there, tells who did, and whether past whose reservation.

A look follows each tool result, end of a turn and end of a process of an agent that has the workspace, comes every
few seconds while something is reserved, and before anybody is told what changed. What goes through `fs.*` is known
exactly; the rest is told by the owner of a new file, else by who was at work when it changed.
"""

from __future__ import annotations

import json
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
import anyio.to_thread

from aetherd.core.clock import Clock
from aetherd.core.config import Settings
from aetherd.core.context import Origin, origin
from aetherd.core.errors import AetherError
from aetherd.events import Hub
from aetherd.events.hub import Batch, Filter, Resync
from aetherd.kernel.workspace import sight
from aetherd.kernel.workspace.activity import Activity
from aetherd.kernel.workspace.book import Book
from aetherd.kernel.workspace.marks import Marks
from aetherd.kernel.workspace.ports import Processes
from aetherd.kernel.workspace.record import Author, Record
from aetherd.kernel.workspace.sight import Difference, Picture, Seen, covers
from aetherd.kernel.workspace.tables import WorkspaceRow
from aetherd.store import rider

logger = logging.getLogger(__name__)

TYPES = (
    "agent.tool_call",
    "agent.tool_result",
    "agent.turn_ended",
    "process.spawned",
    "process.started",
    "process.exited",
)
AGENTS = ("agent.updated", "agent.removed")
GAP_S = 0.2  # between two looks
SHARE = 5  # a look that takes long is followed by so many times its length of rest
HELD_S = 5.0  # how often is looked while something is reserved
TOOL = 20_000  # characters kept of what a tool was given


class Watcher:
    """The pictures of all workspaces, and who was at work."""

    def __init__(
        self, hub: Hub, clock: Clock, settings: Settings, book: Book, record: Record, processes: Processes
    ) -> None:
        self._hub, self._clock, self._book, self._record = hub, clock, book, record
        self._processes = processes
        self._ground = settings.home / "workspaces"
        self._pictures: dict[str, Picture] = {}
        self._looked: dict[str, int] = {}  # when the last look began
        self._locks: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)
        self.marks: defaultdict[str, Marks] = defaultdict(Marks)
        self._activity = Activity()
        self._due: dict[str, None] = {}
        self._news = anyio.Event()
        self._limiter = anyio.CapacityLimiter(2)
        self.own_uids = False

    @asynccontextmanager
    async def running(self, own_uids: bool) -> AsyncIterator[None]:
        """Listen and look, until left."""
        self.own_uids = own_uids
        for key in list(self._book.rows):
            for agent in self._book.mounts[key]:
                for process in self._processes.living(agent):
                    if not process.structured:
                        self._activity.begin(agent, process.pid)
            self.due(key)
        async with anyio.create_task_group() as group:
            group.start_soon(self._listen)
            group.start_soon(self._look_around)
            group.start_soon(self._look_at_held)
            yield
            group.cancel_scope.cancel()

    def due(self, key: str) -> None:
        """Have a workspace looked at soon."""
        self._due[key] = None
        self._news.set()

    def begun(self, key: str) -> None:
        """A workspace was just made: it is empty."""
        self._pictures[key] = Picture()

    def forget(self, key: str) -> None:
        """Forget one that is gone."""
        self._pictures.pop(key, None)
        self._looked.pop(key, None)
        self._locks.pop(key, None)
        self.marks.pop(key, None)
        self._due.pop(key, None)

    def picture(self, key: str) -> Picture | None:
        """Return what the last look saw."""
        return self._pictures.get(key)

    async def ready(self, key: str) -> None:
        """Have looked at it once, so that what comes is known to be new."""
        if key not in self._pictures:
            await self.look(key)

    async def look(self, key: str) -> Picture:
        """Look now, and record what changed."""
        async with self._locks[key]:
            row = self._book.rows.get(key)
            if row is None:  # removed meanwhile
                return Picture()
            began, since = time.time_ns(), self._looked.get(key, row.seen_ns)
            marks = self.marks[key]
            marks.begin()
            found = await self._see(row, (".",))
            before = self._pictures.get(key)
            if before is None:
                changes = [
                    Difference(p, "modified", s, False) for p, s in found.files.items() if s.changed > row.seen_ns
                ]
            else:
                changes = [one for one in sight.differences(before.files, found.files) if not marks.hide(one.path)]
                if not (before.complete and found.complete):
                    changes = [one for one in changes if one.kind != "removed"]
                hidden = {path: seen for path, seen in before.files.items() if marks.hide(path)}
                found.files = {p: s for p, s in found.files.items() if not marks.hide(p)} | hidden
            self._pictures[key], self._looked[key] = found, began
            if changes:
                authors = [self._author(row, one, since) for one in changes]
                with _as_the_house(row):
                    await self._record.seen(row, list(zip(changes, authors, strict=True)), _newest(found.files))
            return found

    async def changed(self, row: WorkspaceRow, paths: Sequence[str], author: Author) -> None:
        """Record what somebody changed through fs.*, and see it as seen."""
        fresh = await self._see(row, paths)
        picture = self._pictures.setdefault(row.id, Picture())
        old = {path: seen for path, seen in picture.files.items() if any(covers(one, path) for one in paths)}
        for path in old:
            del picture.files[path]
        picture.files.update(fresh.files)
        changes = sight.differences(old, fresh.files)
        if changes:
            await self._record.made(row, changes, author, _newest(picture.files))

    async def _see(self, row: WorkspaceRow, paths: Sequence[str]) -> Picture:
        gid = row.gid if self.own_uids else None
        return await anyio.to_thread.run_sync(
            sight.look, self._ground / row.id, gid, tuple(paths), limiter=self._limiter
        )

    def _author(self, row: WorkspaceRow, one: Difference, since: int) -> Author:
        """Tell who made a change, as far as it can be known."""
        mounts = self._book.mounts[row.id]
        if one.owned and one.seen is not None and self.own_uids:
            made = [mount for mount in mounts.values() if mount.uid == one.seen.uid]
            return Author(made[0].agent, made[0].name) if made else Author()
        first, last = (since, time.time_ns()) if one.seen is None else (one.seen.changed, one.seen.changed)
        able = [agent for agent, mount in mounts.items() if mount.mode == "rw"]
        busy = self._activity.at_work(able, first, last, one.path)
        if not busy:  # a program that was left behind
            busy = {agent for agent in able if self._processes.living(agent)}
        if len(busy) == 1:
            agent = busy.pop()
            return Author(agent, mounts[agent].name)
        return Author(maybe={agent: mounts[agent].name for agent in sorted(busy)})

    # Tasks ------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear()
            except AetherError as exc:  # the log cannot be read just now
                logger.warning("workspaces are not told who is at work: %s", exc.message)
                await anyio.sleep(HELD_S)

    async def _hear(self) -> None:
        everything = Filter("workspace", lambda _agent, _user, _org: True, (*TYPES, *AGENTS))
        with self._hub.subscribe(everything) as subscriber:
            async for item in subscriber.stream():
                if isinstance(item, Batch):
                    for event in item.events:
                        if event.agent is None or event.event is None:
                            continue
                        if event.type in AGENTS:
                            await self._record.agent_changed(event.agent, event.type, event.event)
                        else:
                            self._happened(event.type, event.agent, event.pid or 0, event.event)
                elif isinstance(item, Resync):  # something was missed
                    for key in self._book.rows:
                        self.due(key)

    def _happened(self, kind: str, agent: str, pid: int, event: Any) -> None:
        keys = [row.id for row, _ in self._book.of_agent(agent)]
        if not keys:
            return
        if kind == "agent.tool_call":
            self._activity.begin(agent, pid, event.tool_call, json.dumps(event.input, ensure_ascii=False)[:TOOL])
            return
        if kind == "process.spawned":
            self._activity.spawned(pid)
            return
        if kind == "process.started":
            if event.stdio == "pty":
                self._activity.begin(agent, pid)
            return
        self._activity.end(
            agent, pid, event.tool_call if kind == "agent.tool_result" else None, life=kind == "process.exited"
        )
        for key in keys:
            self.due(key)

    async def _look_around(self) -> None:
        while True:
            if not self._due:
                self._news = anyio.Event()
                await self._news.wait()
            if not self._due:  # removed meanwhile
                continue
            key = next(iter(self._due))
            del self._due[key]
            began = time.monotonic()
            try:
                await self.look(key)
            except Exception:  # the next look sees it
                logger.exception("workspace %s could not be looked at", key)
            await anyio.sleep(max(GAP_S, SHARE * (time.monotonic() - began)))

    async def _look_at_held(self) -> None:
        while True:
            await self._clock.sleep(HELD_S)
            for row in self._book.reservations:
                self.due(row.workspace)


@contextmanager
def _as_the_house(row: WorkspaceRow) -> Iterator[None]:
    """Write as the house itself, not as part of whatever call made us look."""
    actor, slot = origin.set(Origin("system", None, row.user, row.org)), rider.set(None)
    try:
        yield
    finally:
        rider.reset(slot)
        origin.reset(actor)


def _newest(files: dict[str, Seen]) -> int:
    return max((seen.changed for seen in files.values()), default=0)
