"""What is done in a page: click, type, keys, scroll, pictures."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import anyio

from aetherd.core.errors import Conflict, Invalid, NotFound
from aetherd.core.picture import Picture
from aetherd.kernel.browser import models as m
from aetherd.kernel.browser.command import HEIGHT, WIDTH
from aetherd.kernel.browser.sight import plainly

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page, Request

ACT_MS: Final = 5_000
SETTLE_S: Final = 3.0
LOOK_S: Final = 0.5
PICTURE_MS: Final = 15_000
LONGEST_PICTURE: Final = 8000  # pixels
_SHORT: Final = 200  # characters typed key by key; more at once


async def click(page: Page, input: m.BrowserClick) -> None:
    """Click what is meant."""
    ways = [input.element, input.text, input.selector, input.x if input.x is not None else input.y]
    if sum(way is not None for way in ways) != 1:
        raise Invalid("name what to click in one way: element, text, selector, or x and y")
    if input.element is None and input.text is None and input.selector is None:
        if input.x is None or input.y is None:
            raise Invalid("a point has an x and a y")
        with plainly("the click"):
            await page.mouse.click(input.x, input.y, button=input.button, click_count=input.count)
    else:
        what = f"click on {input.element or input.text or input.selector}"
        target = await find(page, what, element=input.element, text=input.text, selector=input.selector)
        with plainly(what):
            await target.click(button=input.button, click_count=input.count, timeout=ACT_MS)


async def type_text(page: Page, input: m.BrowserType) -> None:
    """Fill a field, choose of a list, or type where the focus is."""
    ways = [way for way in (input.element, input.label, input.selector) if way is not None]
    if len(ways) > 1:
        raise Invalid("name the field in one way: element, label or selector")
    if not ways:
        with plainly("typing"):
            if len(input.text) <= _SHORT:
                await page.keyboard.type(input.text)
            else:
                await page.keyboard.insert_text(input.text)
    else:
        what = f"type into {ways[0]}"
        field = await find(page, what, element=input.element, label=input.label, selector=input.selector)
        with plainly(what):
            kind = await field.evaluate("e => e.tagName + ':' + (e.type ?? '')", timeout=ACT_MS)
            if kind == "INPUT:file":
                raise Invalid("this field takes a file, and none is given to a page; send it in another way")
            if kind.startswith("SELECT:"):
                await field.select_option(label=input.text, timeout=ACT_MS)
            elif input.clear:
                await field.fill(input.text, timeout=ACT_MS)
            else:
                await field.focus(timeout=ACT_MS)
                await page.keyboard.insert_text(input.text)
    if input.submit:
        with plainly("Enter"):
            await page.keyboard.press("Enter")


async def press(page: Page, input: m.BrowserKey) -> None:
    """Press keys one after the other."""
    for key in input.keys:
        try:
            with plainly(f"key {key}"):
                await page.keyboard.press(key)
        except Conflict as exc:
            if "Unknown key" in exc.message:
                raise Invalid(f"no key {key!r}; keys are Enter, Tab, Escape, ArrowDown, Control+A, …") from None
            raise


async def scroll(page: Page, input: m.BrowserScroll) -> None:
    """Scroll what is in the middle of the window, or until an element is seen."""
    if input.element is not None:
        what = f"scroll to {input.element}"
        target = await find(page, what, element=input.element)
        with plainly(what):
            await target.scroll_into_view_if_needed(timeout=ACT_MS)
        return
    with plainly("scroll"):
        if input.direction in ("top", "bottom"):
            where = 0 if input.direction == "top" else "document.documentElement.scrollHeight"
            await page.evaluate(f"window.scrollTo({{top: {where}, behavior: 'instant'}})")
            return
        size = page.viewport_size or {"width": WIDTH, "height": HEIGHT}
        await page.mouse.move(size["width"] / 2, size["height"] / 2)
        sign = -1 if input.direction in ("up", "left") else 1
        far = sign * input.amount
        await page.mouse.wheel(*((far, 0) if input.direction in ("left", "right") else (0, far)))
        # The wheel is heard by another thread of the browser: two frames later it has turned.
        await page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


async def picture(page: Page, input: m.BrowserScreenshot) -> tuple[Picture, int, int]:
    """Take a picture; returns it with its width and height in pixels."""
    kind: Final = "png" if input.media_type == "image/png" else "jpeg"
    with plainly("the screenshot"):
        if input.element is not None:
            target = await find(page, f"picture of {input.element}", element=input.element)
            data = await target.screenshot(type=kind, scale="css", timeout=PICTURE_MS)
        elif input.full_page:
            width, height = await page.evaluate(
                "[Math.max(innerWidth, document.documentElement.scrollWidth), document.documentElement.scrollHeight]"
            )
            clip = {"x": 0, "y": 0, "width": _bounded(width), "height": _bounded(height)}
            data = await page.screenshot(
                type=kind,
                scale="css",
                full_page=True,
                clip=clip,  # type: ignore[arg-type]
                timeout=PICTURE_MS,
            )
        else:
            data = await page.screenshot(type=kind, scale="css", timeout=PICTURE_MS)
    return Picture.of(data, input.media_type), *_size(data)


async def find(
    page: Page,
    what: str,
    *,
    element: str | None = None,
    text: str | None = None,
    label: str | None = None,
    selector: str | None = None,
) -> Locator:
    """Return the one element that is meant; raises `NotFound`, and `Conflict` when it could be several."""
    with plainly(what):
        if element is not None:
            found = page.locator(f"aria-ref={element}")
            if not await found.count():
                raise NotFound(f"{what}: no such number on this page now; take a new browser.snapshot", id=element)
            return found
        if selector is not None:
            choices = [page.locator(f"css={selector}")]
        elif label is not None:
            choices = [
                page.get_by_label(label, exact=True).or_(page.get_by_placeholder(label, exact=True)),
                page.get_by_label(label).or_(page.get_by_placeholder(label)),
            ]
        else:
            text = text or ""
            button = [page.get_by_role(role, name=text, exact=True) for role in ("button", "link")]
            choices = [button[0].or_(button[1]), page.get_by_text(text, exact=True), page.get_by_text(text)]
        for choice in choices:
            seen = choice.filter(visible=True)
            count = await seen.count()
            if count == 1:
                return seen
            if count > 1:
                raise Conflict(f"{what}: {count} elements fit; name one by its number from browser.snapshot")
    raise NotFound(f"{what}: nothing visible on the page fits; take a browser.snapshot")


@asynccontextmanager
async def settled(page: Page) -> AsyncIterator[None]:
    """Do something in a page; if it goes elsewhere because of it, leave when it is there, or after a while."""
    from playwright.async_api import Error

    gone, there = anyio.Event(), anyio.Event()

    def asked(request: Request) -> None:
        if request.is_navigation_request():
            with suppress(Error):  # the frame of a new page is not known yet
                if request.frame != page.main_frame:
                    return
            gone.set()

    def arrived(_: object) -> None:
        there.set()

    page.on("request", asked)
    page.on("requestfailed", arrived)
    page.on("domcontentloaded", arrived)
    try:
        yield
        with suppress(Error), anyio.move_on_after(LOOK_S):
            await page.evaluate("new Promise(done => setTimeout(done, 30))")  # what was queued by then has begun
        if gone.is_set():
            with anyio.move_on_after(SETTLE_S):
                await there.wait()
    finally:
        page.remove_listener("request", asked)
        page.remove_listener("requestfailed", arrived)
        page.remove_listener("domcontentloaded", arrived)


def _bounded(pixels: float) -> int:
    return max(1, min(int(pixels), LONGEST_PICTURE))


def _size(data: bytes) -> tuple[int, int]:
    """Return width and height of a PNG or JPEG."""
    if data.startswith(b"\x89PNG"):
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    at = 2
    while at + 9 < len(data):
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 2 + length
    return 0, 0
