"""One MCP connection as lines: cut, checked and bounded on the way in, written whole on the way out."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import deque
from typing import Any

import anyio
import anyio.abc
import mcp_types as types
from pydantic_core import from_json

from aetherd_mcp.relay import id_of_long

LINE = 4 * 1024 * 1024  # bytes, as the HTTP form takes them
READ = 65_536
AHEAD = 64 * 1024  # bytes of lines cut already, at which no more is taken from the socket
SEND_BUFFER = 512 * 1024  # bytes: a menu of 180 tools goes out in one piece
IN_FLIGHT = 256  # requests of one connection whose answers are not written yet
STUFFED = 1024 * 1024  # bytes that wait for a slow reader, at which nothing more is read from it

Message = dict[str, Any]  # a request, a notification or an answer: its shape is checked
GONE = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)


class Wire:
    """Cuts lines into messages and writes lines; what is no message is answered right here.

    Memory is bounded for a peer that only writes, and for one that never reads: its requests wait unread in its
    own buffers. There is no deadline on that, since an agent may be frozen for hours and go on.
    """

    def __init__(self, stream: anyio.abc.SocketStream, received: bytes = b"") -> None:
        self._socket = stream.extra(anyio.abc.SocketAttribute.raw_socket)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._loop = asyncio.get_running_loop()
        self._writing = anyio.Lock(fast_acquire=True)
        self._unsent = memoryview(b"")
        self._backlog = 0  # bytes of lines whose writers wait
        self._room = anyio.Event()  # set as the backlog shrinks
        self._lines: deque[bytes | tuple[bytes, bytes]] = deque()  # one too long is its start and its end
        self._cut_bytes = 0  # of what is in `_lines`
        self._parts: list[bytes] = []  # of the line that has no end yet
        self._size = 0
        self._open: set[str] = set()  # keys of requests whose answers are not written yet
        self._waiters: list[asyncio.Future[None]] = []  # who waits for a line
        self._listening = self._ended = self._closed = False
        self._cut(received)

    # Reading ----------------------------------------------------------------------------------------

    async def receive(self) -> Message:
        """Return the next message; raises `EndOfStream`."""
        try:
            while True:
                while self._backlog > STUFFED:
                    if self._room.is_set():
                        self._room = anyio.Event()
                    await self._room.wait()
                while not self._lines:
                    await self._wait()
                line = self._lines.popleft()
                self._cut_bytes -= len(line)
                if self._lines:
                    self._wake()  # somebody else may take the next
                elif self._waiters and not self._ended:
                    self._listen(True)
                if isinstance(line, tuple):
                    id = _id(id_of_long(*line))
                    await self._refuse(id, types.INVALID_REQUEST, f"a message is at most {LINE} bytes")
                elif (message := await self._message(line)) is not None:
                    return message
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise anyio.EndOfStream from None

    @property
    def waiting(self) -> int:
        """How many wait in `receive`."""
        return len(self._waiters)

    async def _wait(self) -> None:
        """Wait for bytes. The loop watches the socket all along: to begin and to end that costs two system calls."""
        if self._ended or self._closed:
            raise anyio.EndOfStream
        self._listen(True)
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            elif self._lines:
                self._wake()
            raise

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.pop()
            if not waiter.done():  # else it was cancelled just now
                waiter.set_result(None)
                return

    def _listen(self, wanted: bool) -> None:
        if wanted != self._listening:
            self._listening = wanted
            if wanted:
                self._loop.add_reader(self._socket, self._readable)
            else:
                self._loop.remove_reader(self._socket)

    def _readable(self) -> None:
        try:
            found = self._socket.recv(READ)
        except BlockingIOError:
            return
        except OSError:
            found = b""
        if found:
            self._cut(found)
        else:
            self._ended = True
        if self._ended or self._cut_bytes > AHEAD:
            self._listen(False)
        if self._ended or self._lines:
            self._wake()

    def _cut(self, received: bytes) -> None:
        *ends, rest = received.split(b"\n")
        for end in ends:
            if self._size + len(end) > LINE:
                line: bytes | tuple[bytes, bytes] = (self._parts[0] if self._parts else end, end or self._parts[-1])
            else:
                line = b"".join((*self._parts, end)) if self._parts else end
            self._lines.append(line)
            self._cut_bytes += len(line)
            self._parts, self._size = [], 0
        if rest:
            self._size += len(rest)
            if self._size > LINE:
                del self._parts[1:]  # of a line that is too long only the start and the end are kept
            self._parts.append(rest)

    async def _message(self, line: bytes) -> Message | None:
        if not line.strip():
            return None
        try:
            message = read_message(line)
        except NoMessage as wrong:
            await self._refuse(wrong.id, wrong.code, wrong.text)
            return None
        if "method" not in message or "id" not in message:
            return message
        key = str(message["id"])
        if key in self._open:
            await self._refuse(None, types.INVALID_REQUEST, f"id {key[:100]} is in use")
            return None
        if len(self._open) >= IN_FLIGHT:
            data = {"code": "exhausted", "retryable": True}
            await self._refuse(message["id"], types.INVALID_REQUEST, "too many requests wait for their answers", data)
            return None
        self._open.add(key)
        return message

    def settled(self, id: types.RequestId) -> None:
        """Free the id of a request: its answer is written, or it gets none."""
        self._open.discard(str(id))

    # Writing ----------------------------------------------------------------------------------------

    async def write(self, *parts: bytes) -> None:
        """Write one line, its end included; returns when the socket has all of it."""
        if self._closed:
            raise anyio.ClosedResourceError
        size, sent = sum(map(len, parts)), 0
        at_once = not self._backlog and not self._unsent  # nobody is before us
        if at_once:
            sent = self._sent(*parts)
            if sent == size:
                return
        rest = memoryview(b"".join(parts))[sent:]  # parts are put together only for a slow reader
        if at_once:
            self._unsent = rest
        self._backlog += len(rest)
        try:
            async with self._writing:
                await self._flush()
                if not at_once:
                    self._unsent = rest
                    try:
                        await self._flush()
                    finally:
                        if len(self._unsent) == size:  # cancelled before its first byte: it need not be sent
                            self._unsent = memoryview(b"")
        finally:
            self._backlog -= len(rest)
            self._room.set()

    async def _refuse(self, id: types.RequestId | None, code: int, text: str, data: Any = None) -> None:
        error = {"code": code, "message": text} | ({} if data is None else {"data": data})
        await self.write(json.dumps({"jsonrpc": "2.0", "id": id, "error": error}).encode() + b"\n")

    async def _flush(self) -> None:
        """Send what there is; what a cancelled writer leaves of its line the next one sends first."""
        while self._unsent:
            self._unsent = self._unsent[self._sent(self._unsent) :]
            if self._unsent:
                await anyio.wait_writable(self._socket)

    def _sent(self, *parts: bytes | memoryview) -> int:
        """Send what the socket takes without waiting; return how much that was."""
        try:
            return int(self._socket.send(parts[0]) if len(parts) == 1 else self._socket.sendmsg(parts))
        except BlockingIOError:
            return 0
        except OSError:
            raise anyio.BrokenResourceError from None

    def close(self) -> None:
        """Read and write no more; the socket belongs to who opened it."""
        self._closed = True
        self._listen(False)


class NoMessage(Exception):
    """Raised when bytes are no message: what to answer."""

    def __init__(self, id: types.RequestId | None, code: int, text: str) -> None:
        super().__init__(text)
        self.id, self.code, self.text = id, code, text


def read_message(text: bytes) -> Message:
    """Read one message as JSON-RPC 2.0 and MCP have it; raises `NoMessage`."""
    try:
        document = from_json(text, allow_inf_nan=False)
    except ValueError:
        raise NoMessage(None, types.PARSE_ERROR, "not JSON") from None
    if isinstance(document, list):
        raise NoMessage(None, types.INVALID_REQUEST, "batches are not part of MCP")
    if not _well_formed(document):
        id = document.get("id") if isinstance(document, dict) else None
        raise NoMessage(id if type(id) in (int, str) else None, types.INVALID_REQUEST, "not a JSON-RPC 2.0 message")
    message: Message = document
    return message


def _well_formed(document: Any) -> bool:
    """Tell whether this is a JSON-RPC 2.0 request, notification or answer as MCP has them: `params` is an object."""
    if not isinstance(document, dict) or document.get("jsonrpc") != "2.0":
        return False
    id = document.get("id")
    if "method" in document:
        params = document.get("params")
        return (
            isinstance(document["method"], str)
            and ("id" not in document or type(id) in (int, str))
            and (params is None or isinstance(params, dict))
        )
    if "error" in document:
        error = document["error"]
        return (
            ("id" in document and (id is None or type(id) in (int, str)))
            and isinstance(error, dict)
            and type(error.get("code")) is int
            and isinstance(error.get("message"), str)
        )
    return type(id) in (int, str) and isinstance(document.get("result"), dict)


def _id(raw: bytes) -> types.RequestId | None:
    try:
        id = json.loads(raw)
    except ValueError:
        return None
    return id if type(id) in (int, str) else None
