"""Looks through directories and stores what is in them. Blocking, in a thread of its own.

A file that is as it was in the last snapshot (device, inode, size, modification and change time) is not read again.
Nothing that belongs to somebody else is read, whatever link leads to it: by an open descriptor, no link followed.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from aetherd.core.errors import Exhausted
from aetherd.core.openat import openat2
from aetherd.core.portable import Keeping
from aetherd.kernel.snapshot.manifest import DEPTH, ENTRIES, EXTENTS, PATH, Entry
from aetherd.kernel.snapshot.objects import CHUNK, Changed, Writing

LEFT = 200  # named of what is left out
TRIES = 3  # for a file that changes while it is read
WHOLE = 128 << 20  # bytes of a file that is read as a whole, because it is not kept as it is
FRESH_NS = 50_000_000  # a file changed this shortly before it was read is read again next time: clocks have ticks
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY

Known = dict[tuple[int, int, int, int, int], Entry]  # by device, inode, size, mtime and ctime


@dataclass(frozen=True, slots=True)
class Source:
    """A directory to look through."""

    name: str  # home, or the id of a workspace
    path: Path
    owns: Callable[[os.stat_result], bool]  # whether a thing may be read for the agent
    keeping: Keeping  # what the runtime's own files need


@dataclass(slots=True)
class Found:
    """What was there."""

    entries: list[Entry] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)
    left_total: int = 0
    bytes: int = 0

    def leave(self, path: str, why: str) -> None:
        """Name something that is not kept."""
        self.left_total += 1
        if len(self.left) < LEFT:
            self.left.append((path, why))


def known_of(entries: Sequence[Entry]) -> Known:
    """Return what is known of an earlier snapshot's files."""
    found: Known = {}
    for entry in entries:
        if entry.kind == "file" and len(entry.inode) == 3:
            device, inode, changed = entry.inode
            found[device, inode, entry.size, entry.mtime, changed] = entry
    return found


def take(
    sources: Sequence[Source], known: Known, writing: Writing | None, most: int, tell: Callable[[int], None]
) -> Found:
    """Store everything below some directories; `most` is the bytes they may hold.

    Without `writing` nothing is stored, and files that are not known have no object: that is how one looks for changes.
    """
    found = Found()
    with ThreadPoolExecutor(2, "snapshot") as pool:
        for source in sources:
            _Look(source, known, writing, most, found, pool, tell).run()
    return found


