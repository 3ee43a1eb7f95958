"""What Playwright says, for a model: the tree of a page in fewer words, and errors that say what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from aetherd.core.errors import AetherError, Conflict, Invalid, NotFound, Unavailable

if TYPE_CHECKING:
    from playwright.async_api import Page

LARGEST_TREE: Final = 15_000  # elements
LARGEST_TEXT: Final = 3_000_000  # characters
_LINE: Final = 300
_REF: Final = re.compile(r" \[ref=((?:f\d+)?e\d+)\]")
_DULL: Final = re.compile(r"^(\s*- (?:generic|paragraph|listitem|list|rowgroup))( \[(?:f\d+)?e\d+\])(.*)$")
_POINTER: Final = " [cursor=pointer]"
_SIZE: Final = "[document.getElementsByTagName('*').length, (document.documentElement?.textContent ?? '').length]"
_HINTS: Final = (
    ("intercepts pointer events", "something else lies over it; take a snapshot or screenshot to see what"),
    ("element is not visible", "it is not visible"),
    ("element is not enabled", "it is disabled"),
    ("element is not editable", "it cannot be edited"),
    ("element is outside of the viewport", "it cannot be scrolled into view"),
    ("element is not stable", "it keeps moving"),
)


def compact(tree: str) -> str:
    """Return an accessibility tree with numbers in brackets on what can be acted on."""
    lines = []
    for line in tree.splitlines():
        short = _REF.sub(r" [\1]", line)
        if _POINTER in short:
            short = short.replace(_POINTER, "")
        elif dull := _DULL.match(short):
            short = dull[1] + dull[3]
        lines.append(short if len(short) <= _LINE else short[:_LINE] + "…")
    return "\n".join(lines)


async def must_fit(page: Page) -> None:
    """Raise `Conflict` for a page whose tree would be too large to make."""
    elements, characters = await page.evaluate(_SIZE)
    if elements > LARGEST_TREE or characters > LARGEST_TEXT:
        raise Conflict(
            f"this page is too large for a snapshot ({elements} elements, {characters} characters): name a part of it "
            "by `selector`, look at it with browser.screenshot, or read it with browser.fetch",
            elements=elements,
            characters=characters,
        )


@contextmanager
def plainly(what: str) -> Iterator[None]:
    """Turn the errors of Playwright and of deadlines into ours."""
    from playwright.async_api import Error
    from playwright.async_api import TimeoutError as Late

    try:
        yield
    except TimeoutError:
        raise Unavailable(
            f"{what}: the page does not answer, its scripts are busy; wait, browser.navigate elsewhere, or close the "
            "tab (browser.close)"
        ) from None
    except Late as exc:
        raise _late(what, exc.message) from exc
    except Error as exc:
        raise _wrong(what, exc.message) from exc


def _late(what: str, message: str) -> AetherError:
    for sign, hint in _HINTS:
        if sign in message:
            return Conflict(f"{what}: {hint}")
    if "aria-ref=" in message:
        return NotFound(f"{what}: it is not on the page any more; take a new browser.snapshot")
    return Unavailable(f"{what}: not done in time; the page may be busy")


def _wrong(what: str, message: str) -> AetherError:
    first = message.splitlines()[0].partition(": ")[2] or message.splitlines()[0]
    if "crashed" in message:
        return Conflict(f"{what}: the page crashed; browser.reload loads it again")
    if "has been closed" in message or "Connection closed" in message:
        return Conflict(f"{what}: the tab or the browser was closed meanwhile; see browser.tabs")
    if "ERR_TUNNEL_CONNECTION_FAILED" in message or "ERR_PROXY_CONNECTION_FAILED" in message:
        return Unavailable(f"{what}: the network policy refused it, or it cannot be reached; network.log says which")
    if "net::ERR_ABORTED" in message:
        return Conflict(f"{what}: it is no page, or another one was loaded instead; a file goes to downloads")
    if "net::ERR_" in message:
        return Unavailable(f"{what}: {first[:_LINE]}")
    if "aria-ref" in message or ("Ref " in message and "not found" in message):
        return NotFound(f"{what}: it is not on the page any more; take a new browser.snapshot")
    if "is not a valid selector" in message or "Unexpected token" in message or "selector" in first:
        return Invalid(f"{what}: not a CSS selector this page understands")
    return Conflict(f"{what}: {first[:_LINE]}")
