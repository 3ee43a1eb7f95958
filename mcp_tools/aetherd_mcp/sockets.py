"""MCP on unix sockets: the daemon's own and one door per process. The first line is the token, then JSON-RPC lines."""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.abc

from aetherd.core.errors import AetherError, Unauthenticated
from aetherd.operations.doors import Doorway
from aetherd.operations.house import House
from aetherd_mcp import lean, sdk_loop
from aetherd_mcp.caller import Credential, credential
from aetherd_mcp.server import ToolServer
from aetherd_mcp.wire import GONE, Wire

logger = logging.getLogger(__name__)

FIRST_LINE = 4096  # bytes
FIRST_LINE_S = 10.0
CONNECTIONS = 512  # on the daemon's own socket
DOOR_CONNECTIONS = 64  # through one process's door: each may hold a line of 4 MiB that never ends
PAUSE_S = 0.1  # when a connection could not be taken
LOOPS = {"lean": lean.serve, "sdk": sdk_loop.serve}  # the setting `mcp_loop`


class Sockets:
    """Listens on the daemon's socket and on the doors there shall be."""

    def __init__(self, house: House, tools: ToolServer, group: anyio.abc.TaskGroup) -> None:
        self._house, self._tools, self._group = house, tools, group
        self._scopes: dict[int, anyio.CancelScope] = {}
        self._order = anyio.Lock()  # a door is opened, or shut, by one at a time

    async def serve(self, path: Path) -> None:
        """Open the daemon's own socket and every process's door."""
        await self._listen(path, None, None, 0o600)
        await self._house.doors.served_by(self._open, self._shut)

    async def _open(self, doorway: Doorway) -> None:
        async with self._order:
            if doorway.pid not in self._scopes and doorway.path.parent.exists():  # else it has ended meanwhile
                self._scopes[doorway.pid] = await self._listen(doorway.path, doorway.pid, doorway.uid, 0o660)

    async def _shut(self, pid: int) -> None:
        async with self._order:
            if (scope := self._scopes.pop(pid, None)) is not None:
                scope.cancel()
            place = self._house.settings.run_dir / "p" / str(pid)
            with suppress(OSError):
                (place / "s").unlink(missing_ok=True)
                place.rmdir()

    async def _listen(self, path: Path, door: int | None, uid: int | None, mode: int) -> anyio.CancelScope:
        """Bind under a temporary name and rename, so that there is never a moment without a socket."""
        temporary = path.with_name(f".{path.name}.new")
        temporary.unlink(missing_ok=True)
        listener = await anyio.create_unix_listener(temporary, mode=mode)
        if uid is not None:
            os.chown(temporary, 0, uid)
        temporary.rename(path)
        scope, limiter = anyio.CancelScope(), anyio.CapacityLimiter(CONNECTIONS if door is None else DOOR_CONNECTIONS)

        async def accept() -> None:
            with scope:
                async with listener:
                    await self._accept(listener, door, uid, limiter)

        self._group.start_soon(accept, name=f"mcp {path}")
        return scope

    async def _accept(
        self, listener: anyio.abc.SocketListener, door: int | None, uid: int | None, limiter: anyio.CapacityLimiter
    ) -> None:
        async with anyio.create_task_group() as group:
            while True:
                try:
                    stream = await listener.accept()
                except anyio.BrokenResourceError as exc:  # no descriptor left: others need theirs back first
                    logger.warning("a socket for tools takes no connection: %s", exc.__cause__)
                    await anyio.sleep(PAUSE_S)
                    continue
                group.start_soon(self._guarded, stream, door, uid, limiter)

    async def _guarded(
        self, stream: anyio.abc.SocketStream, door: int | None, uid: int | None, limiter: anyio.CapacityLimiter
    ) -> None:
        async with stream:
            try:
                limiter.acquire_nowait()
            except anyio.WouldBlock:
                return  # the relay tries again a little later
            try:
                await self._connection(stream, door, uid)
            except GONE:
                pass
            except AetherError as exc:
                with suppress(*GONE):
                    await stream.send(json.dumps(exc.body(), default=str).encode() + b"\n")
            except Exception:
                logger.exception("an MCP connection failed")
            finally:
                limiter.release()

    async def _connection(self, stream: anyio.abc.SocketStream, door: int | None, uid: int | None) -> None:
        token, rest = await _first_line(stream)  # before anything is refused, or the peer may miss why
        peer = _peer_uid(stream)
        if peer not in (os.geteuid(), uid):
            raise Unauthenticated(f"uid {peer} may not use this socket")
        await self._house.authenticate(token, "mcp", door=door)
        credential.set(Credential(token, door))
        await LOOPS[self._house.settings.mcp_loop](self._tools.server, Wire(stream, rest))


async def _first_line(stream: anyio.abc.SocketStream) -> tuple[str, bytes]:
    """Return the token, and what came after its line."""
    received = b""
    with anyio.move_on_after(FIRST_LINE_S):
        while b"\n" not in received and len(received) < FIRST_LINE:
            received += await stream.receive(FIRST_LINE)
    first, found, rest = received.partition(b"\n")
    if not found:
        raise Unauthenticated("the first line must be the token")
    return first.strip().decode("ascii", "replace"), rest


def _peer_uid(stream: anyio.abc.SocketStream) -> int:
    raw = stream.extra(anyio.abc.SocketAttribute.raw_socket)
    _, uid, _ = struct.unpack("3i", raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(uid)
