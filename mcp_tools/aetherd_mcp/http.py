"""MCP over Streamable HTTP at `/mcp`, both eras, under a bearer that was made for this server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from aetherd.core.errors import AetherError, Forbidden, Unauthenticated
from aetherd.operations.grants import OFFERED, reached_at
from aetherd.operations.house import House
from aetherd.operations.operation import Call
from aetherd_mcp.bounds import Checked, Room
from aetherd_mcp.caller import Credential, credential
from aetherd_mcp.lasting import LastingSessions
from aetherd_mcp.menu import Filled
from aetherd_mcp.names import operation_name
from aetherd_mcp.replay import RETRY_MS, Sessions
from aetherd_mcp.server import ToolServer

SESSIONS = 1000


class McpHttp:
    """The ASGI app behind `/mcp`. Host and Origin are checked by the web face in front of it, as for every path."""

    def __init__(self, house: House, tools: ToolServer) -> None:
        self._house = house
        self._manager = Sessions(
            app=tools.server,
            retry_interval=RETRY_MS,
            json_response=False,
            max_sessions=SESSIONS,
            security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )
        self.room = Room(self._manager.asgi_app, SESSIONS)
        self._sessions = LastingSessions(self.room, house.settings.home / "secrets")
        self._app = Filled(Checked(self._sessions), tools.menus)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Own the sessions."""
        await self._sessions.load()
        async with self._manager.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the bearer, then serve as that principal; a session belongs to the principal that opened it."""
        header = Headers(scope=scope).get("authorization", "")
        kind, _, token = header.partition(" ")
        token, door = token.strip(), scope.get("aether.door")
        try:
            if kind.lower() != "bearer" or not token:
                raise Unauthenticated("/mcp needs `Authorization: Bearer <token>`; `aetherctl token create` makes one")
            call = await self._house.authenticate(token, "mcp", door=door)
            self._ask_for_more(scope, call)
        except AetherError as exc:
            await _refuse(scope, send, exc, given=bool(header))
            return
        # An OAuth client keeps its sessions when it renews its tokens.
        principal = call.client or call.token or ""
        user = AuthenticatedUser(
            AccessToken(token=token, client_id=principal, scopes=sorted(call.scopes), subject=call.actor)
        )
        scope["user"], scope["aether.call"] = user, call
        who, sdk = credential.set(Credential(token, door)), auth_context_var.set(user)
        try:
            await self._app(scope, receive, send)
        finally:
            credential.reset(who)
            auth_context_var.reset(sdk)

    def _ask_for_more(self, scope: Scope, call: Call) -> None:
        """Tell an OAuth client which scope a tool needs, so that it asks the person again instead of failing.

        The header only leads to a refusal: whether the call may run is decided where every call is. Who has a
        token of a person's own making cannot ask for more, and gets the tool's error, which a model can read.
        """
        headers = Headers(scope=scope)
        if call.client is None or headers.get("mcp-method") != "tools/call":
            return
        op = self._house.registry.get(operation_name(headers.get("mcp-name", "")))
        if op is not None and not call.has(op.scope) and not op.scope.endswith(":admin"):
            raise Forbidden(f"{op.name} needs the scope {op.scope}", scope=op.scope)


async def _refuse(scope: Scope, send: Send, exc: AetherError, *, given: bool) -> None:
    body = json.dumps(exc.body()).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"www-authenticate", challenge(reached_at(scope), exc if given else None).encode()),
    ]
    await send({"type": "http.response.start", "status": exc.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def challenge(origin: str, wrong: AetherError | None) -> str:
    """Say how to come in (RFC 6750, RFC 9728); what is wrong only to who brought something."""
    parts = {"realm": "aetherd"}
    if wrong is not None:
        said = wrong.message.encode("ascii", "replace").decode().replace('"', "'").replace("\\", "/")
        error = "insufficient_scope" if isinstance(wrong, Forbidden) else "invalid_token"
        parts |= {"error": error, "error_description": said}
    parts |= {
        "resource_metadata": f"{origin}/.well-known/oauth-protected-resource/mcp",
        "scope": wrong.data["scope"] if isinstance(wrong, Forbidden) else " ".join(OFFERED),
    }
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parts.items())