class _Look:
    """One directory."""

    def __init__(
        self,
        source: Source,
        known: Known,
        writing: Writing | None,
        most: int,
        found: Found,
        pool: ThreadPoolExecutor,
        tell: Callable[[int], None],
    ) -> None:
        self._source, self._known, self._writing, self._most = source, known, writing, most
        self._found, self._pool, self._tell = found, pool, tell
        self._names: dict[tuple[int, int], str] = {}  # of files with several names: the first
        self._device = 0

    def run(self) -> None:
        """Walk, a directory before what is in it; files are read by the pool."""
        try:
            root = os.open(self._source.path, DIRECTORY | os.O_CLOEXEC)
        except OSError as exc:
            self._found.leave(self._source.name, f"cannot be opened: {exc.strerror}")
            return
        try:
            self._root = root
            status = os.fstat(root)
            self._device = status.st_dev
            self._add(self._entry("", "dir", status))
            waiting = [""]
            jobs: list[tuple[Entry, os.stat_result]] = []
            while waiting:
                waiting += self._directory(waiting.pop(), jobs)
            for entry, done in zip(
                [entry for entry, _ in jobs],
                self._pool.map(lambda job: self._file(*job), jobs, chunksize=1),
                strict=True,
            ):
                if done is not None:
                    self._found.leave(f"{self._source.name}/{entry.path}", done)
            gone = {id(entry) for entry, _ in jobs if entry.kind == "file" and entry.size < 0}
            if gone:
                lost = {entry.path for entry, _ in jobs if entry.size < 0}
                self._found.entries = [
                    one
                    for one in self._found.entries
                    if id(one) not in gone
                    and not (one.kind == "same" and one.part == self._source.name and one.to in lost)
                ]
        finally:
            os.close(root)

    def _directory(self, path: str, jobs: list[tuple[Entry, os.stat_result]]) -> Iterator[str]:
        below: list[str] = []
        try:
            descriptor = openat2(self._root, path or ".", DIRECTORY, links=False)
        except OSError as exc:
            self._found.leave(f"{self._source.name}/{path}", f"cannot be opened: {exc.strerror}")
            return iter(())
        try:
            for name in sorted(os.listdir(descriptor)):
                inner = f"{path}/{name}" if path else name
                with suppress(FileNotFoundError):  # gone meanwhile
                    status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    if self._one(inner, name, status, descriptor, jobs):
                        below.append(inner)
        finally:
            os.close(descriptor)
        return iter(reversed(below))

    def _one(
        self,
        path: str,
        name: str,
        status: os.stat_result,
        directory: int,
        jobs: list[tuple[Entry, os.stat_result]],
    ) -> bool:
        """Add one thing; returns whether it is a directory to be walked."""
        why = self._refused(path, status)
        if why is not None:
            self._found.leave(f"{self._source.name}/{path}", why)
            return False
        if stat.S_ISDIR(status.st_mode):
            self._add(self._entry(path, "dir", status))
            return True
        if stat.S_ISLNK(status.st_mode):
            entry = self._entry(path, "link", status)
            entry.to = os.readlink(name, dir_fd=directory)
            self._add(entry)
            return False
        entry = self._entry(path, "file", status)
        if status.st_nlink > 1:
            first = self._names.setdefault((status.st_dev, status.st_ino), path)
            if first != path:
                entry.kind, entry.to = "same", first
                self._add(entry)
                return False
        entry.size = status.st_size
        self._found.bytes += status.st_blocks * 512 if status.st_blocks * 512 < status.st_size else status.st_size
        if self._found.bytes > self._most:
            raise Exhausted(
                f"it holds more than {self._most >> 20:,} MB; raise the setting snapshot_mb, or make it smaller"
            )
        self._add(entry)
        jobs.append((entry, status))
        return False

    def _refused(self, path: str, status: os.stat_result) -> str | None:
        mode = status.st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
            return "a pipe, socket or device"
        if not self._source.owns(status):
            return "belongs to somebody else"
        if status.st_dev != self._device:
            return "lies on another file system"
        if any(fnmatch.fnmatchcase(path, pattern) for pattern in self._source.keeping.secrets):
            return "holds credentials"
        if path.count("/") >= DEPTH or len(os.fsencode(path)) > PATH:
            return "is nested too deep"
        return None

    def _entry(self, path: str, kind: str, status: os.stat_result) -> Entry:
        mode = stat.S_IMODE(status.st_mode)
        return Entry(self._source.name, path, kind, mode, status.st_mtime_ns, status.st_uid)  # type: ignore[arg-type]

    def _add(self, entry: Entry) -> None:
        if len(self._found.entries) >= ENTRIES:
            raise Exhausted(f"it holds more than {ENTRIES:,} files; remove some that can be made again")
        self._found.entries.append(entry)

    def _file(self, entry: Entry, status: os.stat_result) -> str | None:
        """Store a file, or find that it is stored; returns why it is left out."""
        key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        before = self._known.get(key)
        special = self._source.keeping.special(entry.path)
        if before is not None and (self._writing is None or not before.object or self._writing.known(before.object)):
            entry.object, entry.extents, entry.size = before.object, before.extents, before.size
            entry.inode = before.inode
            return None
        if self._writing is None:
            return None
        for _ in range(TRIES):
            try:
                self._read(entry, special)
                self._tell(entry.stored)
                return None
            except Changed:
                continue
            except OSError as exc:
                entry.size = -1
                return f"cannot be read: {exc.strerror}"
        entry.size = -1
        return "changed all the time while it was read"

    def _read(self, entry: Entry, special: bool) -> None:
        assert self._writing is not None
        descriptor = openat2(self._root, entry.path, FILE, links=False)
        with open(descriptor, "rb", buffering=0) as file:
            began = time.time_ns()
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or not self._source.owns(status):
                raise Changed
            if special:
                if status.st_size > WHOLE:
                    raise OSError(errno.EFBIG, f"it is longer than the {WHOLE >> 20} MB that can be cut or cleaned")
                data = self._source.keeping.kept(entry.path, _whole(descriptor, status.st_size))
                entry.object, entry.size = self._writing.put(file, lambda: iter((data,)), len(data))
                entry.extents = []
                return
            extents = _extents(descriptor, status)
            size = sum(length for _, length in extents)
            entry.object, got = self._writing.put(file, lambda: _chunks(descriptor, extents), size)
            after = os.fstat(descriptor)
            facts = [(one.st_size, one.st_mtime_ns, one.st_ctime_ns) for one in (status, after)]
            if facts[0] != facts[1] or got != size:
                raise Changed
            sparse = extents != [[0, status.st_size]]
            entry.size, entry.mtime, entry.extents = status.st_size, status.st_mtime_ns, extents if sparse else []
            entry.object = entry.object if extents else ""  # a hole from beginning to end
            entry.inode = []
            if max(status.st_ctime_ns, status.st_mtime_ns) < began - FRESH_NS:
                entry.inode = [status.st_dev, status.st_ino, status.st_ctime_ns]


def _extents(descriptor: int, status: os.stat_result) -> list[list[int]]:
    """Return where a file has data; the whole of it when it has no holes worth naming."""
    whole = [[0, status.st_size]]
    if status.st_blocks * 512 >= status.st_size:
        return whole
    found: list[list[int]] = []
    at = 0
    while at < status.st_size:
        try:
            begin = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError:  # only a hole is left
            break
        at = min(os.lseek(descriptor, begin, os.SEEK_HOLE), status.st_size)
        found.append([begin, at - begin])
        if len(found) > EXTENTS:
            raise OSError(0, "it has too many holes")
    return found


def _whole(descriptor: int, size: int) -> bytes:
    """Return what a file held when it was looked at, however it grows meanwhile."""
    return b"".join(_chunks(descriptor, [[0, size]]))


def _chunks(descriptor: int, extents: Sequence[Sequence[int]]) -> Iterator[bytes]:
    for offset, length in extents:
        at, end = offset, offset + length
        while at < end and (chunk := os.pread(descriptor, min(CHUNK, end - at), at)):
            at += len(chunk)
            yield chunk
