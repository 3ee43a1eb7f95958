"""The directories of workspaces on disk. Blocking."""

from __future__ import annotations

import os
from pathlib import Path

from aetherd.core import disk


def open_ground(place: Path) -> None:
    """Make the directory that holds them all: agents pass through it, and cannot list it."""
    place.mkdir(mode=0o711, parents=True, exist_ok=True)
    place.chmod(0o711)


def make(place: Path, gid: int | None) -> None:
    """Make a workspace's directory, closed to all but its group; new files belong to that group."""
    place.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if gid is not None:
            os.fchown(descriptor, gid, gid)
            os.fchmod(descriptor, 0o2770)
    finally:
        os.close(descriptor)


def size(place: Path) -> int:
    """Return what a directory holds in bytes."""
    total = 0
    for _, _, files, descriptor in disk.walk(place):
        for name in files:
            try:
                total += os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_size
            except OSError:  # gone meanwhile
                continue
    return total
