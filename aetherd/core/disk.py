"""Directories that agents fill: looked through, packed and removed, whatever lies in them. All of it is blocking."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import tarfile
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

DEEPEST = 300  # directories in one another that are looked into: each holds a descriptor and a frame of ours
REMOVE_S = 600.0
SPANS = 100_000  # pieces of a file with holes; one in more is left out


def walk(place: Path) -> Iterator[tuple[str, list[str], list[str], int]]:
    """Yield as `os.fwalk` does, no link followed, down to `DEEPEST`."""
    if not place.is_dir():
        return
    above = len(place.parts)
    for folder, directories, files, descriptor in os.fwalk(place):
        yield folder, directories, files, descriptor
        if len(Path(folder).parts) - above >= DEEPEST:
            directories.clear()


def clear(place: Path) -> None:
    """Remove a directory with all that is in it, however deep (shutil's way ends at a depth of some hundreds)."""
    command = ("rm", "-rf", "--one-file-system", "--", str(place))
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=REMOVE_S, check=False)


def pack(place: Path, target: Path) -> None:
    """Pack a directory into a tar file that only we can read, while its owner may go on swapping things in it.

    Each entry is opened once, by its name in a directory that is open already; what is no plain file, directory or
    link is left out. Of a file with holes only what it holds is read and packed (as GNU tar's sparse format 1.0).
    """
    place.stat()  # raises when there is none
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for folder, directories, files, inside in walk(place):
            inner = f"{place.name}/{os.path.relpath(folder, place)}".removesuffix("/.")
            archive.addfile(_entry(inner, os.fstat(inside), tarfile.DIRTYPE))
            for name in sorted((*directories, *files)):
                _put(archive, f"{inner}/{name}", name, inside)


def _put(archive: tarfile.TarFile, path: str, name: str, inside: int) -> None:
    try:
        about = os.stat(name, dir_fd=inside, follow_symlinks=False)
        if stat.S_ISLNK(about.st_mode):
            entry = _entry(path, about, tarfile.SYMTYPE)
            entry.linkname = os.readlink(name, dir_fd=inside)
            archive.addfile(entry)
        if not stat.S_ISREG(about.st_mode):
            return
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=inside)
    except OSError:  # gone, or swapped, meanwhile
        return
    with os.fdopen(handle, "rb"):
        about = os.fstat(handle)
        if stat.S_ISREG(about.st_mode):
            entry = _entry(path, about, tarfile.REGTYPE)
            try:
                body = _Body(handle, about)
            except OSError:
                return
            if body.sparse:
                entry.pax_headers = {
                    "GNU.sparse.major": "1",
                    "GNU.sparse.minor": "0",
                    "GNU.sparse.name": path,
                    "GNU.sparse.realsize": str(about.st_size),
                }
            entry.size = body.size
            archive.addfile(entry, body)  # type: ignore[arg-type]  # it needs a `read` alone


class _Body:
    """What of a file goes into an archive: as many bytes as were promised, however its owner changes it meanwhile."""

    def __init__(self, handle: int, about: os.stat_result) -> None:
        self._handle = handle
        self._spans = deque(_spans(handle, about))
        held = sum(length for _, length in self._spans)
        self.sparse = held < about.st_size
        self._map = b""
        if self.sparse:
            self._spans.append((about.st_size, 0))  # so that a hole at the end is known
            lines = [len(self._spans), *(number for span in self._spans for number in span)]
            self._map = "".join(f"{number}\n" for number in lines).encode()
            self._map += bytes(-len(self._map) % tarfile.BLOCKSIZE)
        self.size = len(self._map) + held

    def read(self, size: int) -> bytes:
        """Return the next bytes, as many as are asked for; zeros for what was cut off meanwhile."""
        parts = [self._map[:size]]
        self._map = self._map[size:]
        left = size - len(parts[0])
        while left and self._spans:
            at, length = self._spans[0]
            most = min(left, length)
            parts.append(os.pread(self._handle, most, at) or bytes(most))
            left -= len(parts[-1])
            self._spans[0] = at + len(parts[-1]), length - len(parts[-1])
            if not self._spans[0][1]:
                self._spans.popleft()
        return b"".join(parts)


def _spans(handle: int, about: os.stat_result) -> list[tuple[int, int]]:
    """Return where a file has data, as (offset, length); the whole of it when it has no holes worth naming."""
    if about.st_blocks * 512 >= about.st_size:
        return [(0, about.st_size)]
    found: list[tuple[int, int]] = []
    at = 0
    while at < about.st_size:
        try:
            at = os.lseek(handle, at, os.SEEK_DATA)
        except OSError:  # only a hole is left
            break
        end = min(os.lseek(handle, at, os.SEEK_HOLE), about.st_size)
        if end > at:
            found.append((at, end - at))
        if len(found) > SPANS:
            raise OSError(errno.EFBIG, "it has too many holes")
        at = max(end, at + 1)
    return found


def _entry(path: str, about: os.stat_result, kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode, entry.mtime = kind, stat.S_IMODE(about.st_mode), about.st_mtime
    entry.uid, entry.gid = about.st_uid, about.st_gid
    return entry
