"""Assembles the HTTP face: every route in one list, behind one boundary."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from aetherd.core.errors import NotFound
from aetherd.operations.house import House
from aetherd.web.api import Api
from aetherd.web.attach import Attached
from aetherd.web.auth import Login
from aetherd.web.boundary import Boundary
from aetherd.web.console import Console
from aetherd.web.events import Events
from aetherd.web.files import Files
from aetherd.web.health import Health
from aetherd.web.llm import PREFIX, Llm
from aetherd.web.oauth import OAuth
from aetherd.web.streams import Streams
from aetherd.web.ws import Socket

AT_A_DOOR = ("/mcp", "/v1/", "/llm/", "/healthz")  # what a hosted process reaches at its own socket


class Web:
    """The HTTP face as one ASGI application. Call `stop` when the daemon begins to end."""

    def __init__(self, house: House, *, mcp: ASGIApp | None = None) -> None:
        self.streams = Streams()
        self.login = Login(house)
        self._mcp, self._llm = mcp, Llm(house, self.streams)
        api, events = Api(house, self.streams), Events(house, self.streams)
        health, oauth = Health(house, self.streams, self.login), OAuth(house, self.login)
        self._router = Router(
            [
                route("/healthz", health.alive),
                route("/readyz", health.ready),
                route("/metrics", health.metrics),
                route("/login", self.login.follow_link),
                route("/.well-known/oauth-protected-resource", oauth.resource),
                route("/.well-known/oauth-protected-resource/mcp", oauth.resource),
                route("/.well-known/oauth-authorization-server", oauth.server),
                route("/register", oauth.register),
                route("/authorize", oauth.authorize),
                route("/token", oauth.token),
                route("/revoke", oauth.revoke),
                route("/v1/login", self.login.make_link),
                route("/v1/logout", self.login.end),
                route("/v1/refresh", self.login.refresh),
                route("/v1/catalog", api.catalog),
                route("/v1/openapi.json", api.openapi),
                route("/v1/events", events.stream),
                WebSocketRoute("/v1/ws", Plain(Socket(house, self.streams))),
                WebSocketRoute("/v1/attach/{kind}/{key:path}", Plain(Attached(house, self.streams))),
                route("/v1/files/{agent}/{path:path}", Files(house).body),
                route("/v1/{operation}", api.operation),
                route("/{path:path}", Console(house.static).file),
            ],
            redirect_slashes=False,
            default=nothing_here,
        )
        self._inside = Boundary(self._answer)

    @property
    def address(self) -> str:
        """Where people reach the console; set it once the port is bound."""
        return self.login.where

    @address.setter
    def address(self, value: str) -> None:
        self.login.address = value

    def stop(self) -> None:
        """End every open stream and socket; call it on the event loop, before uvicorn waits for them."""
        self.streams.stop()

    def finish(self) -> None:
        """End the calls that still run a while after `stop`."""
        self.streams.finish()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await self._inside(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.streams.calling():
            await self._route(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if (door := scope.get("state", {}).get("door")) is not None:
            scope["aether.door"] = door
            if not path.startswith(AT_A_DOOR):
                raise NotFound("a process is served /mcp, /v1, /llm and /healthz here")
        if self._mcp is not None and (path == "/mcp" or path.startswith("/mcp/")):
            await self._mcp(scope, receive, send)  # which looks at the bearer itself
        elif path.startswith(PREFIX) and scope["type"] == "http":
            await self._llm(scope, receive, send)  # and so does this: a token can be where an SDK puts its key
        else:
            await self._router(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


class Plain:
    """An ASGI application as Starlette wants one: an object, not a function."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass through."""
        await self._app(scope, receive, send)


class Endpoint:
    """A route's function as an ASGI application; errors pass through to the boundary."""

    def __init__(self, function: object) -> None:
        self._function = function

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask for the answer, and send it."""
        answer = await self._function(Request(scope, receive, send))  # type: ignore[operator]
        await answer(scope, receive, send)


def route(path: str, function: object) -> Route:
    """Return a route for all methods; its function says which it takes."""
    return Route(path, Endpoint(function), include_in_schema=False)


async def nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what no route matches: WebSockets to somewhere else."""
    raise NotFound("there is nothing at this path", kind="path", id=scope["path"][:200])


def web_app(house: House, *, mcp: ASGIApp | None = None) -> Web:
    """Return the HTTP face of a house."""
    return Web(house, mcp=mcp)
