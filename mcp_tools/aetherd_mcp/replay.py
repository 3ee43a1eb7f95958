"""What clients of 2025 were sent over HTTP of late, so that one whose connection broke takes up where it was.

An event's id says in which life of the daemon it was sent and on which stream. So a client that comes back to a
later daemon for the answer to a call is told at once that there is none; otherwise it would wait for ever.
"""

from __future__ import annotations

import json
import secrets
from collections import deque
from urllib.parse import quote, unquote

import mcp_types as types
from mcp.server.streamable_http import GET_STREAM_KEY, EventCallback, EventMessage, EventStore
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from aetherd.core.errors import Unavailable
from aetherd_mcp.relay import WENT_AWAY

BYTES = 32 * 1024 * 1024  # of all sessions together; the oldest are forgotten first
RETRY_MS = 3000  # after which a client comes back; most try twice, and a new daemon is up within a second


class Shelf:
    """The events of all sessions, oldest first."""

    def __init__(self) -> None:
        self.life = secrets.token_hex(4)
        self._order: deque[tuple[Replay, int, int]] = deque()
        self._bytes = 0

    def put(self, session: Replay, number: int, size: int) -> None:
        """Count an event in, and the oldest out."""
        self._order.append((session, number, size))
        self._bytes += size
        while self._bytes > BYTES:
            oldest, number, size = self._order.popleft()
            oldest.events.pop(number, None)
            self._bytes -= size


class Replay(EventStore):
    """The events of one session. Streams of different sessions bear the same names, so they never share one."""

    def __init__(self, shelf: Shelf) -> None:
        self.events: dict[int, tuple[str, types.JSONRPCMessage | None]] = {}
        self._shelf, self._count = shelf, 0

    async def store_event(self, stream_id: str, message: types.JSONRPCMessage | None) -> str:
        """Keep an event, or where a stream begins; return its id."""
        self._count += 1
        self.events[self._count] = (stream_id, message)
        size = 0 if message is None else len(message.model_dump_json(by_alias=True, exclude_unset=True))
        self._shelf.put(self, self._count, size + 200)
        return self._id(self._count, stream_id)

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """Send again what followed an event on its stream; None when there is nothing to wait for on it."""
        life, _, rest = last_event_id.partition("-")
        count, _, name = rest.partition("-")
        stream, last = unquote(name), int(count) if count.isascii() and count.isdecimal() else 0
        if life != self._shelf.life:
            return await self._of_another_life(stream, send_callback)
        if self.events.get(last, ("", None))[0] != stream:
            return None
        for number, (of, message) in list(self.events.items()):
            if number > last and of == stream and message is not None:
                await send_callback(EventMessage(message, self._id(number, of)))
        return stream

    async def _of_another_life(self, stream: str, send_callback: EventCallback) -> str | None:
        if stream == GET_STREAM_KEY:
            return stream
        # As the failure of a tool, which ends the wait of every client; some go on after an error of the protocol.
        lost = json.dumps(Unavailable(WENT_AWAY).body()["error"])
        result = types.CallToolResult(content=[types.TextContent(text=lost)], is_error=True)
        answer = types.JSONRPCResponse(
            jsonrpc="2.0",
            id=int(stream) if stream.isascii() and stream.isdecimal() else stream,
            result=result.model_dump(mode="json", by_alias=True, exclude_none=True),
        )
        await send_callback(EventMessage(answer, f"{self._shelf.life}-0-"))
        return None

    def _id(self, number: int, stream: str) -> str:
        return f"{self._shelf.life}-{number}-{quote(stream, safe='')}"


class Sessions(StreamableHTTPSessionManager):
    """The SDK's sessions, each with a memory of its own: the SDK takes a new session's from `event_store`."""

    _shelf: Shelf | None = None

    @property
    def event_store(self) -> EventStore | None:
        """A new, empty memory."""
        if self._shelf is None:
            self._shelf = Shelf()
        return Replay(self._shelf)

    @event_store.setter
    def event_store(self, value: EventStore | None) -> None:
        """Nothing: the SDK sets the one that all sessions would share."""
