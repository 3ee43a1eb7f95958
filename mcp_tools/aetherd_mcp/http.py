"""MCP over Streamable HTTP at `/mcp`, both eras, under a bearer that was made for this server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from aetherd.core.errors import AetherError, Unauthenticated
from aetherd.operations.house import House
from aetherd_mcp.server import Credential, ToolServer, credential

SESSIONS = 1000


class McpHttp:
    """The ASGI app behind `/mcp`. Host and Origin are checked by the web face in front of it, as for every path."""

    def __init__(self, house: House, tools: ToolServer) -> None:
        self._house = house
        self._manager = StreamableHTTPSessionManager(
            app=tools.server,
            json_response=False,
            max_sessions=SESSIONS,
            security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Own the sessions."""
        async with self._manager.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the bearer, then serve as that principal; a session belongs to the principal that opened it."""
        header = Headers(scope=scope).get("authorization", "")
        kind, _, token = header.partition(" ")
        try:
            if kind.lower() != "bearer" or not token:
                raise Unauthenticated("/mcp needs `Authorization: Bearer <token>`; `aetherctl token create` makes one")
            call = await self._house.authenticate(token.strip(), "mcp")
        except AetherError as exc:
            await _refuse(send, exc)
            return
        user = AuthenticatedUser(
            AccessToken(token=token, client_id=call.token or "", scopes=sorted(call.scopes), subject=call.actor)
        )
        scope["user"] = user
        who, sdk = credential.set(Credential(token.strip())), auth_context_var.set(user)
        try:
            await self._manager.asgi_app(scope, receive, send)
        finally:
            credential.reset(who)
            auth_context_var.reset(sdk)


async def _refuse(send: Send, exc: AetherError) -> None:
    body = json.dumps(exc.body()).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"www-authenticate", b'Bearer realm="aetherd", error="invalid_token"'),
    ]
    await send({"type": "http.response.start", "status": exc.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
