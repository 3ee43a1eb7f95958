"""The living browsers: one task each carries its cable, waits for the end, tells it, and leaves nothing running."""

from __future__ import annotations

import logging
import shutil

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup
from sqlmodel import col, select

from aetherd.core.clock import Clock, stamp
from aetherd.core.context import Origin, origin
from aetherd.kernel.browser.cable import Cable
from aetherd.kernel.browser.events import BrowserClosed
from aetherd.kernel.browser.tables import BrowserRow
from aetherd.kernel.browser.window import Window
from aetherd.operations.beside import Beside
from aetherd.shim.client import Exit, read_stderr
from aetherd.store import Store, Tx

logger = logging.getLogger(__name__)
_TOLD = 2000
_NOISE = ("dbus", "DevTools", "unexpected operator", "vaapi", "GPU")


class Alive:
    """One living browser."""

    def __init__(self, row: BrowserRow, cable: Cable) -> None:
        self.row, self.cable = row, cable
        self.window: Window | None = None  # while Playwright is connected to it
        self.using = anyio.Lock()
        self.doomed = anyio.Event()
        self.ended = anyio.Event()
        self.reason = "it ended by itself"
        self.complaint = ""  # what it wrote last on standard error

    def doom(self, reason: str) -> None:
        """Have it end now."""
        if not self.doomed.is_set():
            self.reason = reason
            self.doomed.set()


class Living:
    """All living browsers by pid."""

    def __init__(self, store: Store, clock: Clock, process: Beside) -> None:
        self._store, self._clock, self._process = store, clock, process
        self.all: dict[int, Alive] = {}

    async def adopt(self, group: TaskGroup) -> None:
        """Find the living ones again after a start; those whose process ended meanwhile end."""
        rows = await self._store.read(
            lambda session: list(session.exec(select(BrowserRow).where(col(BrowserRow.ended_at).is_(None))))
        )
        for row in rows:
            alive = await self.watch(group, row)
            if not (await self._process.place_of(row.pid)).alive:
                alive.doom("the process has ended")
            elif not alive.ended.is_set():
                group.start_soon(self._forget_client, alive)

    async def watch(self, group: TaskGroup, row: BrowserRow) -> Alive:
        """Look after a browser from now on; returns when its shim was found, or found dead."""
        alive = self.all[row.pid] = Alive(row, Cable(self._process.terminal_dir(row.id), self._clock))
        group.start_soon(self._watch, alive)
        await alive.cable.found.wait()
        return alive

    async def _forget_client(self, alive: Alive) -> None:
        """Detach what the daemon before had attached, so that nothing is said to nobody."""
        try:
            async with alive.using:
                await alive.cable.reset()
        except Exception as exc:
            logger.warning("browser %s: %s", alive.row.id, exc)

    async def _watch(self, alive: Alive) -> None:
        origin.set(Origin(user=alive.row.user, org=alive.row.org))
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._execute, alive)
                ended = await alive.cable.run()
                group.cancel_scope.cancel()
            await self._end(alive, ended)
        except Exception:
            logger.exception("browser %s is not looked after any more", alive.row.id)
        finally:
            if self.all.get(alive.row.pid) is alive:
                del self.all[alive.row.pid]
            alive.ended.set()
            alive.cable.found.set()

    async def _execute(self, alive: Alive) -> None:
        await alive.doomed.wait()
        await self._process.end_beside(alive.row.id)

    async def _end(self, alive: Alive, ended: Exit | None) -> None:
        row, directory = alive.row, self._process.terminal_dir(alive.row.id)
        try:
            await self._process.end_beside(row.id)
        except Exception:
            logger.exception("something of browser %s may be left running", row.id)
        alive.complaint = await anyio.to_thread.run_sync(_complaint, directory)
        if not alive.doomed.is_set() and ended is not None and (ended.signal or ended.code):
            alive.reason = f"it crashed ({f'signal {ended.signal}' if ended.signal else f'exit code {ended.code}'})"
        now = stamp(self._clock.now())

        def work(tx: Tx) -> None:
            tx.execute("UPDATE browser SET ended_at = ?, reason = ? WHERE id = ?", (now, alive.reason, row.id))
            tx.emit(BrowserClosed(pid=row.pid, agent=row.agent, browser=row.id, reason=alive.reason))

        await self._store.write(work)
        await anyio.to_thread.run_sync(shutil.rmtree, directory, True)


def _complaint(directory: object) -> str:
    try:
        text = read_stderr(directory, 64 << 10).decode("utf-8", "replace")  # type: ignore[arg-type]
    except OSError:
        return ""
    lines = [line for line in text.splitlines() if line.strip() and not any(noise in line for noise in _NOISE)]
    return "; ".join(lines[-3:])[:_TOLD]
