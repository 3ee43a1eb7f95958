"""Mounts that let a process see only its own parts of a directory it could not even enter.

The daemon's home, and often the interpreter too, lie under a directory such as a 0700 home of root, which the
agent's uid cannot traverse. The process gets mounts of its own in which that directory is an empty, read-only
tmpfs, and only the paths it may have are bound back at the same place.
"""

from __future__ import annotations

import os

from aetherd.shim import syscalls
from aetherd.shim.syscalls import MS_BIND, MS_NODEV, MS_NOSUID, MS_RDONLY, MS_REC, MS_REMOUNT

TYPE_CHECKING = False  # the module typing is not worth its memory in every shim
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def open_windows(cover: Sequence[str], binds: Sequence[Mapping[str, Any]]) -> None:
    """Cover directories of this process and bind paths back: `binds` is [{"path": str, "readonly": bool}].

    Paths are absolute. A bind outside every covered directory is bound over itself. Needs root. Raises
    OSError with the path in `filename`.
    """
    try:
        syscalls.own_mounts()
    except OSError as error:
        raise OSError(error.errno, error.strerror, "mount namespace") from None
    covers = sorted((os.path.normpath(path) for path in cover), key=len)
    paths = sorted((os.path.normpath(bind["path"]), bool(bind.get("readonly"))) for bind in binds)
    # Held open before anything is covered: afterwards no name leads to them. And after the mounts became our
    # own: the kernel does not bind from another namespace.
    sources = [os.open(path, os.O_PATH | os.O_CLOEXEC) for path, _ in paths]
    mask = os.umask(0)
    try:
        for path in covers:
            _mount("none", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m,nr_inodes=4096")
        for source, (path, readonly) in zip(sources, paths, strict=True):
            if any(path == top or path.startswith(top.rstrip("/") + "/") for top in covers):
                _make_place(path, os.path.isdir(f"/proc/self/fd/{source}"))
            _mount(f"/proc/self/fd/{source}", path, None, MS_BIND | MS_REC, None)
            if readonly:
                syscalls.make_readonly(path)
        for path in covers:
            _mount(None, path, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, None)
    finally:
        os.umask(mask)
        for source in sources:
            os.close(source)


def _make_place(path: str, directory: bool) -> None:
    """Make the mount point, and what leads to it, so that any uid can pass."""
    os.makedirs(path if directory else os.path.dirname(path), mode=0o755, exist_ok=True)
    if not directory and not os.path.exists(path):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None) -> None:
    try:
        syscalls.mount(source, target, kind, flags, data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, target) from None
