"""An RFB 3.8 client for a local X server: the picture of its screen, and clicks and keys.

What comes from the server is hostile input, for the agent owns it: every size is checked against a bound before
a byte of it is read, and nothing is read but what was asked for. Deadlines are the caller's (`screen.py`).
Encodings: Raw and DesktopSize; on a unix socket nothing is faster. No Cursor: the pointer is in the picture.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Final

import anyio.lowlevel

from aetherd.core.errors import Unavailable

VERSION: Final = b"RFB 003.008\n"
MOST_SIDE: Final = 4096
MOST_PIXELS: Final = 4096 * 2304
MOST_NAME: Final = 1024
MOST_CUT: Final = 1 << 20
MOST_REASON: Final = 4096
CHUNK: Final = 64 * 1024
RAW: Final = 0
DESKTOP_SIZE: Final = -223

_FORMAT = struct.pack("!BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255, 0, 8, 16)  # bytes R, G, B and nothing
_ENCODINGS = struct.pack("!BxHii", 2, 2, RAW, DESKTOP_SIZE)
_RESIZES: Final = 5  # of one refresh


class Broken(Unavailable):
    """Raised when the server says what it may not, or nothing more."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the desktop's screen cannot be read: {why}")


class Rfb:
    """One connection. After an exception or a cancellation it is of no use any more: close it."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket, self._loop = connection, asyncio.get_running_loop()
        self._ahead = bytearray()
        self.width = self.height = 0
        self.pixels = bytearray()  # R, G, B and a byte without meaning, row by row
        self.version = 0  # grows with every change of the picture
        self._next = bytearray()

    async def open(self) -> None:
        """Shake hands."""
        version = await self._take(12)
        if version[:4] != b"RFB " or version < VERSION:
            raise Broken(f"it speaks {version!r}, not RFB 3.8")
        await self._say(VERSION)
        (count,) = await self._take(1)
        if count == 0:
            raise Broken(f"it refuses: {await self._reason()}")
        if 1 not in await self._take(count):
            raise Broken("it wants a password")
        await self._say(b"\x01")
        if await self._take(4) != bytes(4):
            raise Broken(f"it refuses: {await self._reason()}")
        await self._say(b"\x01")  # shared with other viewers
        width, height = struct.unpack("!HH", await self._take(4))
        await self._take(16)
        await self._skip(await self._length(), MOST_NAME, "name")
        self._resize(width, height)
        await self._say(_FORMAT + _ENCODINGS)

    async def refresh(self) -> None:
        """Get the whole picture anew: one question, one answer, so what is seen is never older than the call."""
        for _ in range(_RESIZES):
            size = self.width, self.height
            await self._say(struct.pack("!BBHHHH", 3, 0, 0, 0, *size))
            await self._update()
            if size == (self.width, self.height):
                break
        else:
            raise Broken("it changes its size all the time")
        if self._next != self.pixels:
            self.version += 1
        self.pixels, self._next = self._next, self.pixels

    async def pointer(self, x: int, y: int, buttons: int) -> None:
        """Put the pointer there with these buttons down (bit 0 left, 1 middle, 2 right, 3 to 6 the wheel)."""
        await self._say(struct.pack("!BBHH", 5, buttons, x, y))

    async def key(self, keysym: int, down: bool) -> None:
        """Press or let go of a key."""
        await self._say(struct.pack("!BBxxI", 4, down, keysym))

    def close(self) -> None:
        """End it."""
        self._socket.close()

    # What the server says ---------------------------------------------------------------------------

    async def _update(self) -> None:
        """Read up to the end of the next update of the picture."""
        while True:
            kind = (await self._take(1))[0]
            if kind == 0:
                await self._rectangles()
                return
            if kind == 3:
                await self._take(3)
                await self._skip(await self._length(), MOST_CUT, "clipboard")
            elif kind != 2:  # a bell
                raise Broken(f"it sends messages of the unknown type {kind}")
            await anyio.lowlevel.checkpoint()  # what is there already is read without waiting

    async def _rectangles(self) -> None:
        _, count = struct.unpack("!BH", await self._take(3))
        for number in range(count):
            x, y, width, height, encoding = struct.unpack("!HHHHi", await self._take(12))
            if encoding == DESKTOP_SIZE:
                self._resize(width, height)
            elif encoding != RAW:
                raise Broken(f"it sends the encoding {encoding}, which nobody asked for")
            elif x + width > self.width or y + height > self.height:
                raise Broken("it paints outside the screen")
            else:
                await self._paint(x, y, width, height)
            if number % 64 == 63:
                await anyio.lowlevel.checkpoint()

    async def _paint(self, x: int, y: int, width: int, height: int) -> None:
        stride, line = self.width * 4, width * 4
        start = y * stride + x * 4
        if width == self.width:
            await self._into(memoryview(self._next)[start : start + line * height])
            return
        data = bytearray(line * height)
        await self._into(memoryview(data))
        for row in range(height):
            at = start + row * stride
            self._next[at : at + line] = data[row * line : (row + 1) * line]

    def _resize(self, width: int, height: int) -> None:
        if not (0 < width <= MOST_SIDE and 0 < height <= MOST_SIDE and width * height <= MOST_PIXELS):
            raise Broken(f"it says its screen is {width}x{height}")
        self.width, self.height = width, height
        self.pixels, self._next = bytearray(width * height * 4), bytearray(width * height * 4)

    async def _reason(self) -> str:
        length = await self._length()
        return (await self._take(min(length, MOST_REASON))).decode("utf-8", "replace")

    async def _length(self) -> int:
        found: int = struct.unpack("!I", await self._take(4))[0]
        return found

    async def _skip(self, length: int, most: int, what: str) -> None:
        if length > most:
            raise Broken(f"it sends a {what} of {length} bytes")
        while length > 0:
            length -= len(await self._take(min(length, CHUNK)))

    # Bytes ------------------------------------------------------------------------------------------

    async def _take(self, count: int) -> bytes:
        while len(self._ahead) < count:
            try:
                data = await self._loop.sock_recv(self._socket, CHUNK)
            except OSError as exc:
                raise Broken(str(exc.strerror)) from exc
            if not data:
                raise Broken("it has ended")
            self._ahead += data
        found = bytes(self._ahead[:count])
        del self._ahead[:count]
        return found

    async def _into(self, view: memoryview) -> None:
        """Fill a view; most of it comes straight from the socket."""
        done = min(len(self._ahead), len(view))
        view[:done] = self._ahead[:done]
        del self._ahead[:done]
        while done < len(view):
            try:
                count = await self._loop.sock_recv_into(self._socket, view[done:])
            except OSError as exc:
                raise Broken(str(exc.strerror)) from exc
            if count == 0:
                raise Broken("it has ended")
            done += count

    async def _say(self, data: bytes) -> None:
        try:
            await self._loop.sock_sendall(self._socket, data)
        except OSError as exc:
            raise Broken(str(exc.strerror)) from exc
