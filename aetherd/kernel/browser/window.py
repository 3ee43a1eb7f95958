"""A browser as Playwright sees it: its tabs by ids that stay, and what happens in them meanwhile."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio

from aetherd.core.errors import Conflict, NotFound, Unavailable
from aetherd.kernel.browser.command import DOWNLOADS, HEIGHT, WIDTH

if TYPE_CHECKING:
    from playwright.async_api import Browser, CDPSession, Dialog, Page

logger = logging.getLogger(__name__)
NOTES: Final = 20
MOST_TABS: Final = 50
LOOK_S: Final = 10.0
_TEXT: Final = 300
_URL: Final = 2000


@dataclass(frozen=True, slots=True)
class Shown:
    """What a tab shows, by the browser's own word: a page that hangs cannot keep it back."""

    tab: str
    url: str
    title: str


@dataclass(frozen=True, slots=True)
class Download:
    """A file that is there."""

    path: str
    url: str
    size: int


class Window:
    """One connection to one browser."""

    def __init__(self, browser: Browser, home: Path, *, headless: bool, done: Callable[[Download], None]) -> None:
        from playwright.async_api import Error

        self._errors = Error
        self._browser, self._home, self._headless, self._done = browser, home, headless, done
        self._context = browser.contexts[0]
        self._root: CDPSession | None = None
        self._ids: dict[Page, str] = {}
        self._begun: dict[str, tuple[str, str]] = {}  # guid -> name, url
        self._crashed: set[Page] = set()
        self._lost: dict[Page, str] = {}
        self.notes: deque[str] = deque(maxlen=NOTES)
        self.last: str | None = None  # the tab used last
        self.accepts = False  # whether questions of a page are answered with yes now

    @property
    def connected(self) -> bool:
        """Whether Playwright still reaches it."""
        return self._browser.is_connected()

    async def start(self) -> None:
        """Listen to what happens; downloads go to the agent's home."""
        root = self._root = await self._browser.new_browser_cdp_session()
        root.on("Browser.downloadWillBegin", self._begins)
        root.on("Browser.downloadProgress", self._goes_on)
        place = str(self._home / DOWNLOADS)
        await root.send(
            "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": place, "eventsEnabled": True}
        )
        self._context.on("page", self._opened)
        for page in self._context.pages:
            self._look_after(page)

    async def close(self) -> None:
        """Let go of it; the browser goes on."""
        with suppress(self._errors), anyio.move_on_after(LOOK_S):
            await self._browser.close()

    async def quit(self) -> None:
        """Ask the browser to end, so that it writes its profile."""
        with suppress(self._errors), anyio.move_on_after(LOOK_S):
            await self._ask("Browser.close")

    def told(self) -> list[str]:
        """Return what happened since it was asked last."""
        found = list(self.notes)
        self.notes.clear()
        return found

    # Tabs -----------------------------------------------------------------------------------------------

    async def tabs(self) -> list[Shown]:
        """Return what every tab shows."""
        infos = (await self._ask("Target.getTargets"))["targetInfos"]
        return [
            Shown(_short(one["targetId"]), one["url"][:_URL], one["title"][:_TEXT])
            for one in infos
            if one["type"] == "page"
        ]

    async def shown(self, page: Page) -> Shown:
        """Return what one tab shows."""
        tab = await self.id_of(page)
        found = next((one for one in await self.tabs() if one.tab == tab), None)
        if found is None:
            raise Conflict(f"tab {tab} was closed meanwhile; browser.tabs shows those there are", tab=tab)
        return found

    async def open(self) -> Page:
        """Open an empty tab, or take the one empty tab a new browser has."""
        pages = self._context.pages
        if len(pages) == 1 and pages[0].url == "about:blank" and self.last is None:
            page = pages[0]
        elif len(pages) >= MOST_TABS:
            raise Conflict(f"{len(pages)} tabs are open; close some (browser.close with tab)")
        else:
            page = await self._context.new_page()
        await self.use(page)
        self.notes.clear()
        return page

    async def page(self, tab: str | None) -> Page:
        """Return a tab, ready to be used: the named one, else the one used last; raises `NotFound`."""
        pages = {await self.id_of(page): page for page in self._context.pages}
        found = pages.get(tab or self.last or "")
        if found is None:
            if tab is not None:
                raise NotFound(f"no tab {tab}; browser.tabs shows those there are", kind="tab", id=tab)
            if not pages:
                raise Conflict("no tab is open; open one (browser.open)")
            found = list(pages.values())[-1]
        await self.use(found)
        return found

    async def resume(self, tab: str) -> None:
        """Go on with the tab used last, if it is still there; on a desktop no window comes to the front for that."""
        for page in self._context.pages:
            if await self.id_of(page) == tab:
                await self.use(page, front=self._headless)

    async def use(self, page: Page, *, front: bool = True) -> None:
        """Bring a tab to the front, with the size that pictures have."""
        tab = await self.id_of(page)
        if self.last != tab:
            if front:
                with suppress(self._errors), anyio.move_on_after(LOOK_S):
                    await page.bring_to_front()
            if self._headless and page.viewport_size is None:
                with suppress(self._errors), anyio.move_on_after(LOOK_S):
                    await page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
            self.last = tab

    def crashed(self, page: Page) -> bool:
        """Tell whether what a tab showed crashed."""
        return page in self._crashed

    async def replace(self, page: Page) -> Page:
        """Put a new tab in the place of a crashed one, which Playwright cannot use any more."""
        address, fresh = page.url, await self._context.new_page()
        await self.drop(page)
        await self.use(fresh)
        self._lost[fresh] = address
        self.notes.append(f"the page had crashed: tab {await self.id_of(fresh)} takes its place")
        return fresh

    def lost(self, page: Page) -> str | None:
        """Return the address that a tab in the place of a crashed one should show."""
        return self._lost.pop(page, None)

    async def drop(self, page: Page) -> None:
        """Close a tab, also one that hangs."""
        tab = await self.id_of(page)
        target = next(
            one["targetId"]
            for one in (await self._ask("Target.getTargets"))["targetInfos"]
            if _short(one["targetId"]) == tab
        )
        gone = anyio.Event()
        page.on("close", lambda _: gone.set())
        await self._ask("Target.closeTarget", targetId=target)
        with anyio.move_on_after(LOOK_S):
            await gone.wait()
        if self.last == tab:
            self.last = None

    async def id_of(self, page: Page) -> str:
        """Return the id of a tab: a part of what Chromium names it by, so that it outlives this connection."""
        if page not in self._ids:
            session = await self._context.new_cdp_session(page)
            info = await session.send("Target.getTargetInfo")
            self._ids[page] = _short(info["targetInfo"]["targetId"])
            with suppress(self._errors):
                await session.detach()
        return self._ids[page]

    # What happens ---------------------------------------------------------------------------------------

    def _opened(self, page: Page) -> None:
        self._look_after(page)
        if len(self._context.pages) > MOST_TABS:
            self.notes.append(f"more than {MOST_TABS} tabs are open: close some")
        self.notes.append("a new tab was opened: browser.tabs shows it")

    def _look_after(self, page: Page) -> None:
        page.on("dialog", self._asked)
        page.on("crash", self._crash)
        page.on("close", self._gone)

    def _crash(self, page: Page) -> None:
        self._crashed.add(page)
        self.notes.append("a page crashed; browser.reload loads it again")

    def _gone(self, page: Page) -> None:
        self._crashed.discard(page)
        self._lost.pop(page, None)
        if (tab := self._ids.pop(page, None)) is not None and tab == self.last:
            self.last = None
            self.notes.append(f"tab {tab} was closed")

    async def _asked(self, dialog: Dialog) -> None:
        accept = self.accepts or dialog.type in ("alert", "beforeunload")
        answer = "yes" if accept else "no"
        self.notes.append(f"the page showed a dialog ({dialog.type}): {dialog.message[:_TEXT]!r}; answered {answer}")
        with suppress(self._errors):
            await (dialog.accept(dialog.default_value) if accept else dialog.dismiss())

    def _begins(self, event: dict[str, Any]) -> None:
        if len(self._begun) < MOST_TABS:
            self._begun[event["guid"]] = (str(event.get("suggestedFilename", "")), str(event.get("url", ""))[:_URL])

    def _goes_on(self, event: dict[str, Any]) -> None:
        if event["state"] == "inProgress" or (found := self._begun.pop(event["guid"], None)) is None:
            return
        name, url = found
        if event["state"] == "completed":
            path = f"{DOWNLOADS}/{Path(str(event.get('filePath') or name)).name[:255]}"
            self.notes.append(f"downloaded to {path} in your home")
            self._done(Download(path, url, int(event.get("receivedBytes", 0))))
        else:
            self.notes.append(f"the download of {name[:_TEXT]!r} was broken off")

    async def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        if self._root is None or not self.connected:
            raise Unavailable("the browser is connected no more; try again")
        with anyio.fail_after(LOOK_S):
            found: dict[str, Any] = await self._root.send(method, params)
        return found


def _short(target: str) -> str:
    return target[:8].lower()
