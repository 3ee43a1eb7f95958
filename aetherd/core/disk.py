"""Directories that agents fill: looked through, packed and removed, whatever lies in them. All of it is blocking."""

from __future__ import annotations

import os
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

DEEPEST = 300  # directories in one another that are looked into: each holds a descriptor and a frame of ours
REMOVE_S = 600.0


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
    link is left out.
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
    with os.fdopen(handle, "rb") as file:
        about = os.fstat(handle)
        if stat.S_ISREG(about.st_mode):
            entry = _entry(path, about, tarfile.REGTYPE)
            entry.size = about.st_size
            archive.addfile(entry, file)


def _entry(path: str, about: os.stat_result, kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode, entry.mtime = kind, stat.S_IMODE(about.st_mode), about.st_mtime
    entry.uid, entry.gid = about.st_uid, about.st_gid
    return entry
