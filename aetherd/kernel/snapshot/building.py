"""Makes a directory anew from a manifest, in a place that nobody else can reach yet. Blocking.

The manifest was checked before anything is written; and still every path is opened beneath the new directory with no
link followed, and every name is made, never replaced.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from aetherd.core.openat import openat2
from aetherd.kernel.snapshot.manifest import Entry
from aetherd.kernel.snapshot.objects import Objects

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
AHEAD = 256  # files of which somebody works at the same time

Whose = Callable[[Entry], tuple[int, int]]  # the uid and gid a thing gets; -1 as it is


def build(
    place: Path, entries: Sequence[Entry], objects: Objects, whose: Whose, bits: int, tell: Callable[[int], None]
) -> None:
    """Make `place`, which must not be there, from the entries of one part; `bits` are the mode bits it may have."""
    os.mkdir(place, 0o700)
    root = os.open(place, DIRECTORY | os.O_CLOEXEC)
    try:
        for entry in entries:
            if entry.kind == "dir" and entry.path:
                _in(root, entry, lambda folder, name: os.mkdir(name, 0o700, dir_fd=folder))
        with ThreadPoolExecutor(2, "restore") as pool:
            files = [entry for entry in entries if entry.kind == "file"]
            for at in range(0, len(files), AHEAD):
                for entry in pool.map(lambda one: _file(root, one, objects, whose, bits), files[at : at + AHEAD]):
                    tell(entry.stored)
        for entry in entries:
            if entry.kind == "same":
                _same(root, entry)
            elif entry.kind == "link":
                _link(root, entry, whose)
        for entry in reversed(entries):  # their times last: whatever is made in them changes those
            if entry.kind == "dir":
                _directory(root, entry, whose, bits)
    finally:
        os.close(root)


def carry(old: Path, new: Path, patterns: Iterable[str], uid: int | None) -> None:
    """Take credentials over, which no snapshot holds, from the home that is to be replaced."""
    for path in (pattern for pattern in patterns if "*" not in pattern):
        with suppress(OSError):
            source = os.open(old, DIRECTORY | os.O_CLOEXEC)
            try:
                descriptor = openat2(source, path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, links=False)
            finally:
                os.close(source)
            with open(descriptor, "rb") as file:
                if uid is not None and os.fstat(descriptor).st_uid != uid:
                    continue
                data = file.read(1 << 20)
            root = os.open(new, DIRECTORY | os.O_CLOEXEC)
            try:
                made = openat2(root, path, FILE, 0o600, links=False)
            finally:
                os.close(root)
            with open(made, "wb") as out:
                out.write(data)
                if uid is not None:
                    os.fchown(made, uid, uid)


def _in(root: int, entry: Entry, act: Callable[[int, str], None]) -> None:
    above, _, name = entry.path.rpartition("/")
    folder = openat2(root, above or ".", DIRECTORY, links=False)
    try:
        act(folder, name)
    finally:
        os.close(folder)


def _file(root: int, entry: Entry, objects: Objects, whose: Whose, bits: int) -> Entry:
    def make(folder: int, name: str) -> None:
        with open(os.open(name, FILE, 0o600, dir_fd=folder), "wb", buffering=0) as file:
            _fill(file.fileno(), entry, objects)
            os.fchown(file.fileno(), *whose(entry))
            os.fchmod(file.fileno(), entry.mode & bits & 0o777)
            os.utime(file.fileno(), ns=(entry.mtime, entry.mtime))

    _in(root, entry, make)
    return entry


def _fill(descriptor: int, entry: Entry, objects: Objects) -> None:
    if not entry.object:
        os.ftruncate(descriptor, entry.size)
        return
    chunks = objects.read(entry.object, entry.stored)
    if not entry.extents:
        for chunk in chunks:
            _write(descriptor, chunk, None)
        return
    os.ftruncate(descriptor, entry.size)
    extents = iter(entry.extents)
    at = left = 0
    for chunk in chunks:
        view = memoryview(chunk)
        while view:
            if not left:
                at, left = next(extents)
            part = view[:left]
            _write(descriptor, part, at)
            at, left, view = at + len(part), left - len(part), view[len(part) :]


def _write(descriptor: int, data: bytes | memoryview, at: int | None) -> None:
    view = memoryview(data)
    while view:
        written = os.write(descriptor, view) if at is None else os.pwrite(descriptor, view, at)
        view = view[written:]
        at = None if at is None else at + written


def _same(root: int, entry: Entry) -> None:
    above, _, first = entry.to.rpartition("/")
    folder = openat2(root, above or ".", DIRECTORY, links=False)
    try:
        _in(
            root,
            entry,
            lambda into, name: os.link(first, name, src_dir_fd=folder, dst_dir_fd=into, follow_symlinks=False),
        )
    finally:
        os.close(folder)


def _link(root: int, entry: Entry, whose: Whose) -> None:
    def make(folder: int, name: str) -> None:
        os.symlink(entry.to, name, dir_fd=folder)
        os.chown(name, *whose(entry), dir_fd=folder, follow_symlinks=False)
        os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=folder, follow_symlinks=False)

    _in(root, entry, make)


def _directory(root: int, entry: Entry, whose: Whose, bits: int) -> None:
    descriptor = openat2(root, entry.path or ".", DIRECTORY, links=False)
    try:
        os.fchown(descriptor, *whose(entry))
        os.fchmod(descriptor, entry.mode & bits)
        os.utime(descriptor, ns=(entry.mtime, entry.mtime))
    finally:
        os.close(descriptor)
