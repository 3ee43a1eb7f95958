"""Credentials: a bearer token or the session cookie becomes a Call; how a browser gets that cookie."""

from __future__ import annotations

import html
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Scope

from aetherd.core.errors import Forbidden, Invalid, Unauthenticated
from aetherd.operations.house import House
from aetherd.operations.operation import Call, Face
from aetherd.web.answers import NO_STORE, MethodNotAllowed, json_answer

COOKIE = "aether_session"
COOKIE_S = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Credential:
    """What came with a request."""

    token: str
    cookie: bool  # sent by a browser by itself, so a foreign page could have caused it


def credential(scope: Scope) -> Credential:
    """Find the credential of a request; the Authorization header wins."""
    headers = Headers(scope=scope)
    authorization = headers.get("authorization")
    if authorization is not None:
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise Unauthenticated("the Authorization header is not `Bearer TOKEN`")
        return Credential(token.strip(), cookie=False)
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE and value:
            return Credential(value, cookie=True)
    raise Unauthenticated("a credential is needed: `Authorization: Bearer TOKEN`, or `aetherctl console` for a browser")


async def authenticate(house: House, scope: Scope, face: Face = "http") -> tuple[Call, Credential]:
    """Return who is calling; the Call is also kept in the scope, for the answer to a crash."""
    found = credential(scope)
    if found.cookie and scope["type"] == "websocket" and not Headers(scope=scope).get("origin"):
        raise Forbidden("a WebSocket opened by cookie needs an Origin header")
    call = await house.authenticate(found.token, face, door=scope.get("aether.door"))
    scope["aether.call"] = call
    return call, found


class Login:
    """The routes that make and end a browser's session."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.address: str | None = None  # where people reach the console, known once the port is bound

    async def make_link(self, request: Request) -> Response:
        """POST /v1/login: a one-time link that opens the console."""
        only(request, "POST")
        call, _ = await authenticate(self._house, request.scope)
        code = await self._house.sessions.open_link(call)
        return json_answer({"url": f"{self.base(request.scope)}/login?code={code}"})

    async def follow_link(self, request: Request) -> Response:
        """GET /login?code=: spend the link, set the cookie, go to the console."""
        only(request, "GET")  # not HEAD: whoever previews a link must not spend it
        if "prefetch" in request.headers.get("sec-purpose", "") or request.headers.get("purpose") == "prefetch":
            return failed_page("This link opens the console once; it is not for prefetching.")
        code = request.query_params.get("code", "")
        if not code:
            return failed_page("This page needs a login link.")
        try:
            token = await self._house.sessions.redeem(code)
        except Unauthenticated as exc:
            return failed_page(f"{exc.message[:1].upper()}{exc.message[1:]}.")
        answer = RedirectResponse("/", 303, NO_STORE)
        set_cookie(answer, token)
        return answer

    async def end(self, request: Request) -> Response:
        """POST /v1/logout: end the session and drop the cookie."""
        only(request, "POST")
        _, found = await authenticate(self._house, request.scope)
        await self._house.sessions.end(found.token)
        answer = json_answer({"ok": True})
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    async def refresh(self, request: Request) -> Response:
        """POST /v1/refresh: replace a browser's session by a new one with its full time."""
        only(request, "POST")
        call, found = await authenticate(self._house, request.scope)
        if not found.cookie:
            raise Invalid("only a browser's session is refreshed; a token keeps its time")
        token = await self._house.sessions.redeem(await self._house.sessions.open_link(call))
        await self._house.sessions.end(found.token)
        answer = json_answer({"ok": True})
        set_cookie(answer, token)
        return answer

    def base(self, scope: Scope) -> str:
        """Return the address to show: as the caller reached us, or the port when it came by socket."""
        server = scope.get("server")
        if server and server[1] is not None:
            return f"http://{Headers(scope=scope)['host']}"
        return self.where

    @property
    def where(self) -> str:
        """The address people use."""
        settings = self._house.settings
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        return self.address or f"http://{host}:{settings.port}"


def only(request: Request, *methods: str) -> None:
    """Refuse other methods."""
    if request.method not in methods:
        raise MethodNotAllowed(f"{request.method} is not for {request.url.path[:200]}", allow=list(methods))


def set_cookie(answer: Response, token: str) -> None:
    """Give the browser its session; not `Secure`, because loopback speaks plain HTTP."""
    answer.set_cookie(COOKIE, token, max_age=COOKIE_S, path="/", httponly=True, samesite="strict")


def failed_page(why: str) -> Response:
    """Say what to do instead of a dead link."""
    return HTMLResponse(page("This link does not work", html.escape(why), "aetherctl console"), 401, NO_STORE)


def page(title: str, text: str, command: str = "") -> str:
    """Return a small page, with one command to run if there is one."""
    run = f"<p>In a terminal: <code>{command}</code></p>" if command else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>aetherd</title>'
        '<meta name="viewport" content="width=device-width">'
        "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:20vh auto;padding:0 1rem;"
        "color-scheme:light dark}code{font-size:1.1em}</style>"
        f"<h1>{title}</h1><p>{text}</p>{run}</html>"
    )
