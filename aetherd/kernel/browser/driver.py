"""Playwright, which speaks CDP for us: a program of its own (Node, 130 MB) that runs only while a browser is used."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread
from websockets.asyncio.server import ServerConnection, unix_serve
from websockets.exceptions import ConnectionClosed

from aetherd.core.clock import Clock
from aetherd.core.config import Settings
from aetherd.core.errors import AetherError, Unavailable
from aetherd.kernel.browser.cable import LONGEST, Cable

if TYPE_CHECKING:
    from playwright.async_api import Browser, Playwright

logger = logging.getLogger(__name__)
START_S: Final = 30.0
CONNECT_S: Final = 30.0
IDLE_S: Final = 60.0
LOOK_S: Final = 5.0


class Driver:
    """Starts Playwright with the first browser, stops it when none was connected for a minute."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._place = settings.run_dir / "browser"
        self._clock = clock
        self._cables: dict[str, Cable] = {}
        self._playwright: Playwright | None = None
        self._starting = anyio.Lock()
        self._since = 0.0

    @property
    def runs(self) -> bool:
        """Whether Playwright's program runs."""
        return self._playwright is not None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen for Playwright on a socket of ours alone; end it with us."""
        path = self._place / "s"
        await anyio.to_thread.run_sync(_make_way, path)
        async with (
            unix_serve(self._serve, str(path), max_size=LONGEST, compression=None, ping_interval=None),
            anyio.create_task_group() as group,
        ):
            group.start_soon(self._retire)
            try:
                yield
            finally:
                group.cancel_scope.cancel()
                with anyio.CancelScope(shield=True), anyio.move_on_after(START_S):
                    await self.stop()

    def check(self) -> None:
        """Raise `Unavailable` when Playwright is not installed."""
        if importlib.util.find_spec("playwright") is None:
            raise Unavailable("browsers are driven by Playwright, which is missing: pip install 'aetherd[browser]'")

    async def connect(self, cable: Cable) -> Browser:
        """Connect Playwright to a browser; raises `Unavailable`."""
        from playwright.async_api import Error

        self._cables[cable.key] = cable
        try:
            async with self._starting:
                playwright = await self._start()
            self._cables[cable.key] = cable
            browser = await playwright.chromium.connect_over_cdp(
                f"ws+unix://{self._place / 's'}:/{cable.key}", no_defaults=True, timeout=CONNECT_S * 1000
            )
        except BaseException as exc:
            self.gone(cable)
            if isinstance(exc, Error):
                raise Unavailable(f"the browser cannot be driven: {exc.message.splitlines()[0]}") from exc
            raise
        browser.on("disconnected", lambda _: self.gone(cable))
        return browser

    async def holds(self, cable: Cable) -> bool:
        """Tell whether a browser is still connected: nobody is told when Playwright's program crashes."""
        return cable.key in self._cables and self._playwright is not None and await _lives(self._playwright)

    def gone(self, cable: Cable) -> None:
        """Note that a browser is connected no more."""
        if self._cables.pop(cable.key, None) is not None:
            self._since = self._clock.monotonic()

    async def stop(self) -> None:
        """End Playwright's program; browsers go on."""
        async with self._starting:
            playwright, self._playwright = self._playwright, None
            if playwright is not None:
                await playwright.stop()
                _read_its_end(playwright)

    async def _start(self) -> Playwright:
        from playwright.async_api import async_playwright

        if self._playwright is not None:
            if await _lives(self._playwright):
                return self._playwright
            logger.warning("Playwright had ended by itself: it is started again")
            _read_its_end(self._playwright)
            self._playwright = None
            self._cables.clear()
        # A cancelled start would leave its program behind: it is waited for, whatever becomes of the caller.
        with anyio.move_on_after(START_S, shield=True):
            self._playwright = playwright = await async_playwright().start()
            return playwright
        raise Unavailable(f"Playwright did not start in {START_S:g} s; try again")

    async def _retire(self) -> None:
        while True:
            await self._clock.sleep(LOOK_S)
            if self.runs and not self._cables and self._clock.monotonic() - self._since > IDLE_S:
                logger.debug("no browser is left: Playwright is stopped")
                await self.stop()

    async def _serve(self, connection: ServerConnection) -> None:
        cable = self._cables.get(connection.request.path.strip("/")) if connection.request else None
        if cable is None:
            await connection.close(1008, HTTPStatus.NOT_FOUND.phrase)
            return
        client: Any = connection
        try:
            await cable.serve(client)
        except (ConnectionClosed, TimeoutError) as exc:
            logger.debug("Playwright left a browser: %r", exc)
        except AetherError as exc:
            logger.warning("a browser is disconnected: %s", exc.message)


async def _lives(playwright: Playwright) -> bool:
    """Tell whether its program still answers: what an agent's browser says can end it, and it is everybody's."""
    from playwright.async_api import Error

    with anyio.move_on_after(LOOK_S), suppress(Error):
        await (await playwright.request.new_context()).dispose()
        return True
    return False


def _read_its_end(playwright: Playwright) -> None:
    """Take the error its program ended with, which nobody is given: asyncio would tell of it as never read."""
    with suppress(AttributeError, asyncio.InvalidStateError):
        client: Any = playwright.stop.__self__._client  # type: ignore[attr-defined]
        client._transport.on_error_future.exception()


def _make_way(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chmod(path.parent, 0o700)
    path.unlink(missing_ok=True)
