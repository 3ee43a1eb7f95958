"""The doors: each process has a socket of its own, which face MCP serves as long as the process lives."""

from __future__ import annotations

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
    """Which doors there shall be. The process room opens and closes them; the face that serves comes later."""

    def __init__(self) -> None:
        self._wanted: dict[int, Doorway] = {}
        self._serve: Serve | None = None
        self._shut: Shut | None = None

    async def open(self, doorway: Doorway) -> None:
        """Have a door; when this returns it is being listened on, or will be as soon as the face is up."""
        self._wanted[doorway.pid] = doorway
        if self._serve is not None:
            await self._serve(doorway)

    async def close(self, pid: int) -> None:
        """Close the door of a process that has ended."""
        if self._wanted.pop(pid, None) is not None and self._shut is not None:
            await self._shut(pid)

    async def served_by(self, serve: Serve, shut: Shut) -> None:
        """Let the face take over: it opens every door there is now, and those to come."""
        self._serve, self._shut = serve, shut
        for doorway in list(self._wanted.values()):
            await serve(doorway)
