"""Programs that run beside an agent, each with a shim of its own: how rooms start them, end them, and hear them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import anyio.to_thread

from aetherd.core.clock import Clock
from aetherd.shim.client import Exit, Output, Remains, Shim, ShimError, ShimGone, open_shim

AGAIN_S, AGAIN_MOST_S = 0.1, 30.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process stands, and whose it is."""

    pid: int
    agent: str
    user: str
    org: str
    parent: str | None  # the agent that spawned its agent
    home: Path
    alive: bool
    stdio: str | None  # pty or pipes, of the current incarnation
    directory: Path | None  # shim directory of the current incarnation
    title: str  # what runs in it, for people
    controlled: bool  # a hand-over to a person is under way or done
    tier: str  # docker, bwrap or host
    door: Path  # the directory of its own sockets
    door_inside: Path  # the same, as its programs see it
    graphical: bool  # with a desktop


class Beside(Protocol):
    """The part of the process room that starts programs in a process's place; `name` is theirs in the whole house."""

    async def place_of(self, pid: int) -> Place:
        """Return where a process stands; raises `NotFound`."""
        ...

    async def start_beside(
        self,
        pid: int,
        directory: Path,
        argv: Sequence[str],
        *,
        cwd: Path,
        rows: int = 24,
        cols: int = 80,
        name: str,
        env: Mapping[str, str] | None = None,
        stdio: Literal["pty", "pipes"] = "pty",
    ) -> None:
        """Start a shim in the process's place, `env` on top of that of a shell; raises `Unavailable`."""
        ...

    async def end_beside(self, name: str) -> None:
        """Kill its whole tree and remove its group; fine when nothing is left of it."""
        ...

    def terminal_dir(self, name: str) -> Path:
        """Return where its shim keeps its files."""
        ...


async def heard_out(
    directory: Path,
    clock: Clock,
    hear: Callable[[Shim | Remains], Awaitable[Exit]],
    silent: Callable[[ShimError], None],
) -> Exit | None:
    """Hear a program to its end, over every silence of its shim; None when that died without a record.

    `silent` is told when it does not answer, which is no proof of death: it may be stopped or very busy.
    """
    pause = AGAIN_S
    while True:
        try:
            shim = await open_shim(directory)
            try:
                return await hear(shim)
            finally:
                await shim.aclose()
        except ShimGone:
            return None
        except ShimError as exc:
            silent(exc)
            await clock.sleep(pause)
            pause = min(AGAIN_MOST_S, pause * 2)


async def collected(directory: Path, take: Callable[[bytes], None]) -> Exit:
    """Give a program no input and `take` all its output, which may block, until it ends. Raises ShimError."""
    shim = await open_shim(directory)
    try:
        await shim.close_stdin(1)
        await shim.attach(0)
        while not isinstance(item := await shim.read(), Exit):
            if isinstance(item, Output):
                await anyio.to_thread.run_sync(take, item.data)
                await shim.ack(item.offset + len(item.data))
        return item
    finally:
        await shim.aclose()
