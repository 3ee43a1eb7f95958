"""What programs do to files, told by inotify. Its queue is the bound; what it drops is a `resync`."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import struct
from typing import Final

import anyio

from aetherd.core.errors import Exhausted, Unavailable
from aetherd.kernel.fs.beneath import Root, shown
from aetherd.kernel.fs.models import FsChange
from aetherd.kernel.fs.staged import PART
from aetherd.kernel.fs.walk import join

_libc = ctypes.CDLL(None, use_errno=True)
_EVENT: Final = struct.Struct("iIII")
_MODIFY, _CLOSE_WRITE = 0x2, 0x8
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x40, 0x80, 0x100, 0x200
_OVERFLOW, _IGNORED = 0x4000, 0x8000
_ONLYDIR, _ISDIR = 0x1000000, 0x40000000
_MASK: Final = _MODIFY | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _ONLYDIR
DIRECTORIES: Final = 2000
BATCH: Final = 1000


class Watch:
    """The directories one caller watches."""

    def __init__(self, recursive: bool) -> None:
        """Raises Unavailable when the kernel gives no more of them."""
        self.descriptor = int(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        if self.descriptor < 0:
            raise Unavailable("the kernel gives no more inotify instances; raise fs.inotify.max_user_instances")
        self._recursive = recursive
        self._paths: dict[int, str] = {}
        self.fresh: list[str] = []  # directories that appeared and are not watched yet

    def add(self, root: Root, path: str) -> list[str]:
        """Watch a directory and, if wanted, those below it; blocking, raises OSError when it is not there.

        Returns what is in them, which may have come before the watch did.
        """
        waiting, found = [path], []
        while waiting:
            here = waiting.pop()
            flags = os.O_RDONLY | os.O_DIRECTORY | (os.O_NOFOLLOW if here != path else 0)
            try:
                with root.open(here, flags) as directory:
                    self._watch(directory, here)
                    if self._recursive:
                        with os.scandir(directory) as entries:
                            for entry in entries:
                                found.append(join(here, entry.name))
                                if entry.is_dir(follow_symlinks=False):
                                    waiting.append(found[-1])
            except OSError:
                if here == path:
                    raise
        return found

    def add_fresh(self, root: Root) -> list[FsChange]:
        """Watch the directories that appeared, and tell what appeared in them meanwhile."""
        fresh, self.fresh = self.fresh, []
        found: list[str] = []
        for path in fresh:
            with contextlib.suppress(OSError):
                found += self.add(root, path)
        return [FsChange(path=shown(path), kind="created") for path in found if PART not in path]

    def _watch(self, directory: int, path: str) -> None:
        if len(self._paths) >= DIRECTORIES:
            raise Exhausted(f"more than {DIRECTORIES:,} directories; watch a smaller one")
        key = int(
            _libc.inotify_add_watch(
                self.descriptor, ctypes.c_char_p(b"/proc/self/fd/%d" % directory), ctypes.c_uint32(_MASK)
            )
        )
        if key < 0:
            number = ctypes.get_errno()
            if number == errno.ENOSPC:  # which here does not mean the disk
                raise Exhausted("the kernel watches no more directories; raise fs.inotify.max_user_watches")
            raise OSError(number, os.strerror(number), path)
        self._paths[key] = path

    async def changes(self) -> list[FsChange]:
        """Wait for changes and return them, each once, in order."""
        while True:
            await anyio.wait_readable(self.descriptor)
            found: dict[tuple[str, str], FsChange] = {}
            try:
                data = os.read(self.descriptor, 65_536)
            except BlockingIOError:
                continue
            for key, kind in self._parse(data):
                found[key, kind] = FsChange(path=key, kind=kind)
            if len(found) > BATCH:
                return [FsChange(path=".", kind="resync")]
            if found:
                return list(found.values())

    def _parse(self, data: bytes) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        position = 0
        while position < len(data):
            key, mask, _, size = _EVENT.unpack_from(data, position)
            position += _EVENT.size
            name = os.fsdecode(data[position : position + size].rstrip(b"\0"))
            position += size
            if mask & _OVERFLOW:
                found.append((".", "resync"))
            elif mask & _IGNORED:
                self._paths.pop(key, None)
            elif key in self._paths and not name.startswith(PART):
                path = join(self._paths[key], name) if name else self._paths[key]
                if mask & _ISDIR and mask & (_CREATE | _MOVED_TO) and self._recursive:
                    self.fresh.append(path)
                if (kind := _kind(mask)) is not None:
                    found.append((shown(path), kind))
        return found

    def close(self) -> None:
        """Watch nothing any more."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _kind(mask: int) -> str | None:
    if mask & _CREATE:
        return "created"
    if mask & (_MODIFY | _CLOSE_WRITE):
        return None if mask & _ISDIR else "modified"
    if mask & _DELETE:
        return "removed"
    if mask & _MOVED_FROM:
        return "moved_from"
    return "moved_to" if mask & _MOVED_TO else None
