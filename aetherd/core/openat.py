"""`openat2`: open what lies beneath a directory, decided by the kernel and not by looking at strings. Blocking."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Final

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_OPENAT2: Final = 437  # one number on every architecture
_TRIES: Final = 20  # the kernel says EAGAIN when a rename elsewhere raced with a `..`
NO_MAGICLINKS: Final = 0x02
NO_SYMLINKS: Final = 0x04
BENEATH: Final = 0x08
_EXCHANGE: Final = 2


class _How(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


def openat2(directory: int, path: str | bytes, flags: int, mode: int = 0, *, links: bool = True) -> int:
    """Open `path` beneath `directory`, without `links` past none; raises OSError, EXDEV when it leads out."""
    resolve = BENEATH | NO_MAGICLINKS | (0 if links else NO_SYMLINKS)
    how = _How(flags | os.O_CLOEXEC, mode if flags & os.O_CREAT else 0, resolve)
    name = os.fsencode(path)
    for _ in range(_TRIES):
        descriptor = int(
            _libc.syscall(
                ctypes.c_long(_OPENAT2),
                ctypes.c_long(directory),
                ctypes.c_char_p(name),
                ctypes.byref(how),
                ctypes.c_long(ctypes.sizeof(how)),
            )
        )
        if descriptor >= 0:
            return descriptor
        number = ctypes.get_errno()
        if number not in (errno.EAGAIN, errno.EINTR):
            break
    raise OSError(number, os.strerror(number), path)


def exchange(one: str | bytes, other: str | bytes) -> None:
    """Let two names swap what they name, in one step; raises OSError."""
    at_cwd = -100
    if _libc.renameat2(at_cwd, os.fsencode(one), at_cwd, os.fsencode(other), _EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one), None, str(other))
