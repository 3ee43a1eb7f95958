"""One viewer of a desktop: a connection of its own to the X server, behind a gate."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final

import anyio

from aetherd.core.errors import Invalid, Unavailable
from aetherd.kernel.desktop.gate import Gate

CHUNK: Final = 64 * 1024
TAKE_S: Final = 10.0  # a server that takes nothing for this long is left


class Viewer:
    """A byte channel; see `ByteChannel`. A viewer that reads slowly slows only its own connection."""

    def __init__(self, connection: socket.socket, may: Callable[[], str | None], touched: Callable[[], None]) -> None:
        self._socket, self._may, self._touched = connection, may, touched
        self._gate = Gate()
        self._end: dict[str, Any] = {}

    @property
    def writable(self) -> bool:
        """Whether its clicks and keys count now."""
        return self._may() is None

    async def receive(self) -> bytes | None:
        """Return the next bytes, or None at the end."""
        if self._end:
            return None
        try:
            data = await asyncio.get_running_loop().sock_recv(self._socket, CHUNK)
        except OSError:
            data = b""
        if not data:
            self._end = self._end or {"reason": "ended"}
            return None
        return data

    async def send(self, data: bytes) -> None:
        """Pass on what the viewer says; clicks and keys of one without control are dropped without a word."""
        control = self.writable
        try:
            out, touched = self._gate.pass_on(data, control)
        except Invalid as exc:
            self._stop(exc.message)
            raise
        if touched and control:
            self._touched()
        if not out:
            return
        try:
            with anyio.fail_after(TAKE_S):
                await asyncio.get_running_loop().sock_sendall(self._socket, out)
        except (OSError, TimeoutError) as exc:
            self._stop("the desktop does not take input")
            raise Unavailable("the desktop does not take input") from exc

    async def resize(self, rows: int, cols: int) -> None:
        """Ignore it: a desktop's size is part of the protocol."""

    async def ack(self, count: int) -> None:
        """Ignore it: viewers ask for each picture."""

    @property
    def end(self) -> dict[str, Any]:
        """How it ended."""
        return self._end

    def close(self) -> None:
        """Leave; the desktop goes on."""
        self._socket.close()

    def _stop(self, reason: str) -> None:
        self._end = {"reason": reason}
        self._socket.shutdown(socket.SHUT_RDWR)  # whoever waits for bytes finds the end
