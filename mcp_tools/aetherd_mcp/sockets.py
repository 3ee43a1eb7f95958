"""MCP on unix sockets: the daemon's own and one door per process. The first line is the token, then JSON-RPC lines."""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import mcp_types as types
from mcp.server.runner import serve_dual_era_loop
from mcp.shared._context_streams import ContextReceiveStream, ContextSendStream, create_context_streams
from mcp.shared.message import SessionMessage

from aetherd.core.errors import AetherError
from aetherd.operations.doors import Doorway
from aetherd.operations.house import House
from aetherd_mcp.server import Credential, ToolServer, credential

logger = logging.getLogger(__name__)

LINE = 4 * 1024 * 1024  # bytes, as the HTTP form takes them
FIRST_LINE_S = 10.0
CONNECTIONS = 512  # per socket
READ = 65_536


class Sockets:
    """Listens on the daemon's socket and on the doors there shall be."""

    def __init__(self, house: House, tools: ToolServer, group: anyio.abc.TaskGroup) -> None:
        self._house, self._tools, self._group = house, tools, group
        self._scopes: dict[int, anyio.CancelScope] = {}

    async def serve(self, path: Path) -> None:
        """Open the daemon's own socket and every process's door."""
        await self._listen(path, None, None, 0o600)
        await self._house.doors.served_by(self._open, self._shut)

    async def _open(self, doorway: Doorway) -> None:
        if doorway.pid not in self._scopes:
            self._scopes[doorway.pid] = await self._listen(doorway.path, doorway.pid, doorway.uid, 0o660)

    async def _shut(self, pid: int) -> None:
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
        scope = anyio.CancelScope()

        async def accept() -> None:
            with scope:
                async with listener:
                    limiter = anyio.CapacityLimiter(CONNECTIONS)
                    await listener.serve(lambda stream: self._guarded(stream, door, uid, limiter))

        self._group.start_soon(accept, name=f"mcp {path}")
        return scope

    async def _guarded(
        self, stream: anyio.abc.SocketStream, door: int | None, uid: int | None, limiter: anyio.CapacityLimiter
    ) -> None:
        async with stream:
            try:
                async with limiter:
                    await self._connection(stream, door, uid)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass
            except Exception:
                logger.exception("an MCP connection failed")

    async def _connection(self, stream: anyio.abc.SocketStream, door: int | None, uid: int | None) -> None:
        peer = _peer_uid(stream)
        if peer not in (os.geteuid(), uid):
            await _refuse(stream, "unauthenticated", f"uid {peer} may not use this socket")
            return
        buffer = bytearray()
        with anyio.move_on_after(FIRST_LINE_S) as scope:
            while b"\n" not in buffer and len(buffer) < 4096:
                buffer += await stream.receive(4096)
        first, found, rest = bytes(buffer).partition(b"\n")
        if scope.cancelled_caught or not found:
            await _refuse(stream, "unauthenticated", "the first line must be the token")
            return
        token = first.strip().decode("ascii", "replace")
        try:
            await self._house.authenticate(token, "mcp", door=door)
        except AetherError as exc:
            await _refuse(stream, exc.code, exc.message)
            return
        credential.set(Credential(token, door))
        await self._serve(stream, rest)

    async def _serve(self, stream: anyio.abc.SocketStream, rest: bytes) -> None:
        incoming, requests = create_context_streams[SessionMessage | Exception](0)
        answers, outgoing = create_context_streams[SessionMessage](0)
        lock = anyio.Lock()
        async with anyio.create_task_group() as group:
            group.start_soon(_read, stream, rest, incoming, lock)
            group.start_soon(_write, stream, outgoing, lock)
            await serve_dual_era_loop(
                self._tools.server,
                requests,
                answers,
                lifespan_state={},
                init_options=self._tools.server.create_initialization_options(),
            )
            group.cancel_scope.cancel()


async def _read(
    stream: anyio.abc.SocketStream,
    buffer: bytes,
    incoming: ContextSendStream[SessionMessage | Exception],
    lock: anyio.Lock,
) -> None:
    """Cut lines and hand them on; a line that is none is answered, one that is too long is skipped."""
    skipping = False
    async with incoming:
        try:
            while True:
                *lines, buffer = buffer.split(b"\n")
                for line in lines:
                    if skipping:
                        skipping = False
                    elif line.strip():
                        await _take(stream, line, incoming, lock)
                if len(buffer) > LINE and not skipping:
                    skipping = True
                    await _error(stream, lock, types.INVALID_REQUEST, f"a line is at most {LINE} bytes")
                if skipping:
                    buffer = b""
                chunk = await stream.receive(READ)
                buffer = buffer + chunk if buffer else chunk
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            return


async def _take(
    stream: anyio.abc.SocketStream,
    line: bytes,
    incoming: ContextSendStream[SessionMessage | Exception],
    lock: anyio.Lock,
) -> None:
    try:
        message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
    except (ValueError, RecursionError):
        code, text = types.PARSE_ERROR, "not JSON"
        with suppress(ValueError, RecursionError):
            json.loads(line)
            code, text = types.INVALID_REQUEST, "not a JSON-RPC 2.0 message"
        await _error(stream, lock, code, text)
        return
    await incoming.send(SessionMessage(message))


async def _write(
    stream: anyio.abc.SocketStream, outgoing: ContextReceiveStream[SessionMessage], lock: anyio.Lock
) -> None:
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        async with outgoing:
            async for item in outgoing:
                text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                async with lock:
                    await stream.send(text.encode() + b"\n")


async def _error(stream: anyio.abc.SocketStream, lock: anyio.Lock, code: int, text: str) -> None:
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": text}}
    async with lock:
        await stream.send(json.dumps(body).encode() + b"\n")


async def _refuse(stream: anyio.abc.SocketStream, code: str, message: str) -> None:
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        await stream.send(json.dumps({"error": {"code": code, "message": message}}).encode() + b"\n")


def _peer_uid(stream: anyio.abc.SocketStream) -> int:
    raw = stream.extra(anyio.abc.SocketAttribute.raw_socket)
    _, uid, _ = struct.unpack("3i", raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(uid)
