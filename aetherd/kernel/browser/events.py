"""What happens in browsers; what a page shows is no event."""

from __future__ import annotations

from typing import Literal

from aetherd.events import Event


class BrowserOpened(Event):
    """A browser was started beside a process."""

    type: Literal["browser.opened"] = "browser.opened"
    browser: str
    headless: bool


class BrowserNavigated(Event):
    """A tab shows another address."""

    type: Literal["browser.navigated"] = "browser.navigated"
    browser: str
    tab: str
    url: str
    title: str


class BrowserDownloaded(Event):
    """A file was downloaded into the agent's home."""

    type: Literal["browser.downloaded"] = "browser.downloaded"
    browser: str
    path: str
    url: str
    size: int


class BrowserClosed(Event):
    """A browser ended."""

    type: Literal["browser.closed"] = "browser.closed"
    browser: str
    reason: str


EVENTS = (BrowserOpened, BrowserNavigated, BrowserDownloaded, BrowserClosed)
