"""What a viewer says to an X server, message by message: who has no control looks on, and cannot touch.

The browser's own "view only" is no lock, so this is. Messages that cannot be known in their length end the
connection, and the viewer's list of encodings is cut to those that bring no further types of message.
"""

from __future__ import annotations

import struct
from typing import Final

from aetherd.core.errors import Invalid
from aetherd.kernel.desktop.rfb import VERSION

MOST_CUT: Final = 256 * 1024
MOST_ENCODINGS: Final = 128
MOST_SCREENS: Final = 16
CONTROL: Final = frozenset({4, 5, 6, 251})  # key, pointer, clipboard, size of the screen
# Raw, CopyRect, RRE, Hextile, Tight, ZRLE, JPEG; LastRect, Cursor, name and size of the desktop, quality, compression.
ENCODINGS: Final = frozenset(
    {0, 1, 2, 5, 7, 16, 21, -223, -224, -239, -260, -307, *range(-32, -22), *range(-256, -246)}
)


class Unknown(Invalid):
    """Raised for what no viewer may say; the connection ends."""


class Gate:
    """Follows one viewer's stream."""

    def __init__(self) -> None:
        self._ahead = bytearray()
        self._greeting = [len(VERSION), 1, 1]  # lengths of what comes before messages

    def pass_on(self, data: bytes, control: bool) -> tuple[bytes, bool]:
        """Return what goes to the server, and whether something was said that needs control."""
        self._ahead += data
        out, touched = bytearray(), False
        while (length := self._length()) is not None and len(self._ahead) >= length:
            message = bytes(self._ahead[:length])
            del self._ahead[:length]
            if self._greeting:
                out += self._greet(message)
                continue
            if message[0] in CONTROL:
                touched = True
                if not control:
                    continue
            out += _filtered(message) if message[0] == 2 else message
        return bytes(out), touched

    def _greet(self, message: bytes) -> bytes:
        del self._greeting[0]
        if not self._greeting:
            return b"\x01"  # shared, whatever it wishes: others watch too
        if message not in (VERSION, b"\x01"):
            raise Unknown("a viewer of desktops speaks RFB 3.8, without a password")
        return message

    def _length(self) -> int | None:
        """Return the length of the message that begins here; None while it cannot be told."""
        if self._greeting:
            return self._greeting[0]
        if not self._ahead:
            return None
        kind, have = self._ahead[0], len(self._ahead)
        fixed = {0: 20, 3: 10, 4: 8, 5: 6}.get(kind)
        if fixed is not None:
            return fixed
        if kind == 2:
            return None if have < 4 else 4 + 4 * _within(_number(self._ahead, 2, 2), MOST_ENCODINGS, "encodings")
        if kind == 6:
            return None if have < 8 else 8 + _within(_number(self._ahead, 4, 4), MOST_CUT, "bytes of clipboard")
        if kind == 251:
            return None if have < 8 else 8 + 16 * _within(self._ahead[6], MOST_SCREENS, "screens")
        raise Unknown(f"a viewer of desktops says nothing of the type {kind}")


def _filtered(message: bytes) -> bytes:
    wanted = struct.unpack(f"!{(len(message) - 4) // 4}i", message[4:])
    kept = [encoding for encoding in wanted if encoding in ENCODINGS]
    return struct.pack(f"!BxH{len(kept)}i", 2, len(kept), *kept)


def _number(data: bytearray, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")


def _within(count: int, most: int, what: str) -> int:
    if count > most:
        raise Unknown(f"{count} {what} at once; a viewer of desktops says at most {most}")
    return count
