"""What keeps `/mcp` bounded and open: requests that are there and are messages, and room for whoever comes next."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

import anyio
import mcp_types as types
from mcp.server.auth.middleware.bearer_auth import AuthorizationContext, authorization_context
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aetherd_mcp.wire import LINE, NoMessage, read_message

BODY = LINE  # bytes; more is not read, and refused by the SDK
BODY_S = 30.0  # a body arrives within this, however slowly it drips in
LEAVING_S = 5.0


class Checked:
    """ASGI that passes a request on once its body is there and is a message, by the same rules as on the sockets."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, then serve."""
        read: deque[Message] = deque()
        size, more = 0, scope["method"] == "POST"
        with anyio.move_on_after(BODY_S) as deadline:
            while more and size <= BODY:
                read.append(await receive())
                size += len(read[-1].get("body", b""))
                more = read[-1].get("more_body", False)
        if deadline.cancelled_caught:
            late = NoMessage(None, types.INVALID_REQUEST, f"the body did not arrive within {BODY_S:g} s")
            await _refusal(late, 408)(scope, receive, send)
            return
        if scope["method"] == "POST" and size <= BODY and read[-1]["type"] == "http.request":
            try:
                message = read_message(b"".join(part["body"] for part in read))
            except NoMessage as wrong:
                await _refusal(wrong, 400)(scope, receive, send)
                return
            if "method" in message and "id" in message:
                scope = {**scope, "aether.id": str(message["id"])}

        async def listen() -> Message:
            return read.popleft() if read else await receive()

        await self._app(scope, listen, send)


def _refusal(wrong: NoMessage, status: int) -> JSONResponse:
    body = {"jsonrpc": "2.0", "id": wrong.id, "error": {"code": wrong.code, "message": wrong.text}}
    return JSONResponse(body, status, {"connection": "close"} if status == 408 else None)


@dataclass(slots=True)
class Seat:
    """One session, whose it is, and what of it is being served."""

    user: Any
    owner: AuthorizationContext
    busy: int = 0  # requests and streams
    ids: set[str] = field(default_factory=set)  # of requests


class Room:
    """ASGI around the SDK's session manager: when all its sessions are taken, the one idle longest gives way.

    It is one of the same principal if there is any, so that who opens sessions without end only loses its own.
    A stream held open is no idleness. A client whose session is gone finds it opened again (`lasting.py`).
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app, self._most = app, most
        self._seats: OrderedDict[str, Seat] = OrderedDict()  # by id, longest unused first
        self._opening = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; one without a session may open one."""
        headers = Headers(scope=scope)
        version, id = headers.get(MCP_PROTOCOL_VERSION_HEADER), headers.get(MCP_SESSION_ID_HEADER)
        if version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS:
            await self._app(scope, receive, send)  # 2026 has no sessions
        elif id is None:
            await self._open(scope, receive, send)
        else:
            await self._use(id, scope, receive, send)

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        seat = Seat(scope["user"], authorization_context(scope["user"]))

        async def note(message: Message) -> None:
            begun = message["type"] == "http.response.start" and message["status"] < 400
            if begun and (id := Headers(raw=message["headers"]).get(MCP_SESSION_ID_HEADER)) is not None:
                self._seats[id] = seat
            await send(message)

        self._opening += 1
        try:
            await self._make_room(scope, seat.owner)
            await self._app(scope, receive, note)
        finally:
            self._opening -= 1

    async def _use(self, id: str, scope: Scope, receive: Receive, send: Send) -> None:
        status = 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        seat, key = self._seats.get(id), scope.get("aether.id", "")
        if seat is None or seat.owner != authorization_context(scope["user"]):
            await self._app(scope, receive, send)  # which refuses it
            return
        if key in seat.ids:  # the SDK would lose the first one's answer
            wrong = NoMessage(None, types.INVALID_REQUEST, f"id {key[:100]} is in use")
            await _refusal(wrong, 400)(scope, receive, send)
            return
        seat.busy += 1
        seat.ids |= {key} - {""}
        try:
            await self._app(scope, receive, note)
        finally:
            seat.busy -= 1
            seat.ids.discard(key)
            if status == 404 or (scope["method"] == "DELETE" and status < 300):
                self._seats.pop(id, None)
            elif id in self._seats:
                self._seats.move_to_end(id)

    async def _make_room(self, scope: Scope, owner: AuthorizationContext) -> None:
        while len(self._seats) + self._opening > self._most:
            idle = [id for id, seat in self._seats.items() if not seat.busy]
            if not idle:
                return  # the SDK refuses one too many
            id = next((id for id in idle if self._seats[id].owner == owner), idle[0])
            seat = self._seats.pop(id)
            await self._leave(scope, id, seat)

    async def _leave(self, scope: Scope, id: str, seat: Seat) -> None:
        """End a session as its client would."""

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(_message: Message) -> None:
            pass

        headers = [(MCP_SESSION_ID_HEADER.encode(), id.encode()), (b"accept", b"application/json, text/event-stream")]
        with anyio.move_on_after(LEAVING_S, shield=True):
            await self._app({**scope, "method": "DELETE", "headers": headers, "user": seat.user}, receive, send)
