"""One MCP connection as the pair of streams the SDK wants, with no queue and no task between it and the socket."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import anyio
import anyio.abc
import mcp_types as types
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from pydantic import ValidationError
from pydantic_core import from_json

from aetherd_mcp.relay import id_of_long

LINE = 4 * 1024 * 1024  # bytes, as the HTTP form takes them
READ = 65_536
IN_FLIGHT = 256  # requests of one connection that are not answered yet

Message = types.JSONRPCRequest | types.JSONRPCNotification | types.JSONRPCResponse | types.JSONRPCError


class Wire:
    """Cuts lines into messages and writes messages as lines; what is no message is answered right here.

    A request that ends because the connection does is not answered: whoever is there after all, as the relay
    is over a restart of the daemon, learns it from the socket's end and asks again.
    """

    def __init__(self, stream: anyio.abc.SocketStream, received: bytes = b"") -> None:
        self._socket = stream.extra(anyio.abc.SocketAttribute.raw_socket)
        self._writing = anyio.Lock(fast_acquire=True)
        self._unsent = memoryview(b"")
        self._lines: deque[bytes | tuple[bytes, bytes]] = deque()  # one too long is its start and its end
        self._parts: list[bytes] = []  # of the line that has no end yet
        self._size = 0
        self._open: set[str] = set()  # ids of requests without an answer
        self._closed = False
        self._cut(received)

    # Reading ----------------------------------------------------------------------------------------

    async def receive(self) -> SessionMessage:
        """Return the next message; raises `EndOfStream`."""
        try:
            while True:
                while not self._lines:
                    self._cut(await self._received())
                line = self._lines.popleft()
                if isinstance(line, tuple):
                    id = _id(id_of_long(*line))
                    await self._refuse(id, types.INVALID_REQUEST, f"a message is at most {LINE} bytes")
                elif (message := await self._message(line)) is not None:
                    return message
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise anyio.EndOfStream from None

    async def _received(self) -> bytes:
        """Wait for bytes; not by the stream's own receive, which cries out in the log when cancelled as they come."""
        while True:
            await anyio.wait_readable(self._socket)
            try:
                found: bytes = self._socket.recv(READ)
            except BlockingIOError:
                continue
            except OSError:
                raise anyio.BrokenResourceError from None
            if not found:
                raise anyio.EndOfStream
            return found

    def _cut(self, received: bytes) -> None:
        *ends, rest = received.split(b"\n")
        for end in ends:
            if self._size + len(end) > LINE:
                self._lines.append((self._parts[0] if self._parts else end, end or self._parts[-1]))
            elif self._parts:
                self._lines.append(b"".join((*self._parts, end)))
            else:
                self._lines.append(end)
            self._parts, self._size = [], 0
        if rest:
            self._size += len(rest)
            if self._size > LINE:
                del self._parts[1:]  # of a line that is too long only the start and the end are kept
            self._parts.append(rest)

    async def _message(self, line: bytes) -> SessionMessage | None:
        if not line.strip():
            return None
        try:
            document = from_json(line, allow_inf_nan=False)
        except ValueError:
            await self._refuse(None, types.PARSE_ERROR, "not JSON")
            return None
        try:
            message = _kind(document).model_validate(document, by_name=False)
        except ValidationError:
            id = document.get("id") if isinstance(document, dict) else None
            text = "batches are not part of MCP" if isinstance(document, list) else "not a JSON-RPC 2.0 message"
            await self._refuse(id if type(id) in (int, str) else None, types.INVALID_REQUEST, text)
            return None
        if not isinstance(message, types.JSONRPCRequest):
            return SessionMessage(message)
        key = str(message.id)
        if key in self._open:
            await self._refuse(None, types.INVALID_REQUEST, f"id {key[:100]} is in use")
            return None
        if len(self._open) >= IN_FLIGHT:
            data = {"code": "exhausted", "retryable": True}
            await self._refuse(message.id, types.INVALID_REQUEST, "too many requests wait for their answers", data)
            return None

        async def unanswered() -> None:
            self._open.discard(key)

        self._open.add(key)
        return SessionMessage(message, ServerMessageMetadata(on_request_unanswered=unanswered))

    # Writing ----------------------------------------------------------------------------------------

    async def send(self, item: SessionMessage) -> None:
        """Write one message."""
        message = item.message
        if isinstance(message, types.JSONRPCResponse | types.JSONRPCError):
            self._open.discard(str(message.id))
            if isinstance(message, types.JSONRPCError) and message.error.code == types.CONNECTION_CLOSED:
                return
        await self._write(message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")

    async def _refuse(self, id: types.RequestId | None, code: int, text: str, data: Any = None) -> None:
        error = {"code": code, "message": text} | ({} if data is None else {"data": data})
        await self._write(json.dumps({"jsonrpc": "2.0", "id": id, "error": error}).encode() + b"\n")

    async def _write(self, line: bytes) -> None:
        if self._closed:
            raise anyio.ClosedResourceError
        async with self._writing:
            await self._flush()
            self._unsent = memoryview(line)
            try:
                await self._flush()
            finally:
                if len(self._unsent) == len(line):  # cancelled before its first byte: it need not be sent at all
                    self._unsent = memoryview(b"")

    async def _flush(self) -> None:
        """Send what there is; what a cancelled writer leaves of its line the next one sends first."""
        while self._unsent:
            try:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
            except BlockingIOError:
                await anyio.wait_writable(self._socket)
            except OSError:
                raise anyio.BrokenResourceError from None

    # What the SDK's protocols of streams ask for ----------------------------------------------------

    async def aclose(self) -> None:
        """Write no more; the socket belongs to who opened it."""
        self._closed = True

    def __aiter__(self) -> Wire:
        return self

    async def __anext__(self) -> SessionMessage:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Wire:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _kind(document: Any) -> type[Message]:
    if not isinstance(document, dict):
        return types.JSONRPCRequest  # which it is not
    if "method" in document:
        return types.JSONRPCRequest if "id" in document else types.JSONRPCNotification
    return types.JSONRPCError if "error" in document else types.JSONRPCResponse


def _id(raw: bytes) -> types.RequestId | None:
    try:
        id = json.loads(raw)
    except ValueError:
        return None
    return id if type(id) in (int, str) else None
