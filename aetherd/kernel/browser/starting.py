"""Starting a browser: the row first, then Chromium, then a look whether it answers."""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import Final

import anyio
from anyio.abc import TaskGroup
from sqlalchemy.exc import IntegrityError

from aetherd.core.clock import Clock, stamp
from aetherd.core.errors import Conflict, Exhausted, Unavailable
from aetherd.core.ids import new_id
from aetherd.kernel.browser.command import PROGRAMS, command
from aetherd.kernel.browser.driver import Driver
from aetherd.kernel.browser.events import BrowserOpened
from aetherd.kernel.browser.living import Alive, Living
from aetherd.kernel.browser.ports import Display
from aetherd.kernel.browser.tables import BrowserRow
from aetherd.operations.beside import Beside, Place
from aetherd.store import Store, Tx

IN_ALL: Final = 32
CLOSE_S: Final = 10.0


class Starter:
    """Starts Chromium beside processes."""

    def __init__(self, store: Store, clock: Clock, process: Beside, driver: Driver, living: Living) -> None:
        self._store, self._clock, self._process = store, clock, process
        self._driver, self._living = driver, living
        self.displays: list[Display] = []

    async def start(self, group: TaskGroup | None, pid: int, place: Place) -> Alive:
        """Start the browser of a process; raises `Conflict`, `Exhausted`, `Unavailable`."""
        if group is None:
            raise Unavailable("aetherd is starting or shutting down")
        if len(self._living.all) >= IN_ALL:
            raise Exhausted(f"{IN_ALL} browsers run; close one first")
        if place.tier == "host" and not any(shutil.which(program) for program in PROGRAMS):
            raise Unavailable("no Chromium on this machine: apt-get install chromium")
        self._driver.check()
        display = None
        for show in self.displays:
            display = display or await show(pid)
        argv, env = command(place.home, place.tier, headless=display is None)
        row = BrowserRow(
            id=new_id("browser"),
            pid=pid,
            agent=place.agent,
            parent=place.parent,
            user=place.user,
            org=place.org,
            headless=display is None,
            created_at=stamp(self._clock.now()),
        )

        def work(tx: Tx) -> None:
            tx.session.add(row)
            tx.session.flush()

        # The row comes first: a daemon that dies in between finds by it what was started.
        key, directory = row.id, self._process.terminal_dir(row.id)
        try:
            await self._store.write(work)
        except IntegrityError:
            raise Conflict("another process of this agent has its browser open; close that first", pid=pid) from None
        try:
            await self._process.start_beside(
                pid, directory, argv, cwd=place.home, name=key, env={**env, **(display or {})}, stdio="pipes"
            )
        except BaseException:
            with anyio.CancelScope(shield=True):
                with suppress(OSError):
                    await self._process.end_beside(key)
                await self._store.write(lambda tx: tx.execute("DELETE FROM browser WHERE id = ?", (key,)))
            raise
        with anyio.CancelScope(shield=True):
            alive = await self._living.watch(group, row)
        try:
            await alive.cable.reset()
        except Unavailable:
            alive.doom("it did not start")
            with anyio.move_on_after(CLOSE_S):
                await alive.ended.wait()
            raise Unavailable(f"Chromium did not start: {alive.complaint or 'it said nothing'}", pid=pid) from None
        opened = BrowserOpened(pid=pid, agent=row.agent, browser=key, headless=row.headless)
        await self._store.write(lambda tx: tx.emit(opened))
        return alive
