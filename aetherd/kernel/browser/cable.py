"""The cable to a browser: CDP between the pipes of its shim and one client at a time.

Chromium takes its debugging pipe for one client that never goes. Ours comes and goes, with every start of the
daemon: what the one before it had attached to is let go before the next is heard.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import AsyncIterable
from pathlib import Path
from typing import Final, Protocol

import anyio

from aetherd.core.clock import Clock
from aetherd.core.errors import Unavailable
from aetherd.operations.beside import heard_out
from aetherd.shim.client import Exit, Output, Remains, Shim, ShimError, ShimGone

logger = logging.getLogger(__name__)
LONGEST: Final = 64 << 20  # bytes of one message; a larger one cannot be a picture or a tree that we asked for
PIECE: Final = 256 << 10
RESET_S: Final = 20.0
SEND_S: Final = 20.0
_FULL_S: Final = 0.01


class Client(Protocol):
    """A WebSocket."""

    async def send(self, message: str) -> None:
        """Send one message."""
        ...

    def __aiter__(self) -> AsyncIterable[str | bytes]:
        """Yield messages until the connection ends."""
        ...

    async def close(self) -> None:
        """End it."""
        ...


class Cable:
    """One browser's end of CDP; `run` holds it from the start of the browser, or of the daemon, to its end."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self.key = secrets.token_urlsafe(24)  # by which a client finds it
        self.found = anyio.Event()  # its shim answered, or is gone
        self._directory, self._clock = directory, clock
        self._shim: Shim | Remains | None = None
        self._last = 0  # the highest input id used
        self._sending = anyio.Lock()
        self._one = anyio.Lock()
        self._client: Client | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._asked: tuple[int, anyio.Event] | None = None
        self._over = False

    async def run(self) -> Exit | None:
        """Carry what the browser says until it ends; None when its shim left no record."""
        try:
            return await heard_out(self._directory, self._clock, self._carry, self._silent)
        finally:
            self._over = True
            if self._asked is not None:
                self._asked[1].set()
            if self._client is not None:
                await self._client.close()

    async def _carry(self, shim: Shim | Remains) -> Exit:
        self._shim, self._last = shim, shim.hello.last_input
        self._parts.clear()
        try:
            await shim.attach(shim.hello.end_offset)  # what was said before was said to another
            self.found.set()
            while not isinstance(item := await shim.read(), Exit):
                if isinstance(item, Output):
                    await shim.ack(item.offset + len(item.data))
                    await self._heard(item.data)
            return item
        finally:
            self._shim = None

    def _silent(self, exc: ShimError) -> None:
        logger.warning("the browser in %s does not answer: %s", self._directory, exc)
        self.found.set()

    async def serve(self, client: Client) -> None:
        """Carry what a client says until it ends; one client at a time, from a clean state. A newer one wins."""
        if (before := self._client) is not None:
            await before.close()
        with anyio.fail_after(RESET_S):
            await self._one.acquire()
        try:
            await self.reset()
            self._client = client
            async for message in client:  # type: ignore[attr-defined]
                await self._say(message.encode() if isinstance(message, str) else message)
        finally:
            self._client = None
            self._one.release()

    async def reset(self) -> None:
        """Let go of every page that a client before had attached to; raises `Unavailable`."""
        number, answered = secrets.randbelow(1 << 30) + (1 << 30), anyio.Event()
        self._asked = number, answered
        params = {"autoAttach": False, "waitForDebuggerOnStart": False, "flatten": True}
        message = json.dumps({"id": number, "method": "Target.setAutoAttach", "params": params})
        try:
            with anyio.fail_after(RESET_S):
                # The one before may have died in the middle of a message: an empty one ends it.
                await self._say(b"\0" + message.encode())
                await answered.wait()
            if self._over:
                raise Unavailable("the browser has ended")
        except TimeoutError:
            raise Unavailable("the browser does not answer; close it (browser.close) and open it again") from None
        finally:
            self._asked = None

    async def _say(self, message: bytes) -> None:
        async with self._sending:
            data = message + b"\0"
            for start in range(0, len(data), PIECE):
                await self._put(data[start : start + PIECE])

    async def _put(self, piece: bytes) -> None:
        until = anyio.current_time() + SEND_S
        while anyio.current_time() < until:
            shim = self._shim
            if shim is None:
                raise Unavailable("the browser has ended, or its shim does not answer")
            self._last += 1
            try:
                result = await shim.send(self._last, piece)
            except (ShimError, ShimGone) as exc:
                raise Unavailable(f"the browser takes no commands: {exc}") from exc
            if result == "accepted":
                return
            if result == "closed":
                raise Unavailable("the browser has ended; open one (browser.open)")
            if result == "full":
                self._last -= 1
                await anyio.sleep(_FULL_S)
        raise Unavailable("the browser takes no commands: it does not read them")

    async def _heard(self, data: bytes) -> None:
        while True:
            head, end, data = data.partition(b"\0")
            self._parts.append(head)
            self._size += len(head)
            if self._size > LONGEST:
                await self._cut("a message of the browser is too long")
            if not end:
                return
            message = b"".join(self._parts)
            self._parts, self._size = [], 0
            await self._told(message)

    async def _told(self, message: bytes) -> None:
        if self._asked is not None:
            number, answered = self._asked
            if str(number).encode() in message[:100] and _id_of(message) == number:
                answered.set()
            return
        if (client := self._client) is not None:
            try:
                await client.send(message.decode("utf-8", "replace"))
            except Exception as exc:  # of the WebSocket library: the client is gone, and its own task ends for it
                logger.debug("a client of the browser in %s is gone: %s", self._directory, exc)
                self._client = None

    async def _cut(self, why: str) -> None:
        logger.warning("%s: its client is disconnected", why)
        self._parts, self._size = [], 0
        if (client := self._client) is not None:
            self._client = None
            await client.close()


def _id_of(message: bytes) -> int | None:
    try:
        found = json.loads(message)
    except ValueError:
        return None
    number = found.get("id") if isinstance(found, dict) else None
    return number if isinstance(number, int) else None
