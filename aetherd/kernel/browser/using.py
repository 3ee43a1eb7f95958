"""Having a browser for one operation: in turn, connected, with a deadline, its trouble told plainly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from aetherd.core.errors import Conflict, Exhausted
from aetherd.kernel.browser.driver import Driver
from aetherd.kernel.browser.events import BrowserDownloaded
from aetherd.kernel.browser.living import Alive
from aetherd.kernel.browser.sight import plainly
from aetherd.kernel.browser.tables import BrowserRow
from aetherd.kernel.browser.window import Download, Window
from aetherd.operations.beside import Beside
from aetherd.store import Store

if TYPE_CHECKING:
    from playwright.async_api import Page

DONE_S: Final = 45.0  # for one operation; a page's own waits are shorter
TURN_S: Final = 20.0  # for the operation before
OUTBOX: Final = 100


class Use:
    """Connects to browsers when they are used, and tells what they downloaded."""

    def __init__(self, store: Store, process: Beside, driver: Driver) -> None:
        self._store, self._process, self._driver = store, process, driver
        self._outbox: MemoryObjectSendStream[tuple[BrowserRow, Download]] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tell downloads while this lasts."""
        outbox, arrived = anyio.create_memory_object_stream[tuple[BrowserRow, Download]](OUTBOX)
        async with outbox, arrived, anyio.create_task_group() as group:
            self._outbox = outbox
            group.start_soon(self._tell_downloads, arrived)
            try:
                yield
            finally:
                group.cancel_scope.cancel()

    @asynccontextmanager
    async def page(
        self, alive: Alive, tab: str | None, what: str, *, fresh: bool = False
    ) -> AsyncIterator[tuple[Page, Window]]:
        """Have a tab for one operation: the named one, or the one used last, or a fresh one."""
        async with self.window(alive, what) as window:
            page = await (window.open() if fresh else window.page(tab))
            if window.crashed(page) and what != "close":
                if what not in ("navigate", "reload"):
                    raise Conflict("the page crashed; browser.reload loads it again", tab=tab)
                page = await window.replace(page)
            yield page, window

    @asynccontextmanager
    async def window(self, alive: Alive, what: str) -> AsyncIterator[Window]:
        """Have a browser for one operation, connected; one after the other."""
        self._driver.check()
        try:
            with anyio.fail_after(TURN_S):
                await alive.using.acquire()
        except TimeoutError:
            raise Exhausted("the browser is busy with what was asked before; try again", pid=alive.row.pid) from None
        try:
            with plainly(what), anyio.fail_after(DONE_S):
                if alive.ended.is_set():
                    raise Conflict(f"the browser has ended: {alive.reason}; open one (browser.open)", pid=alive.row.pid)
                window = alive.window
                if window is None or not window.connected or not await self._driver.holds(alive.cable):
                    window = alive.window = await self._connected(alive)
                yield window
        finally:
            alive.using.release()

    async def _connected(self, alive: Alive) -> Window:
        place = await self._process.place_of(alive.row.pid)
        browser = await self._driver.connect(alive.cable)

        def done(download: Download) -> None:
            if self._outbox is not None:
                with suppress(anyio.WouldBlock, anyio.ClosedResourceError):  # so many that nobody wants to hear of each
                    self._outbox.send_nowait((alive.row, download))

        window = Window(browser, place.home, headless=alive.row.headless, done=done)
        try:
            await window.start()
            if alive.row.tab is not None:
                await window.resume(alive.row.tab)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await window.close()
            raise
        return window

    async def _tell_downloads(self, arrived: MemoryObjectReceiveStream[tuple[BrowserRow, Download]]) -> None:
        async for row, download in arrived:
            event = BrowserDownloaded(
                pid=row.pid, agent=row.agent, browser=row.id, path=download.path, url=download.url, size=download.size
            )
            await self._store.write(lambda tx, event=event: tx.emit(event))  # type: ignore[misc]
