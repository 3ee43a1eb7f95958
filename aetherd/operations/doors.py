"""The doors: each process has a socket of its own, which face MCP serves as long as the process lives."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Doorway:
    """Where one process comes in."""

    pid: int
    path: Path  # the socket; its directory belongs to the process
    uid: int | None  # who besides the daemon may connect


@dataclass(frozen=True, slots=True)
class Relay:
    """How a runtime that speaks MCP over stdio is brought to its door."""

    command: tuple[str, ...]
    needs: tuple[Path, ...]  # what an agent of another uid must be able to read for it


Serve = Callable[[Doorway], Awaitable[None]]
Shut = Callable[[int], Awaitable[None]]


class Doors:
    """Which doors there shall be. The process room opens and closes them; those who serve at them come later."""

    def __init__(self) -> None:
        self._wanted: dict[int, Doorway] = {}
        self._hosts: list[tuple[Serve, Shut]] = []

    async def open(self, doorway: Doorway) -> None:
        """Have a door; when this returns it is being listened on, or will be as soon as its hosts are up."""
        self._wanted[doorway.pid] = doorway
        for serve, _ in self._hosts:
            await serve(doorway)

    async def close(self, pid: int) -> None:
        """Close the door of a process that has ended."""
        if self._wanted.pop(pid, None) is not None:
            for _, shut in self._hosts:
                await shut(pid)

    async def served_by(self, serve: Serve, shut: Shut) -> None:
        """Let somebody serve at every door there is now, and at those to come."""
        self._hosts.append((serve, shut))
        for doorway in list(self._wanted.values()):
            await serve(doorway)


def listening(path: Path, uid: int | None) -> socket.socket:
    """Listen at a door; only root and `uid` may connect. Bound under a temporary name, so that there always is one."""
    temporary = path.with_name(f".{path.name}")
    temporary.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.bind(str(temporary))
        os.chmod(temporary, 0o660)
        if uid is not None:
            os.chown(temporary, 0, uid)
        sock.listen(128)
        temporary.rename(path)
    except BaseException:
        sock.close()
        raise
    return sock
