"""Removes a directory however deep it is, with few descriptors and without following a link. Blocking."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from aetherd.kernel.fs.staged import part_name

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(directory: int, name: str) -> None:
    """Let a directory vanish as a whole, then remove it; what cannot be removed is given its name back."""
    part = part_name()
    os.rename(name, part, src_dir_fd=directory, dst_dir_fd=directory)
    try:
        top = os.open(part, _OPEN, dir_fd=directory)
        try:
            while names := os.listdir(top):
                for entry in names:
                    _remove(top, entry)
        finally:
            os.close(top)
        os.rmdir(part, dir_fd=directory)
    except BaseException:
        with contextlib.suppress(OSError):
            os.rename(part, name, src_dir_fd=directory, dst_dir_fd=directory)
        raise


def _remove(top: int, name: str) -> None:
    """Remove one thing in the top directory; directories inside it move up beside it, for the next round."""
    if not _is_directory(top, name):
        os.unlink(name, dir_fd=top)
        return
    with contextlib.suppress(PermissionError):
        os.chmod(name, 0o700, dir_fd=top)
    inner = os.open(name, _OPEN, dir_fd=top)
    try:
        for entry in os.listdir(inner):
            if not _is_directory(inner, entry):
                os.unlink(entry, dir_fd=inner)
                continue
            try:
                os.rmdir(entry, dir_fd=inner)
            except OSError as exc:
                if exc.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                os.rename(entry, part_name(), src_dir_fd=inner, dst_dir_fd=top)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=top)


def _is_directory(directory: int, name: str) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
