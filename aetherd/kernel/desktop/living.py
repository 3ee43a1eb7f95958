"""The living desktops: one task each hears what its program says, waits for the end and tells it."""

from __future__ import annotations

import logging
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup
from sqlmodel import col, select

from aetherd.core.clock import Clock, stamp
from aetherd.core.context import Origin, origin
from aetherd.core.errors import AetherError, Conflict, Unavailable
from aetherd.kernel.desktop.events import DesktopStopped
from aetherd.kernel.desktop.screen import Screen
from aetherd.kernel.desktop.script import command, leftovers, socket_of
from aetherd.kernel.desktop.tables import DesktopRow
from aetherd.operations.beside import Beside, heard_out
from aetherd.shim.client import Exit, Output, Remains, Shim, ShimError, read_stderr
from aetherd.store import Store

logger = logging.getLogger(__name__)
BEGIN_S: Final = 10.0
SOON_S: Final = 0.3  # a program that cannot be started has ended by then
LINE: Final = 200
WORDS: Final = 600


@dataclass(slots=True)
class Begun:
    """A program that was asked for."""

    os_pid: int | None = None
    code: int | None = None
    begun: anyio.Event = field(default_factory=anyio.Event)
    done: anyio.Event = field(default_factory=anyio.Event)


class Alive:
    """One living desktop."""

    def __init__(self, row: DesktopRow, directory: Path, screen: Screen) -> None:
        self.row, self.directory, self.screen = row, directory, screen
        self.viewers = 0
        self.shown = -1  # version of the picture in the last thumbnail
        self.missing: str | None = None  # a program that this place lacks
        self.last_words: str | None = None  # once it has ended
        self.ready, self.ended = anyio.Event(), anyio.Event()
        self.over = anyio.Event()  # its process has ended
        self._shim: Shim | Remains | None = None
        self._programs: dict[str, Begun] = {}
        self._typing = anyio.Lock()
        self._last = 0

    async def run(self, argv: Sequence[str]) -> Begun:
        """Start a program on it; waits until it has begun."""
        id, begun = secrets.token_hex(4), Begun()
        self._programs[id] = begun
        try:
            with anyio.fail_after(BEGIN_S):
                async with self._typing:
                    if self._shim is None:
                        raise Conflict("the desktop has ended; desktop.start makes a new one")
                    self._last += 1
                    taken = await self._shim.send(self._last, command(id, argv))
                if taken != "accepted":
                    raise Unavailable(f"the desktop takes no more programs now ({taken}); try again")
                await begun.begun.wait()
            with anyio.move_on_after(SOON_S):
                await begun.done.wait()
        except TimeoutError:
            raise Unavailable(f"the program was not started within {BEGIN_S:g} s") from None
        except ShimError as exc:
            raise Unavailable(f"the desktop does not answer: {exc}") from exc
        finally:
            self._programs.pop(id, None)
        return begun

    async def listen(self, shim: Shim | Remains) -> Exit:
        """Hear what its program says until it ends."""
        self._shim, self._last = shim, shim.hello.last_input
        if shim.hello.first_offset > 0:
            self.ready.set()  # what it said first is not kept any more
        await shim.attach(0)
        rest = b""
        try:
            while True:
                item = await shim.read()
                if isinstance(item, Exit):
                    return item
                if isinstance(item, Output):
                    *lines, rest = (rest + item.data).split(b"\n")
                    for line in lines:
                        self._hear(line.decode("utf-8", "replace").split())
                    rest = rest[:LINE]
                    await shim.ack(item.offset)  # all but the last of it, so that something is kept
        finally:
            self._shim = None

    def silent(self, exc: ShimError) -> None:
        """Take note that its shim does not answer."""
        logger.warning("the desktop of process %d does not answer: %s", self.row.pid, exc)

    def _hear(self, words: list[str]) -> None:
        match words:
            case ["ready"]:
                self.ready.set()
            case ["missing", program]:
                self.missing = program[:100]
            case ["began", id, number] if (begun := self._programs.get(id)) is not None and number.isdecimal():
                begun.os_pid = int(number[:10])
                begun.begun.set()
            case ["done", id, code] if (begun := self._programs.get(id)) is not None and code.isdecimal():
                begun.code = int(code[:4])
                begun.done.set()

    async def said(self) -> str:
        """Return the last of what its programs complained of."""
        if self.last_words is not None:
            return self.last_words
        try:
            found = await anyio.to_thread.run_sync(read_stderr, self.directory, WORDS)
        except OSError:
            return ""
        return found.decode("utf-8", "replace").strip()


class Living:
    """All living desktops by pid."""

    def __init__(self, store: Store, clock: Clock, process: Beside, key: str) -> None:
        self._store, self._clock, self._process, self._key = store, clock, process, key
        self.all: dict[int, Alive] = {}

    async def adopt(self, group: TaskGroup) -> None:
        """Find the living ones again after a start; those of processes that ended meanwhile end."""
        rows = await self._store.read(
            lambda session: list(session.exec(select(DesktopRow).where(col(DesktopRow.ended_at).is_(None))))
        )
        for row in rows:
            await self.watch(group, row)
            if not (await self._process.place_of(row.pid)).alive:
                self.all[row.pid].over.set()

    async def watch(self, group: TaskGroup, row: DesktopRow) -> Alive:
        """Look after a desktop from now on."""
        place = await self._process.place_of(row.pid)
        alive = Alive(row, self._process.terminal_dir(row.id), Screen(socket_of(place)))
        self.all[row.pid] = alive
        group.start_soon(self._watch, alive)
        return alive

    async def end(self, pid: int) -> None:
        """Kill a desktop with all that runs on it; its task tells it."""
        if (alive := self.all.get(pid)) is not None:
            try:
                await self._process.end_beside(alive.row.id)
            except OSError:
                logger.exception("something of the desktop of process %d may be left running", pid)

    async def _watch(self, alive: Alive) -> None:
        origin.set(Origin(user=alive.row.user, org=alive.row.org))
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._end_when_over, alive)
                await heard_out(alive.directory, self._clock, alive.listen, alive.silent)
                group.cancel_scope.cancel()
            await self._end(alive)
        except Exception:
            logger.exception("the desktop of process %d is not looked after any more", alive.row.pid)
        finally:
            if self.all.get(alive.row.pid) is alive:
                del self.all[alive.row.pid]
            alive.screen.close()
            alive.ended.set()

    async def _end_when_over(self, alive: Alive) -> None:
        await alive.over.wait()
        await self.end(alive.row.pid)

    async def _end(self, alive: Alive) -> None:
        row = alive.row
        alive.last_words = await alive.said()
        await self.end(row.pid)
        now = stamp(self._clock.now())
        try:
            await self._store.write(
                lambda tx: (
                    tx.execute("UPDATE desktop SET ended_at = ? WHERE id = ?", (now, row.id)),
                    tx.emit(DesktopStopped(pid=row.pid, agent=row.agent)),
                )
            )
        except AetherError as exc:
            logger.warning("the end of the desktop of process %d is not written: %s", row.pid, exc.message)
        left = leftovers(await self._process.place_of(row.pid), self._key)
        await anyio.to_thread.run_sync(_remove, alive.directory, left)


def _remove(directory: Path, left: Sequence[Path]) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    for path in left:
        path.unlink(missing_ok=True)
