"""The directories of workspaces on disk. Blocking."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path


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


def pack(place: Path, target: Path) -> None:
    """Pack a directory into a tar file that only we can read."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        archive.add(place, arcname=place.name)


def clear(place: Path) -> None:
    """Remove a directory with all that is in it; links are not followed."""
    shutil.rmtree(place, ignore_errors=True)


def size(place: Path) -> int:
    """Return what a directory holds in bytes."""
    total = 0
    for directory, _, files in os.walk(place):
        for name in files:
            try:
                total += os.lstat(os.path.join(directory, name)).st_size
            except OSError:  # gone meanwhile
                continue
    return total
