"""Walks through a home; each directory is opened beneath it anew, so depth is free. Blocking."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from aetherd.core.clock import stamp
from aetherd.core.errors import Conflict
from aetherd.core.openat import openat2
from aetherd.kernel.fs.beneath import Root, shown
from aetherd.kernel.fs.models import FsStat, Kind
from aetherd.kernel.fs.staged import PART

LISTED = 200_000  # most names looked at in one listing


def join(above: str, name: str) -> str:
    """Return the path of a name in a directory."""
    return name if above == "." else f"{above}/{name}"


def names_of(root: Root, path: str) -> list[str]:
    """Return the names in a directory, sorted; unfinished things are not there."""
    with root.open(path, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
        return sorted(name for name in os.listdir(descriptor) if not name.startswith(PART))


def kind_of(mode: int) -> Kind:
    """Name the kind of a file."""
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "dir"
    return "link" if stat.S_ISLNK(mode) else "other"


def stat_of(root: Root, path: str) -> FsStat:
    """Describe one thing; a link is not followed."""
    with root.open(path, os.O_PATH | os.O_NOFOLLOW) as descriptor:
        return describe(descriptor, path)


def describe(descriptor: int, path: str) -> FsStat:
    """Describe what a descriptor (O_PATH) holds."""
    status = os.fstat(descriptor)
    target = None
    if stat.S_ISLNK(status.st_mode):
        with contextlib.suppress(OSError):
            target = shown(os.readlink("", dir_fd=descriptor))
    return FsStat(
        name=shown(path.rpartition("/")[2]),
        path=shown(path),
        kind=kind_of(status.st_mode),
        size=status.st_size,
        modified=stamp(_moment(status.st_mtime)),
        mode=f"{stat.S_IMODE(status.st_mode):04o}",
        target=target,
    )


def _moment(seconds: float) -> datetime:
    """Return a time that a file claims; a hostile one is cut to what can be written."""
    return datetime.fromtimestamp(min(max(seconds, 0), 253_402_300_799), UTC)


@dataclass(slots=True)
class Listing:
    """A page of entries."""

    entries: list[FsStat]
    last: str | None = None  # raw path of the last entry when there are more
    complete: bool = True


def list_page(root: Root, top: str, *, recursive: bool, hidden: bool, limit: int, after: str | None) -> Listing:
    """Return a page in the order of the path's parts, a directory before what is in it."""
    page = Listing([])
    last: str | None = None
    seen = 0
    for path in _paths(root, top, recursive, hidden, () if after is None else tuple(after.split("/"))):
        seen += 1
        if seen > LISTED:
            page.complete = False
            break
        if len(page.entries) == limit:
            page.last = last
            break
        try:
            page.entries.append(stat_of(root, path))
        except FileNotFoundError:  # gone meanwhile
            continue
        except OSError:  # too deep to be named
            page.complete = False
            continue
        last = path
    return page


def _paths(root: Root, top: str, recursive: bool, hidden: bool, after: tuple[str, ...]) -> Iterator[str]:
    """Yield paths that come after one, without looking into what lies wholly before it."""
    base = 0 if top == "." else top.count("/") + 1
    waiting = [_children(root, top, hidden, after[base : base + 1])]
    while waiting:
        path = next(waiting[-1], None)
        if path is None:
            waiting.pop()
            continue
        parts = tuple(path.split("/"))
        if not after or parts > after:
            yield path
        if recursive and _is_directory(root, path):
            rest = after[len(parts) : len(parts) + 1] if after[: len(parts)] == parts else ()
            with contextlib.suppress(OSError):  # not readable for the agent, or gone
                waiting.append(_children(root, path, hidden, rest))


def _children(root: Root, path: str, hidden: bool, since: tuple[str, ...]) -> Iterator[str]:
    names = names_of(root, path)
    return (
        join(path, name) for name in names if (hidden or not name.startswith(".")) and (not since or name >= since[0])
    )


def _is_directory(root: Root, path: str) -> bool:
    try:
        with root.open(path, os.O_PATH | os.O_NOFOLLOW) as descriptor:
            return stat.S_ISDIR(os.fstat(descriptor).st_mode)
    except OSError:
        return False


def measure(root: Root, top: str, *, most: int) -> tuple[int, int, list[str]]:
    """Return bytes on disk, number of files and unfinished things below; stops past `most` files."""
    total = count = 0
    parts: list[str] = []
    waiting = [top]
    while waiting and count <= most:
        path = waiting.pop()
        try:
            descriptor = openat2(root.descriptor, path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # gone, not readable or too deep
            continue
        try:
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    count += 1
                    with contextlib.suppress(OSError):
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
                        if entry.name.startswith(PART):
                            parts.append(join(path, entry.name))
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(join(path, entry.name))
        finally:
            os.close(descriptor)
    return total, count, parts


def must_be_directory(root: Root, path: str) -> None:
    """Raise Conflict for a file where a directory is needed; NotFound (as OSError) when there is nothing."""
    with root.open(path, os.O_PATH) as descriptor:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise Conflict(f"{shown(path)} is not a directory", kind="file")
