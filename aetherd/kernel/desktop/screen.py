"""The one connection to a desktop that pictures, clicks and keys share, made when it is first needed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from aetherd.core.errors import Invalid, Unavailable
from aetherd.kernel.desktop import sockets
from aetherd.kernel.desktop.keysyms import keysym_of
from aetherd.kernel.desktop.rfb import Rfb

DEADLINE_S: Final = 10.0
DRAG_STEPS: Final = 8
DRAG_STEP_S: Final = 0.01  # a program takes what comes at once for a jump, not for a drag
REMAP_S: Final = 0.02  # a program must have seen the key before the server gives its place to another
WHEEL: Final = {"up": 3, "down": 4, "left": 5, "right": 6}
BUTTONS: Final = {"left": 1, "middle": 2, "right": 4}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was on the screen at one moment."""

    pixels: bytes
    size: tuple[int, int]
    version: int

    def colour(self, x: int, y: int) -> tuple[int, int, int]:
        """Return red, green and blue of a pixel."""
        check_place((x, y), self.size)
        at = (y * self.size[0] + x) * 4
        return self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]


class Screen:
    """A desktop's screen; several may use it at once, one after the other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rfb: Rfb | None = None
        self._lock = anyio.Lock()

    async def look(self) -> Snapshot:
        """Return what is on it now."""
        async with self._connected() as rfb:
            await rfb.refresh()
            return Snapshot(bytes(rfb.pixels), (rfb.width, rfb.height), rfb.version)

    async def click(self, place: tuple[int, int], mask: int, count: int, hold: Sequence[int]) -> None:
        """Click there, with keys held."""
        async with self._connected(place) as rfb, _held(rfb, hold):
            await rfb.pointer(*place, 0)
            for _ in range(count):
                await rfb.pointer(*place, mask)
                await rfb.pointer(*place, 0)

    async def move(self, place: tuple[int, int]) -> None:
        """Put the pointer there."""
        async with self._connected(place) as rfb:
            await rfb.pointer(*place, 0)

    async def drag(self, start: tuple[int, int], end: tuple[int, int], mask: int) -> None:
        """Go from one place to another with a button down."""
        async with self._connected(start, end) as rfb:
            await rfb.pointer(*start, 0)
            await rfb.pointer(*start, mask)
            for step in range(1, DRAG_STEPS + 1):
                await anyio.sleep(DRAG_STEP_S)
                x, y = (a + (b - a) * step // DRAG_STEPS for a, b in zip(start, end, strict=True))
                await rfb.pointer(x, y, mask)
            await anyio.sleep(DRAG_STEP_S)
            await rfb.pointer(*end, 0)

    async def scroll(self, place: tuple[int, int], down: int, right: int) -> None:
        """Turn the wheel there."""
        async with self._connected(place) as rfb:
            await rfb.pointer(*place, 0)
            for count, forth, back in ((down, "down", "up"), (right, "right", "left")):
                mask = 1 << WHEEL[forth if count > 0 else back]
                for _ in range(abs(count)):
                    await rfb.pointer(*place, mask)
                    await rfb.pointer(*place, 0)

    async def type(self, text: str, may: Callable[[], None]) -> None:
        """Type a text; `may` raises when somebody else has got the keyboard meanwhile."""
        keys = [keysym_of(character) for character in text.replace("\r\n", "\n")]
        for start in range(0, len(keys), 100):
            async with self._connected() as rfb:
                may()
                for keysym in keys[start : start + 100]:
                    await rfb.key(keysym, True)
                    await rfb.key(keysym, False)
                    if keysym >= 0x0100_0000:
                        await anyio.sleep(REMAP_S)

    async def press(self, chords: Sequence[Sequence[int]]) -> None:
        """Press chords, one after the other."""
        async with self._connected() as rfb:
            for *modifiers, last in chords:
                async with _held(rfb, modifiers):
                    await rfb.key(last, True)
                    await rfb.key(last, False)

    def close(self) -> None:
        """Let go of the connection."""
        if self._rfb is not None:
            rfb, self._rfb = self._rfb, None
            rfb.close()

    @asynccontextmanager
    async def _connected(self, *places: tuple[int, int]) -> AsyncIterator[Rfb]:
        """Have the connection for oneself; what went wrong in the middle of a message ends it."""
        try:
            with anyio.fail_after(DEADLINE_S):
                async with self._lock:
                    fresh = self._rfb is None
                    if self._rfb is None:
                        self._rfb = Rfb(sockets.connect(self._path))
                    try:
                        if fresh:
                            await self._rfb.open()
                        for place in places:
                            check_place(place, (self._rfb.width, self._rfb.height))
                        yield self._rfb
                    except Invalid:
                        raise
                    except BaseException:
                        self.close()
                        raise
        except TimeoutError:
            raise Unavailable(f"the desktop did not answer in {DEADLINE_S:g} s") from None


@asynccontextmanager
async def _held(rfb: Rfb, keys: Sequence[int]) -> AsyncIterator[None]:
    for key in keys:
        await rfb.key(key, True)
    yield
    for key in reversed(keys):  # after a failure the connection is closed, and the server lets go of them
        await rfb.key(key, False)


def check_place(place: tuple[int, int], size: tuple[int, int]) -> None:
    """Raise Invalid for a place that is not on the screen."""
    if not (0 <= place[0] < size[0] and 0 <= place[1] < size[1]):
        raise Invalid(f"{place[0]},{place[1]} is not on the screen, which has {size[0]}x{size[1]} pixels")
