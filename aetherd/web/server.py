"""uvicorn's HTTP protocol with the bounds it lacks: a deadline for a request's head, a small send buffer."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from aetherd.core.errors import Unavailable
from aetherd.operations.doors import Doorway, listening
from aetherd.web.app import Web

logger = logging.getLogger(__name__)

HEAD_S = 10.0  # a request's line and headers arrive within this, or the connection is dropped
CALLS_S = 2.0  # calls in flight get this long once the daemon ends
DOOR_CONNECTIONS = 64  # of one process at its door: each is a descriptor of ours
SEND_BUFFER = 256 * 1024  # a frozen reader must not hide megabytes of events in the kernel


class BoundedH11(H11Protocol):
    """One HTTP connection; its WebSocket, if it becomes one, inherits the send buffer."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Set the bounds of a new connection."""
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self.app_state = {**self.app_state, "abort": transport.abort}
        super().connection_made(transport)
        seats = self.app_state.get("seats")
        if seats is not None and len(seats) >= DOOR_CONNECTIONS:
            transport.abort()
            return
        if seats is not None:
            seats.add(self)
        self._watch(True)

    def data_received(self, data: bytes) -> None:
        """Keep the deadline running while a head is incomplete, however slowly it drips in."""
        super().data_received(data)
        self._watch(self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0]))

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand over to the WebSocket protocol, which has bounds of its own."""
        self._watch(False)
        self.app_state.get("seats", set()).discard(self)
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline, leave the seat."""
        self._watch(False)
        self.app_state.get("seats", set()).discard(self)
        super().connection_lost(exc)

    def _watch(self, head_incomplete: bool) -> None:
        if not head_incomplete:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_S, self._too_slow)

    def _too_slow(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.abort()


class Server(uvicorn.Server):
    """uvicorn, serving a `Web` on sockets that are bound already; signals stay with the daemon.

    Set `should_exit` to end it: open streams are ended at once, calls in flight get two seconds.
    """

    def __init__(self, web: Web) -> None:
        super().__init__(
            uvicorn.Config(
                web,
                http=BoundedH11,
                ws="websockets-sansio",
                ws_max_size=1024 * 1024,
                ws_ping_interval=20.0,
                ws_ping_timeout=20.0,
                ws_per_message_deflate=False,
                lifespan="off",
                loop="none",
                access_log=False,
                log_config=None,
                log_level="warning",  # below that it writes WebSocket addresses, which hold tickets
                server_header=False,
                proxy_headers=False,
                backlog=2048,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=3,
            )
        )
        self._web = web
        self._doors: dict[int, asyncio.Server] = {}
        self.up = anyio.Event()  # set when connections are taken

    async def open_door(self, doorway: Doorway) -> None:
        """Serve a process at the socket `h` of its door: the same HTTP face, for that process alone."""
        folder = doorway.path.parent
        if doorway.pid in self._doors or not folder.exists():  # or it has ended meanwhile
            return
        loop = asyncio.get_running_loop()
        state = {"door": doorway.pid, "seats": set[BoundedH11]()}

        def connection() -> BoundedH11:
            return BoundedH11(self.config, self.server_state, state, loop)

        sock = listening(folder / "h", doorway.uid)
        self._doors[doorway.pid] = await loop.create_unix_server(connection, sock=sock)

    async def shut_door(self, pid: int) -> None:
        """Take no more connections of a process that has ended."""
        if (server := self._doors.pop(pid, None)) is not None:
            server.close()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the daemon."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell when connections are taken."""
        asyncio.get_running_loop().set_exception_handler(_Shortage())
        await super().startup(sockets)
        self.up.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what is held open before waiting for the rest."""
        for server in self._doors.values():
            server.close()
        self._web.stop()
        late = asyncio.get_running_loop().call_later(CALLS_S, self._web.finish)
        try:
            await super().shutdown(sockets)
        finally:
            late.cancel()


class _Shortage:
    """Says once a second that no descriptor is left; asyncio would, each second, once for each place in the backlog."""

    _said = float("-inf")

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "out of system resource" not in context["message"]:
            loop.default_exception_handler(context)
        elif loop.time() >= self._said + 1:
            self._said = loop.time()
            logger.warning("no connection is taken: %s; raise the limit of open files", context["exception"])


def bind_tcp(host: str, port: int) -> socket.socket:
    """Bind the port people and clients use; 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle off only where the protocol is named; with it each event waits 40 ms for an ACK.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as exc:
        sock.close()
        raise Unavailable(f"cannot listen on {host} port {port}: {exc.strerror}", host=host, port=port) from exc
    sock.setblocking(False)
    return sock


def bind_unix(path: Path) -> socket.socket:
    """Bind the socket of local clients, 0600 from the first moment; a stale file is replaced."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    before = os.umask(0o177)
    try:
        sock.bind(f"/proc/self/fd/{folder}/{path.name}")  # short, however deep the home lies
    finally:
        os.umask(before)
        os.close(folder)
    sock.setblocking(False)
    return sock
