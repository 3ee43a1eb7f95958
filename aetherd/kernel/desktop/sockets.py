"""Connecting to a socket that an agent could have replaced."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

from aetherd.core.errors import Unavailable


def connect(path: Path) -> socket.socket:
    """Connect to a unix socket in a directory of the agent's; raises `Unavailable`.

    No link is followed, and the socket must belong to whom its directory belongs: else an agent could put a link
    there to a socket that the daemon may open and it may not.
    """
    handles: list[int] = []
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    made.setblocking(False)
    try:
        flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
        handles.append(os.open(path.parent, flags | os.O_DIRECTORY))
        handles.append(os.open(path.name, flags, dir_fd=handles[0]))
        owner, found = os.fstat(handles[0]), os.fstat(handles[1])
        if not stat.S_ISSOCK(found.st_mode) or found.st_uid != owner.st_uid:
            raise Unavailable("what should be the desktop's socket is something else; stop the desktop and start it")
        made.connect(f"/proc/self/fd/{handles[1]}")
    except OSError as exc:
        made.close()
        raise Unavailable(f"the desktop does not answer: {exc.strerror}") from exc
    except BaseException:
        made.close()
        raise
    finally:
        for handle in handles:
            os.close(handle)
    return made
