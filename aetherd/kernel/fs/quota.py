"""How much a home or workspace may hold: measured when first asked, then counted along. Blocking."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from aetherd.core.errors import Exhausted
from aetherd.kernel.fs.beneath import Root
from aetherd.kernel.fs.removal import remove_tree
from aetherd.kernel.fs.walk import measure

BYTES = 10 << 30
FILES = 200_000
FRESH_S = 60.0  # a measurement is trusted so long, longer when it took long
STALE_S = 2.0  # nobody is refused by a measurement older than this
LEFTOVER_S = 3600.0  # unfinished things older than this belong to nobody any more


@dataclass(slots=True)
class _Usage:
    size: int
    files: int
    at: float
    took: float


class Quota:
    """The usage of every place that was written to."""

    def __init__(self) -> None:
        self.bounds: dict[str, int] = {}  # bytes that a place may hold, where that is less than any may
        self._usage: dict[str, _Usage] = {}
        self._lock = threading.Lock()

    def check(self, root: Root, size: int, files: int = 1) -> None:
        """Raise Exhausted when so much more would be too much."""
        usage = self._usage.get(root.key)
        now = time.monotonic()
        if usage is None or now - usage.at > max(FRESH_S, 50 * usage.took):
            usage = self._measure(root)
        most = min(BYTES, self.bounds.get(root.key, BYTES))
        if self._fits(usage, size, files, most):
            return
        if time.monotonic() - usage.at > STALE_S:
            usage = self._measure(root)
            if self._fits(usage, size, files, most):
                return
        raise Exhausted(
            f"the {root.noun} holds {usage.size:,} bytes in {usage.files:,} files; "
            f"the bound is {most:,} in {FILES:,}: remove something first",
            bytes=usage.size,
            files=usage.files,
            max_bytes=most,
            max_files=FILES,
        )

    def add(self, key: str, size: int, files: int = 0) -> None:
        """Count what was written."""
        with self._lock:
            if (usage := self._usage.get(key)) is not None:
                usage.size += size
                usage.files += files

    def forget(self, key: str) -> None:
        """Measure again next time: something was removed."""
        self._usage.pop(key, None)

    def weigh(self, key: str, path: Path) -> tuple[int, int]:
        """Measure a home and return its bytes on disk and its files; not as its agent, which could hide things."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            usage = self._measure(Root(descriptor, key))
        finally:
            os.close(descriptor)
        return usage.size, usage.files

    def _fits(self, usage: _Usage, size: int, files: int, most: int) -> bool:
        return usage.size + size <= most and usage.files + files <= FILES

    def _measure(self, root: Root) -> _Usage:
        begun = time.monotonic()
        size, files, parts = measure(root, ".", most=FILES)
        for path in parts:
            with contextlib.suppress(OSError):
                _remove_leftover(root, path)
        now = time.monotonic()
        usage = _Usage(size, files, now, now - begun)
        with self._lock:
            self._usage[root.key] = usage
        return usage


def _remove_leftover(root: Root, path: str) -> None:
    with root.parent(path) as (directory, name):
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if time.time() - status.st_ctime < LEFTOVER_S:
            return
        if stat.S_ISDIR(status.st_mode):
            remove_tree(directory, name)
        else:
            os.unlink(name, dir_fd=directory)
