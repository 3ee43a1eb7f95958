"""What the browser room takes and gives."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from aetherd.core.model import Count, Model, Pid
from aetherd.core.picture import Picture

Number = Annotated[str, Field(pattern=r"^(f\d{1,6})?e\d{1,9}$")]
URL = 8000
NUMBER = "number of an element in the last browser.snapshot of this tab, such as e12 or f1e3"


class BrowserRef(Model):
    """Names a process's browser."""

    pid: Pid | None = Field(default=None, description="process whose browser it is; default the caller's own")


class TabRef(BrowserRef):
    """Names a tab of a process's browser."""

    tab: str | None = Field(default=None, max_length=40, description="id of a tab; default the one used last")


class BrowserOpen(BrowserRef):
    """A new tab, in a browser that is started when none runs."""

    url: str | None = Field(default=None, max_length=URL, description="where it goes; default an empty page")


class BrowserNavigate(TabRef):
    """An address."""

    url: str = Field(min_length=1, max_length=URL, description="http, https, file or data; a name alone means https")
    timeout_s: float = Field(default=30, ge=1, le=60, description="how long to wait until the page is loaded")


class BrowserClick(TabRef):
    """What to click: a number, a text, a selector or a point."""

    element: Number | None = Field(default=None, description=NUMBER)
    text: str | None = Field(default=None, min_length=1, max_length=1000, description="visible text of what to click")
    selector: str | None = Field(default=None, min_length=1, max_length=1000, description="CSS selector")
    x: float | None = Field(default=None, ge=0, le=20_000, description="pixels from the left of the screenshot")
    y: float | None = Field(default=None, ge=0, le=20_000, description="pixels from its top")
    button: Literal["left", "right", "middle"] = Field(default="left", description="mouse button")
    count: int = Field(default=1, ge=1, le=3, description="2 is a double click")
    accept_dialogs: bool = Field(default=False, description="say yes to a question the page asks because of it")


class BrowserType(TabRef):
    """Text for a field; without a field it goes where the focus is."""

    text: str = Field(max_length=100_000, repr=False, description="text; of a list, the option's label")
    element: Number | None = Field(default=None, description=NUMBER)
    label: str | None = Field(default=None, min_length=1, max_length=1000, description="label or placeholder of it")
    selector: str | None = Field(default=None, min_length=1, max_length=1000, description="CSS selector")
    clear: bool = Field(default=True, description="replace what is in the field")
    submit: bool = Field(default=False, description="press Enter after it")


class BrowserKey(TabRef):
    """Keys."""

    keys: list[Annotated[str, Field(min_length=1, max_length=60)]] = Field(
        min_length=1, max_length=50, description="pressed one after the other: Enter, Tab, ArrowDown, Control+A, …"
    )
    accept_dialogs: bool = Field(default=False, description="say yes to a question the page asks because of it")


class BrowserScroll(TabRef):
    """How far."""

    direction: Literal["down", "up", "left", "right", "top", "bottom"] = Field(default="down", description="where to")
    amount: int = Field(default=640, ge=1, le=100_000, description="pixels")
    element: Number | None = Field(default=None, description=f"scroll until it is seen instead: {NUMBER}")


class BrowserScreenshot(TabRef):
    """What of the page."""

    full_page: bool = Field(default=False, description="the whole page, down to 8000 pixels, not only what is seen")
    element: Number | None = Field(default=None, description=f"only this: {NUMBER}")
    media_type: Literal["image/png", "image/jpeg"] = Field(default="image/png", description="format of the picture")


class BrowserSnapshot(TabRef):
    """How much of the page."""

    selector: str | None = Field(
        default=None, min_length=1, max_length=1000, description="only this part: CSS selector"
    )
    max_chars: int = Field(default=20_000, ge=1000, le=100_000, description="most text to return")
    offset: Count = Field(default=0, description="skip so many characters: `next_offset` of the part before")


class BrowserFetch(Model):
    """A page to read."""

    url: str = Field(min_length=1, max_length=URL, description="http or https")
    agent: str | None = Field(default=None, description="under whose network policy; default the caller's own")
    max_chars: int = Field(default=20_000, ge=1000, le=200_000, description="most text to return")
    offset: Count = Field(default=0, description="skip so many characters: `next_offset` of the part before")


class TabState(Model):
    """A tab after something was done in it."""

    pid: int
    browser: str
    tab: str
    url: str
    title: str
    status: int | None = Field(default=None, description="HTTP status of the page, when this call loaded it")
    loading: bool = Field(default=False, description="it was not done loading when the time was up")
    notes: list[str] = Field(default_factory=list, description="what happened since: dialogs, new tabs, downloads")


class Snapshot(Model):
    """A page as its accessibility tree, elements numbered for browser.click and browser.type."""

    pid: int
    tab: str
    url: str
    title: str
    text: str
    total_chars: int
    next_offset: int | None = Field(description="where the rest begins, None when this is all")
    notes: list[str] = Field(description="what happened since: dialogs, new tabs, downloads")


class Screenshot(Model):
    """What a tab looks like."""

    pid: int
    tab: str
    url: str
    title: str
    width: int = Field(description="pixels of the picture; a point in it is a point for browser.click")
    height: int
    picture: Picture


class Tab(Model):
    """One tab."""

    tab: str
    url: str
    title: str
    active: bool = Field(description="the one that was used last")


class Tabs(Model):
    """The tabs of a process's browser."""

    pid: int
    running: bool = Field(description="whether there is a browser")
    headless: bool = Field(description="it has no window on the process's desktop")
    tabs: list[Tab]


class Link(Model):
    """A link of a page."""

    text: str
    url: str


class WebPage(Model):
    """A page as text, like Markdown."""

    url: str = Field(description="where it came from, after redirects")
    status: int
    content_type: str
    title: str
    text: str
    links: list[Link] = Field(description="at most 200, in the order of the page")
    total_chars: int
    next_offset: int | None = Field(description="where the rest begins, None when this is all")
    truncated: bool = Field(description="the page was too long and its end is missing")
