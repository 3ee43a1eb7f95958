"""Sessions of 2025 over HTTP that outlive the daemon: what opened one is sealed into its id.

A client whose session is gone (404) should open another, but most only fail from then on. So the id a client gets
is not the SDK's. It holds, under a key of the house, who opened the session and with which words; when the SDK has
no such session (any more), one is opened again with these words, for that principal alone. 2026 has no sessions.
"""

from __future__ import annotations

import json
import logging
from collections import OrderedDict, deque
from contextlib import suppress
from pathlib import Path
from time import time
from typing import Any

import anyio
from mcp.server.auth.middleware.bearer_auth import authorization_context
from mcp.server.request_state import AESGCMRequestStateCodec, InvalidRequestState
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aetherd_mcp.keys import key_at

logger = logging.getLogger(__name__)

KNOWN = 4096  # ids of which is kept what the SDK calls their sessions; and of those their clients ended
WORDS = 4096  # bytes of what opens a session; with longer ones it does not last
LIFE_S = 30 * 24 * 3600.0  # after which a session is not opened again
OPENING_S = 10.0
JSON_OR_SSE = (("accept", "application/json, text/event-stream"), ("content-type", "application/json"))

Claims = dict[str, Any]


class LastingSessions:
    """ASGI around the SDK's session manager; the requests that come here are authenticated."""

    def __init__(self, app: ASGIApp, secrets: Path) -> None:
        self._app, self._path = app, secrets / "sessions.key"
        self._inner: OrderedDict[str, str] = OrderedDict()  # id -> the SDK's id
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._opening = anyio.Lock()
        self._codec: AESGCMRequestStateCodec

    async def load(self) -> None:
        """Read the key of the house, or make it."""
        self._codec = AESGCMRequestStateCodec([await anyio.to_thread.run_sync(key_at, self._path)])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request under the SDK's id of its session."""
        id = Headers(scope=scope).get(MCP_SESSION_ID_HEADER)
        if id is None:
            await self._begin(scope, receive, send)
        elif (claims := self._claims(id, scope)) is None:
            await self._app(scope, receive, send)  # which knows no such session either
        else:
            await self._go_on(id, claims, scope, receive, send)

    # A session begins -------------------------------------------------------------------------------

    async def _begin(self, scope: Scope, receive: Receive, send: Send) -> None:
        said = bytearray()

        async def listen() -> Message:
            message = await receive()
            if len(said) <= WORDS:
                said.extend(message.get("body", b""))
            return message

        async def name(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                headers = MutableHeaders(raw=message["headers"])
                inner = headers.get(MCP_SESSION_ID_HEADER)
                if inner is not None and (id := self._seal(bytes(said), scope)) is not None:
                    headers[MCP_SESSION_ID_HEADER] = id
                    _keep(self._inner, id, inner)
            await send(message)

        await self._app(scope, listen, name)

    def _seal(self, said: bytes, scope: Scope) -> str | None:
        if len(said) > WORDS:
            return None
        claims = {"owner": _owner(scope), "at": time(), "params": json.loads(said)["params"]}
        return self._codec.seal(json.dumps(claims, separators=(",", ":")).encode())

    def _claims(self, id: str, scope: Scope) -> Claims | None:
        """Read an id; None for one that is not ours, not the caller's, too old, or ended by its client."""
        if id in self._ended:
            return None
        with suppress(InvalidRequestState, ValueError):
            claims: Claims = json.loads(self._codec.unseal(id))
            if claims["owner"] == _owner(scope) and time() - claims["at"] < LIFE_S:
                return claims
        return None

    # and goes on ------------------------------------------------------------------------------------

    async def _go_on(self, id: str, claims: Claims, scope: Scope, receive: Receive, send: Send) -> None:
        heard: deque[Message] = deque()

        async def listen() -> Message:
            heard.append(await receive())
            return heard[-1]

        async def again() -> Message:
            return heard.popleft() if heard else await receive()

        inner = self._inner.get(id)
        if inner is not None and await self._serve(id, inner, scope, listen, send):
            return
        inner = await self._open(id, inner, claims, scope)
        if inner is None or not await self._serve(id, inner, scope, again, send):
            await Response("too many open sessions", 503)(scope, again, send)

    async def _serve(self, id: str, inner: str, scope: Scope, receive: Receive, send: Send) -> bool:
        """Pass a request on; False, with nothing sent, when the SDK knows no such session."""
        gone = False

        async def name(message: Message) -> None:
            nonlocal gone
            if message["type"] == "http.response.start":
                gone = message["status"] == 404
                headers = MutableHeaders(raw=message["headers"])
                if MCP_SESSION_ID_HEADER in headers:
                    headers[MCP_SESSION_ID_HEADER] = id
                if scope["method"] == "DELETE" and message["status"] < 300:
                    self._inner.pop(id, None)
                    _keep(self._ended, id, None)
            if not gone:
                await send(message)

        headers = [pair for pair in scope["headers"] if pair[0].decode("latin-1") != MCP_SESSION_ID_HEADER]
        headers.append((MCP_SESSION_ID_HEADER.encode(), inner.encode()))
        await self._app({**scope, "headers": headers}, receive, name)
        return not gone

    async def _open(self, id: str, lost: str | None, claims: Claims, scope: Scope) -> str | None:
        """Open a session again with the words of its client; None when there is no room."""
        async with self._opening:
            if (found := self._inner.get(id)) != lost:
                return found  # another request of the same client was first
            hello = {"jsonrpc": "2.0", "id": "again", "method": "initialize", "params": claims["params"]}
            status, headers = await self._post(scope, hello)
            inner = headers.get(MCP_SESSION_ID_HEADER)
            if status != 200 or inner is None:
                logger.warning("a session could not be opened again: status %d", status)
                return None
            with_session = ((MCP_SESSION_ID_HEADER, inner), *_version(scope))
            await self._post(scope, {"jsonrpc": "2.0", "method": "notifications/initialized"}, with_session)
            _keep(self._inner, id, inner)
            return inner

    async def _post(
        self, scope: Scope, message: dict[str, Any], more: tuple[tuple[str, str], ...] = ()
    ) -> tuple[int, Headers]:
        """Post a message of our own on behalf of the caller; return status and headers of the answer."""
        body: deque[Message] = deque([{"type": "http.request", "body": json.dumps(message).encode()}])
        found: list[Message] = []

        async def receive() -> Message:
            if not body:
                await anyio.sleep_forever()  # the caller does not go away
            return body.popleft()

        async def send(answer: Message) -> None:
            if answer["type"] == "http.response.start":
                found.append(answer)

        headers = [(name.encode(), value.encode()) for name, value in (*JSON_OR_SSE, *more)]
        with anyio.fail_after(OPENING_S):
            await self._app({**scope, "method": "POST", "headers": headers}, receive, send)
        return found[0]["status"], Headers(raw=found[0]["headers"])


def _version(scope: Scope) -> tuple[tuple[str, str], ...]:
    version = Headers(scope=scope).get(MCP_PROTOCOL_VERSION_HEADER)
    return () if version is None else ((MCP_PROTOCOL_VERSION_HEADER, version),)


def _owner(scope: Scope) -> dict[str, Any]:
    """Return whose a session is, as the SDK counts."""
    return dict(authorization_context(scope["user"]))


def _keep(known: OrderedDict[str, Any], id: str, value: Any) -> None:
    known[id] = value
    while len(known) > KNOWN:
        known.popitem(last=False)
