"""Connections held open: bytes joined into large writes, slow readers cut, all ended at a stop."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager

import anyio
from starlette.types import Receive, Scope, Send

from aetherd.core.errors import AetherError, Unauthenticated, Unavailable

logger = logging.getLogger(__name__)

CHUNK = 256 * 1024  # most bytes per write
PING_S = 15.0  # a quiet stream says something this often
TICK_S = 5.0
STUCK_S = 30.0  # a reader that takes nothing for this long is cut
RECHECK_S = 30.0  # a revoked credential ends its streams within this

Recheck = Callable[[], Awaitable[object]]  # raises Unauthenticated when the credential has ended


class Streams:
    """Everything held open, so that a stop need not wait for anyone."""

    def __init__(self) -> None:
        self._streams: set[anyio.CancelScope] = set()
        self._calls: set[anyio.CancelScope] = set()
        self.stopping = False

    @contextmanager
    def held(self) -> Iterator[anyio.CancelScope]:
        """Hold a connection open inside; the scope is cancelled when the daemon stops."""
        with self._kept(self._streams) as scope:
            yield scope

    @contextmanager
    def calling(self) -> Iterator[anyio.CancelScope]:
        """Answer a request inside; the scope is cancelled when the daemon has waited long enough."""
        with self._kept(self._calls) as scope:
            yield scope
        if scope.cancelled_caught:
            raise Stopping

    @contextmanager
    def _kept(self, scopes: set[anyio.CancelScope]) -> Iterator[anyio.CancelScope]:
        if self.stopping:
            raise Stopping
        with anyio.CancelScope() as scope:
            scopes.add(scope)
            try:
                yield scope
            finally:
                scopes.discard(scope)

    def stop(self) -> None:
        """End every open stream and socket; what comes later is refused."""
        self.stopping = True
        for scope in list(self._streams):
            scope.cancel()

    def finish(self) -> None:
        """End what still runs after `stop`."""
        for scope in list(self._calls):
            scope.cancel()

    def __len__(self) -> int:
        return len(self._streams)


class Stopping(Unavailable):
    """Raised for who comes, or still waits, while the daemon ends."""

    def __init__(self) -> None:
        super().__init__("the daemon is stopping; ask again when it is back")


class Outlet:
    """Bytes from one writer to one reader, joined while it is busy; the writer waits above the bound."""

    def __init__(self, most: int = CHUNK) -> None:
        self._most, self._size, self._closed = most, 0, False
        self._parts: list[bytes] = []
        self._filled, self._emptied = anyio.Event(), anyio.Event()

    async def put(self, data: bytes) -> None:
        """Add bytes; waits while the reader is behind."""
        while self._size >= self._most:
            self._emptied = anyio.Event()
            await self._emptied.wait()
        self._parts.append(data)
        self._size += len(data)
        self._filled.set()

    def close(self) -> None:
        """Take nothing more."""
        self._closed = True
        self._filled.set()

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._parts

    async def take(self) -> bytes | None:
        """Return all that waits, or None at the end."""
        while not self._parts:
            if self._closed:
                return None
            self._filled = anyio.Event()
            await self._filled.wait()
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        self._emptied.set()
        return data


async def gone(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        pass


def cut(scope: Scope) -> None:
    """Drop the connection without flushing: its reader takes nothing (see `server.py`)."""
    abort = scope.get("state", {}).get("abort")
    if abort is not None:
        abort()


class Watchdog:
    """Looks after one long-lived connection: quiet, stuck, or no longer allowed."""

    def __init__(self, recheck: Recheck | None) -> None:
        self._recheck = recheck
        self._checked = self._wrote = time.monotonic()
        self._writing: float | None = None
        self.stuck = self.revoked = False

    async def write(self, send: Callable[[], Awaitable[None]]) -> None:
        """Write under watch."""
        self._writing = time.monotonic()
        await send()
        self._writing, self._wrote = None, time.monotonic()

    async def run(self, quiet: Callable[[], Awaitable[None]] | None, scope: anyio.CancelScope) -> None:
        """Watch until the connection must end, then cancel the scope; `quiet` is called to say something."""
        while True:
            await anyio.sleep(TICK_S)
            now = time.monotonic()
            if self._writing is not None:
                self.stuck = now - self._writing >= STUCK_S
            elif quiet is not None and now - self._wrote >= PING_S - TICK_S / 2:
                await quiet()
            if self._recheck is not None and now - self._checked >= RECHECK_S:
                self._checked = now
                try:
                    await self._recheck()
                except Unauthenticated:
                    self.revoked = True
                except AetherError:
                    logger.warning("a credential could not be checked again; asking later", exc_info=True)
            if self.stuck or self.revoked:
                scope.cancel()
                return


class EventStream:
    """A response of server-sent events whose bytes are already prepared."""

    def __init__(
        self,
        streams: Streams,
        source: AsyncIterator[bytes],
        recheck: Recheck | None = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        self._streams, self._source, self._watchdog = streams, source, Watchdog(recheck)
        self._headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
            *headers,
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the source ends, the client leaves, or the daemon stops."""
        outlet, left = Outlet(), False
        with self._streams.held():
            await send({"type": "http.response.start", "status": 200, "headers": self._headers})
            async with anyio.create_task_group() as group:

                async def watch() -> None:
                    nonlocal left
                    await gone(receive)
                    left = True
                    group.cancel_scope.cancel()

                async def say() -> None:
                    if outlet.empty:
                        await outlet.put(b": ping\n\n")

                group.start_soon(watch)
                group.start_soon(self._fill, outlet)
                group.start_soon(self._watchdog.run, say, group.cancel_scope)
                await self._pour(outlet, send)
                group.cancel_scope.cancel()
        if self._watchdog.stuck:
            cut(scope)
        elif not left:
            with anyio.move_on_after(1, shield=True):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _fill(self, outlet: Outlet) -> None:
        async with aclosing(self._source) as source:  # type: ignore[type-var]
            async for data in source:
                await outlet.put(data)
        outlet.close()

    async def _pour(self, outlet: Outlet, send: Send) -> None:
        while (data := await outlet.take()) is not None:
            for start in range(0, len(data), CHUNK):
                part = data if len(data) <= CHUNK else data[start : start + CHUNK]
                message = {"type": "http.response.body", "body": part, "more_body": True}
                await self._watchdog.write(lambda message=message: send(message))  # type: ignore[misc]
