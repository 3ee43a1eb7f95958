"""The files of agents and of workspaces, for agents and for people: confined, atomic, counted."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from aetherd.core.errors import Exhausted, Invalid, NotFound
from aetherd.core.openat import openat2
from aetherd.kernel.fs import disk
from aetherd.kernel.fs.beneath import Root, checked, inside, shown
from aetherd.kernel.fs.bodies import Bodies
from aetherd.kernel.fs.collect import collect
from aetherd.kernel.fs.events import FsChanged, What
from aetherd.kernel.fs.models import (
    FsChange,
    FsChanges,
    FsContent,
    FsEdit,
    FsEdited,
    FsEntries,
    FsList,
    FsMatches,
    FsMkdir,
    FsMove,
    FsPath,
    FsRead,
    FsRemove,
    FsRemoved,
    FsSearch,
    FsStat,
    FsWatch,
    FsWrite,
    FsWritten,
    Placed,
)
from aetherd.kernel.fs.ports import Agents, Place, Shared, Workspaces
from aetherd.kernel.fs.quota import Quota
from aetherd.kernel.fs.search import check, search
from aetherd.kernel.fs.walk import list_page, must_be_directory, stat_of
from aetherd.kernel.fs.watch import Watch
from aetherd.operations.dispatch import acting
from aetherd.operations.operation import Call, Effect, Subject, operation
from aetherd.operations.registry import Registry
from aetherd.store import Store

T = TypeVar("T")
MINE = Subject("agent", "agent")
THREADS = 8
SLOW_THREADS = 2  # for copies and removals, which may take long
SEARCHES = 3
WATCHES = 64
EDITS_WAIT_S = 30.0


@dataclass(slots=True)
class _Busy:
    """One change of contents at a time in one place; counted so that it goes when nobody waits."""

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    users: int = 0


class FsService:
    """Reads, writes and watches files in agents' homes and in workspaces."""

    def __init__(self, store: Store, registry: Registry, agent: Agents) -> None:
        self._store, self._agents = store, agent
        self.workspaces: list[Workspaces] = []
        self._quota = Quota()
        self._limiter = anyio.CapacityLimiter(THREADS)
        self._slow = anyio.CapacityLimiter(SLOW_THREADS)
        self._searches = anyio.CapacityLimiter(SEARCHES)
        self._watches = 0
        self._busy: dict[str, _Busy] = {}
        self.bodies = Bodies(registry, agent, self._quota, self._limiter, self._put)

    def offers(self) -> Mapping[str, Any]:
        """Offer whole files to the faces."""
        return {"files": self.bodies}

    def bound(self, agent: str, size: int | None) -> None:
        """Let an agent's home hold no more than so many bytes; None: as much as any."""
        if size is None:
            self._quota.bounds.pop(agent, None)
        else:
            self._quota.bounds[agent] = size

    async def weigh(self, agent: str, home: Path) -> tuple[int, int]:
        """Measure an agent's home: bytes on disk and files. Raises OSError when there is none."""
        return await anyio.to_thread.run_sync(self._quota.weigh, agent, home, limiter=self._slow)

    def metrics(self) -> dict[str, float]:
        """Tell how many watches are open."""
        return {"aetherd_fs_watches": float(self._watches)}

    @operation("fs.read", effect=Effect.READ, access=MINE, positional=("path",))
    async def read(self, input: FsRead, call: Call) -> FsContent:
        """Read a file, or a part of it by byte offset; binary content comes as base64."""
        path = checked(input.path)
        return await self._in(
            input, call, lambda root: disk.read(root, path, input.offset, input.limit, input.encoding)
        )

    @operation("fs.write", access=MINE, positional=("path", "content"))
    async def write(self, input: FsWrite, call: Call) -> FsWritten:
        """Write a file as a whole, atomically, or append to it; missing directories are made."""
        path, data = checked(input.path), disk.bytes_of(input)
        return await self._change(
            input,
            call,
            "written",
            lambda root: disk.write(root, self._quota, path, data, input.mode, input.parents),
            path,
            alone=True,
        )

    @operation("fs.edit", access=MINE, positional=("path",))
    async def edit(self, input: FsEdit, call: Call) -> FsEdited:
        """Replace exact text in a file; refused when it is not there, or more than once without `all`."""
        path = checked(input.path)
        if input.old == input.new:
            raise Invalid("old and new are the same")
        return await self._change(
            input,
            call,
            "edited",
            lambda root: disk.edit(root, self._quota, path, input.old.encode(), input.new.encode(), input.all),
            path,
            alone=True,
        )

    @operation("fs.list", effect=Effect.READ, access=MINE, positional=("path",))
    async def list_files(self, input: FsList, call: Call) -> FsEntries:
        """List a directory, sorted by name, a page at a time."""
        path, after = checked(input.path), _uncursor(input.cursor)

        def work(root: Root) -> FsEntries:
            must_be_directory(root, path)
            page = list_page(root, path, recursive=input.recursive, hidden=input.hidden, limit=input.limit, after=after)
            return FsEntries(path=shown(path), entries=page.entries, cursor=_cursor(page.last), complete=page.complete)

        return await self._in(input, call, work)

    @operation("fs.stat", effect=Effect.READ, access=MINE, positional=("path",))
    async def stat(self, input: FsPath, call: Call) -> FsStat:
        """Describe one file, directory or link (not its target)."""
        path = checked(input.path)
        return await self._in(input, call, lambda root: stat_of(root, path))

    @operation("fs.search", effect=Effect.READ, access=MINE, positional=("content",))
    async def search(self, input: FsSearch, call: Call) -> FsMatches:
        """Find files by name, or lines by text or regular expression; takes at most 5 seconds."""
        check(input)
        path, place = checked(input.path), await self._place(input, call)

        def start() -> int:
            with inside(place) as root, root.open(path, os.O_PATH) as found:
                if os.fstat(found).st_mode & 0o170000 == 0o040000:
                    return openat2(root.descriptor, path, os.O_RDONLY | os.O_DIRECTORY)
                return root.regular(path)

        async with self._searches:
            descriptor = await anyio.to_thread.run_sync(start, limiter=self._limiter)
            try:
                return await search(input, path, descriptor, place)
            finally:
                os.close(descriptor)

    @operation("fs.mkdir", access=MINE, positional=("path",))
    async def mkdir(self, input: FsMkdir, call: Call) -> FsStat:
        """Make a directory."""
        path = checked(input.path)
        return await self._change(
            input, call, "made", lambda root: disk.mkdir(root, self._quota, path, input.parents), path
        )

    @operation("fs.move", access=MINE, positional=("path", "to"))
    async def move(self, input: FsMove, call: Call) -> FsStat:
        """Move or rename a file or directory within its home or workspace."""
        path, to = checked(input.path), checked(input.to, what="to")
        return await self._change(
            input, call, "moved", lambda root: disk.move(root, path, to, input.overwrite), path, to
        )

    @operation("fs.copy", access=MINE, positional=("path", "to"))
    async def copy(self, input: FsMove, call: Call) -> FsStat:
        """Copy a file or a directory within its home or workspace."""
        path, to = checked(input.path), checked(input.to, what="to")
        return await self._change(
            input,
            call,
            "copied",
            lambda root: disk.copy(root, self._quota, path, to, input.overwrite),
            path,
            to,
            slow=True,
        )

    @operation("fs.remove", effect=Effect.DESTROY, access=MINE, positional=("path",))
    async def remove(self, input: FsRemove, call: Call) -> FsRemoved:
        """Remove a file, a link (not its target) or a directory."""
        path = checked(input.path)
        kind = await self._change(
            input,
            call,
            "removed",
            lambda root: disk.remove(root, self._quota, path, input.recursive),
            path,
            slow=True,
        )
        return FsRemoved(path=shown(path), kind=kind)

    @operation("fs.watch", effect=Effect.READ, access=MINE, positional=("path",), long=True)
    async def watch(self, input: FsWatch, call: Call) -> AsyncIterator[FsChanges]:
        """Wait for files of a directory to change, by whatever program; with `follow` go on telling."""
        path, place = checked(input.path), await self._place(input, call)
        if self._watches >= WATCHES:
            raise Exhausted(f"{WATCHES} watches are open; end one first")
        self._watches += 1
        try:
            with closing(Watch(input.recursive)) as watch:
                await self._run(place, lambda root: watch.add(root, path))
                if input.follow:
                    yield FsChanges(changes=[])  # the watch stands: nothing from here on is missed
                while True:
                    changes: list[FsChange] = []
                    with anyio.move_on_after(None if input.follow else input.timeout_s):
                        changes = await watch.changes()
                    if watch.fresh:
                        changes = changes + await self._run(place, watch.add_fresh)
                    yield FsChanges(changes=changes)
                    if not input.follow:
                        return
        finally:
            self._watches -= 1

    # For other rooms --------------------------------------------------------------------------------

    async def canonical(self, shared: Shared, path: str) -> str:
        """Return a path in a workspace without links and `..`; raises `Forbidden` when it leads out."""
        plain, place = checked(path), Place(shared.id, shared.path, shared.uid, shared)
        return await self._run(place, lambda root: root.canonical(plain, follow=True))

    async def collect(
        self, call: Call, *, agent: str | None, workspace: str | None, path: str, files: int, most: int
    ) -> Mapping[str, tuple[bytes, bool]]:
        """Return the plain files of a directory by path, or of one file under `""`: bytes, whether it is executable.

        Raises `Invalid` past so many files or bytes, and for links, devices and setuid files.
        """
        place = await self._place(Placed(agent=agent, workspace=workspace), call)
        plain = checked(path)
        return await self._run(place, lambda root: collect(root, plain, files, most), self._slow)

    # Below the operations ---------------------------------------------------------------------------

    async def _place(self, input: Placed, call: Call, *, write: bool = False) -> Place:
        if input.workspace is not None:
            for room in self.workspaces:
                with suppress(NotFound):
                    found = await room.shared(input.workspace, call, write=write)
                    return Place(found.id, found.path, found.uid, found)
            raise NotFound(f"no workspace {input.workspace!r} and no worktree", kind="workspace", id=input.workspace)
        if input.agent is None and call.agent is None:
            raise Invalid("name the agent whose files are meant (`agent`: its id or name), or the `workspace`")
        return Place.home(await self._agents.home_of(input.agent, call))

    async def _in(self, input: Placed, call: Call, work: Callable[[Root], T]) -> T:
        return await self._run(await self._place(input, call), work)

    async def _run(self, place: Place, work: Callable[[Root], T], limiter: anyio.CapacityLimiter | None = None) -> T:
        def run() -> T:
            with inside(place) as root:
                return work(root)

        return await anyio.to_thread.run_sync(run, limiter=limiter or self._limiter)

    async def _change(
        self,
        input: Placed,
        call: Call,
        what: What,
        work: Callable[[Root], T],
        path: str,
        to: str | None = None,
        *,
        alone: bool = False,
        slow: bool = False,
    ) -> T:
        """Do the work, then tell it; a caller that goes away does not tear the two apart."""
        place = await self._place(input, call, write=True)
        touched: list[str] = []
        do = work if place.shared is None else _guarded(place.shared, touched, work, what, path, to)
        try:
            if alone:
                result = await self._alone(place, do)
            else:
                result = await self._run(place, do, self._slow if slow else None)
            with anyio.CancelScope(shield=True):
                await self._tell(call, place, what, path, to)
                if place.shared is not None:
                    await place.shared.changed(touched)
        finally:
            if place.shared is not None:
                place.shared.settle(touched)
        return result

    async def _alone(self, place: Place, work: Callable[[Root], T]) -> T:
        busy = self._busy.setdefault(place.key, _Busy())
        busy.users += 1
        try:
            with anyio.move_on_after(EDITS_WAIT_S):
                async with busy.lock:
                    return await self._run(place, work)
            raise Exhausted("too many changes wait for these files; try again in a moment")
        finally:
            busy.users -= 1
            if busy.users == 0:
                del self._busy[place.key]

    async def _tell(self, call: Call, place: Place, what: What, path: str, to: str | None = None) -> None:
        event = FsChanged(
            pid=call.pid,
            agent=place.key if place.shared is None else call.agent,
            path=shown(path),
            what=what,
            to=None if to is None else shown(to),
            workspace=None if place.shared is None else place.key,
        )
        await self._store.write(lambda tx: tx.emit(event))

    async def _put(self, call: Call, place: Place, path: str) -> None:
        """Tell an upload, which does not come through the Dispatcher."""
        with acting(call):
            await self._tell(call, place, "written", path)


def _guarded(
    shared: Shared, touched: list[str], work: Callable[[Root], T], what: What, path: str, to: str | None
) -> Callable[[Root], T]:
    """Return the work behind the reservations of its workspace; what it touches is left in `touched`."""

    def run(root: Root) -> T:
        named = [one for one in (None if what == "copied" else path, to) if one is not None]
        paths = [root.canonical(one, follow=what in ("written", "edited")) for one in named]
        shared.begin(paths, what in ("moved", "copied", "removed"))
        touched.extend(paths)
        return work(root)

    return run


def _cursor(path: str | None) -> str | None:
    return None if path is None else base64.urlsafe_b64encode(os.fsencode(path)).decode("ascii")


def _uncursor(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        return checked(os.fsdecode(base64.b64decode(cursor, altchars=b"-_", validate=True)), what="cursor")
    except (binascii.Error, ValueError):
        raise Invalid("cursor is not one of this list") from None
