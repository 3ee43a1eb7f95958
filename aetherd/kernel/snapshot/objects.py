"""The store of file contents: each once, compressed, named by its SHA-256. Blocking.

SHA-256 because processors have instructions for it (1.9 GB/s here, BLAKE2b 1.2), and because the manifest is named
by it too: `zstd -dc OBJECT | sha256sum` shows that a file is whole. Whoever writes a snapshot *pins* each name before
it relies on it, and what clears up looks at the pins with the same lock; so the two may run at once.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import zstandard

from aetherd.core.errors import Conflict

CHUNK = 1 << 20
LEVEL = 1  # 700 MB/s of source code to a sixth; level 3 takes twice as long for a tenth more
FEW = 64  # objects that are synced one by one; more of them by syncing the file system once
_libc = ctypes.CDLL(None, use_errno=True)

Read = Callable[[], Iterator[bytes]]  # the bytes of a file, from the beginning each time


class Objects:
    """A directory of objects."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._lock = threading.Lock()
        self._pins: list[set[str]] = []
        self._done: list[set[str]] = []  # pins of what was finished while somebody clears up: not yet let go
        self._clearing = False

    def open(self) -> None:
        """Make the directory, and remove what an earlier daemon left unfinished."""
        self.place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self.place.glob("??/*.new-*"):
            left.unlink(missing_ok=True)

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """Write a snapshot's objects; what it pinned is kept until this is left."""
        writing = Writing(self)
        with self._lock:
            self._pins.append(writing.pins)
        try:
            yield writing
        finally:
            with self._lock:
                self._pins[:] = [one for one in self._pins if one is not writing.pins]
                if self._clearing:  # it does not know the new manifest
                    self._done.append(writing.pins)

    def path(self, name: str) -> Path:
        """Return where an object is."""
        return self.place / name[:2] / name[2:]

    def pin(self, pins: set[str], name: str) -> bool:
        """Keep an object from being cleared away; returns whether it is there."""
        with self._lock:
            pins.add(name)
            return self.path(name).exists()

    def read(self, name: str, size: int) -> Iterator[bytes]:
        """Yield the bytes of an object, no more than `size`; `Conflict` at the end when they are not its own."""
        digest, got = hashlib.sha256(), 0
        try:
            with open(self.path(name), "rb") as file:
                reader = zstandard.ZstdDecompressor().stream_reader(file)
                while chunk := reader.read(min(CHUNK, size - got + 1)):
                    got += len(chunk)
                    if got > size:
                        break
                    digest.update(chunk)
                    yield chunk
        except (OSError, zstandard.ZstdError) as exc:
            raise Conflict(f"the snapshot is torn: a stored file cannot be read: {exc}") from exc
        if got != size or digest.hexdigest() != name:
            raise Conflict("the snapshot is torn or was changed: a stored file does not have its hash")

    def lacking(self, needed: Iterable[str]) -> int:
        """Count those that are not there."""
        return sum(not self.path(name).exists() for name in set(needed))

    def clear(self, needed: Callable[[], set[str]]) -> int:
        """Remove every object that is neither needed nor pinned; returns how many bytes that were. One at a time."""
        with self._lock:
            self._clearing = True
        try:
            return self._clear(needed())
        finally:
            with self._lock:
                self._clearing = False
                self._done.clear()

    def _clear(self, kept: set[str]) -> int:
        freed = 0
        for folder in sorted(self.place.iterdir()):
            for file in os.scandir(folder):
                name = folder.name + file.name
                if name in kept or ".new-" in file.name:
                    continue
                with self._lock:
                    if any(name in pins for pins in (*self._pins, *self._done)):
                        continue
                    with suppress(OSError):
                        freed += file.stat().st_size
                        os.unlink(file.path)
        return freed


class Writing:
    """The objects of one snapshot that is made."""

    def __init__(self, objects: Objects) -> None:
        self.pins: set[str] = set()
        self.stored = 0
        self._objects, self._fresh = objects, list[Path]()
        self._lock = threading.Lock()

    def known(self, name: str) -> bool:
        """Pin an object of an earlier snapshot; returns whether it is there."""
        return self._objects.pin(self.pins, name)

    def put(self, file: BinaryIO, read: Callable[[], Iterator[bytes]], size: int) -> tuple[str, int]:
        """Store what `read` yields; returns its name and length. A small file is read once, a large one twice."""
        if size <= CHUNK:
            data = b"".join(read())
            name = hashlib.sha256(data).hexdigest()
            if not self.known(name):
                self._write(name, iter((data,)))
            return name, len(data)
        digest, length = hashlib.sha256(), 0
        for chunk in read():
            digest.update(chunk)
            length += len(chunk)
        name = digest.hexdigest()
        if not self.known(name):
            self._write(name, read())
        return name, length

    def _write(self, name: str, chunks: Iterator[bytes]) -> None:
        path = self._objects.path(name)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        temporary = path.with_name(f"{path.name}.new-{secrets.token_hex(4)}")
        digest = hashlib.sha256()
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as out:
                with zstandard.ZstdCompressor(level=LEVEL).stream_writer(out, closefd=False) as pipe:
                    for chunk in chunks:
                        digest.update(chunk)
                        pipe.write(chunk)
                length = out.tell()
            if digest.hexdigest() != name:
                raise Changed
            os.rename(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        with self._lock:
            self.stored += length
            self._fresh.append(path)

    def settle(self) -> None:
        """Return when all that was written is on the disk."""
        if len(self._fresh) > FEW:
            sync_all(self._objects.place)
        else:
            for path in {*self._fresh, *(path.parent for path in self._fresh), self._objects.place}:
                sync(path)


class Changed(Exception):
    """Raised when a file changes while it is read."""


def sync(path: Path) -> None:
    """Bring a file or directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all(path: Path) -> None:
    """Bring all of the file system of a path to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), "syncfs")
    finally:
        os.close(descriptor)
