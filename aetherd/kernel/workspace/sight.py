"""What is in a workspace, and what changed since the last look; rights are put in order on the way. Blocking.

A program may give its file rights that shut the group out, or bring one along whose group is another. Whatever
belongs to an agent is opened to the workspace's group again, at each look: never a link, never a file that also
has a name elsewhere.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

ENTRIES = 50_000  # names looked at, at most
DEPTH = 100
SKIPPED = frozenset({".git", ".claude", "node_modules", "__pycache__", ".venv", ".cache"})  # churn of tools
PART = ".aether-part-"  # unfinished files of fs.*
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it was seen; times are in nanoseconds of the wall clock."""

    inode: int
    size: int
    modified: int
    changed: int  # no program can set this one
    uid: int
    blocks: int

    def same(self, other: Seen) -> bool:
        """Tell whether the content can be the same."""
        return (self.inode, self.size, self.modified) == (other.inode, other.size, other.modified)


@dataclass(slots=True)
class Picture:
    """The files of a workspace by path."""

    files: dict[str, Seen] = field(default_factory=dict)
    complete: bool = True

    @property
    def bytes(self) -> int:
        """What they take on disk."""
        return sum(seen.blocks * 512 for seen in self.files.values())


@dataclass(frozen=True, slots=True)
class Difference:
    """A file that changed between two looks."""

    path: str
    kind: Literal["created", "modified", "removed"]
    seen: Seen | None
    owned: bool  # its inode is new, so its owner is who made it


def look(top: Path, gid: int | None, beneath: Iterable[str] = (".",)) -> Picture:
    """Return the files below a workspace, or only those of some paths in it."""
    picture = Picture()
    left = ENTRIES
    for path in beneath:
        parts = [part for part in path.split("/") if part not in ("", ".")]
        with suppress(OSError):  # gone
            handle = os.open(top, _OPEN)
            try:
                for part in parts[:-1]:
                    below = os.open(part, _OPEN, dir_fd=handle)
                    os.close(handle)
                    handle = below
                left = _look(picture, handle, "/".join(parts[:-1]), parts[-1:] or None, gid, left, 0)
            finally:
                os.close(handle)
    return picture


def _look(
    picture: Picture, handle: int, above: str, names: list[str] | None, gid: int | None, left: int, deep: int
) -> int:
    """Look at a directory, or some names in it; returns how many names may still be looked at."""
    for name in os.listdir(handle) if names is None else names:
        left -= 1
        if left < 0 or deep > DEPTH:
            picture.complete = False
            return left
        if name.startswith(PART):
            continue
        with suppress(OSError):  # gone meanwhile, or not to be opened
            about = os.stat(name, dir_fd=handle, follow_symlinks=False)
            path = f"{above}/{name}" if above else name
            if stat.S_ISDIR(about.st_mode):
                below = os.open(name, _OPEN, dir_fd=handle)
                try:
                    if gid is not None:
                        _share(below, 0o2770, gid)
                    if name not in SKIPPED:
                        left = _look(picture, below, path, None, gid, left, deep + 1)
                finally:
                    os.close(below)
                continue
            if gid is not None and (about.st_gid != gid or about.st_mode & 0o660 != 0o660):
                _share_file(handle, name, about, gid)
            picture.files[path] = Seen(
                about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_uid, about.st_blocks
            )
    return left


def _share_file(handle: int, name: str, about: os.stat_result, gid: int) -> None:
    if not stat.S_ISREG(about.st_mode):
        return
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=handle)
    try:
        about = os.fstat(descriptor)
        if stat.S_ISREG(about.st_mode) and about.st_nlink == 1:
            _share(descriptor, 0o660, gid)
    finally:
        os.close(descriptor)


def _share(descriptor: int, mode: int, gid: int) -> None:
    about = os.fstat(descriptor)
    if about.st_gid != gid:
        os.fchown(descriptor, -1, gid)
        about = os.fstat(descriptor)
    if about.st_mode & mode != mode:
        os.fchmod(descriptor, stat.S_IMODE(about.st_mode) | mode)


def differences(before: Mapping[str, Seen], after: Mapping[str, Seen]) -> list[Difference]:
    """Return what changed, in the order in which it did as far as that is known; removals last."""
    known = {seen.inode for seen in before.values()}
    found = []
    for path, seen in after.items():
        old = before.get(path)
        if old is None or not old.same(seen):
            kind: Literal["created", "modified"] = "created" if old is None else "modified"
            found.append(Difference(path, kind, seen, seen.inode not in known))
    found.sort(key=lambda one: one.seen.changed if one.seen else 0)
    return found + [Difference(path, "removed", None, False) for path in before if path not in after]


def covers(above: str, path: str) -> bool:
    """Tell whether a path is another, or lies beneath it."""
    return above in (".", path) or path.startswith(above + "/")


def shown(path: str) -> str:
    """Return a path as text that any wire can carry."""
    return os.fsencode(path).decode("utf-8", "replace")
