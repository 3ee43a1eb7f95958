"""The outer wall of the HTTP face: who may address us, from which page, how much; and what answers carry.

The same rules for REST, SSE, WebSockets, MCP and byte channels, on loopback as anywhere.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aetherd.core.errors import AetherError, Forbidden
from aetherd.web.answers import BadRequest, Misdirected, TooLarge, crash, error_answer, refuse
from aetherd.web.streams import Stopping

logger = logging.getLogger(__name__)

BODY = 4 * 1024 * 1024
OWN_BOUND = ("/v1/files/", "/llm/")  # bodies that are larger, and bounded where they are read
HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(?::(\d{1,5}))?", re.IGNORECASE | re.ASCII)
API = ("/v1/", "/mcp", "/llm", "/hooks", "/metrics", "/readyz")

# Styles may be inline because the terminal draws with them; scripts never.
PAGE_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", PAGE_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


class Boundary:
    """Checks every request before any route sees it, and turns every failure into the one error body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer why not."""
        started = answered = ending = False

        async def sending(message: Message) -> None:
            nonlocal started, answered
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                started = True
                message["headers"] = with_ours(message.get("headers", ()))
            elif message["type"] == "websocket.accept":
                started = True
            elif message["type"] == "http.response.body":
                answered = not message.get("more_body", False)
            await send(message)

        try:
            check_host(scope)
            check_origin(scope)
            if scope["type"] == "http" and not scope["path"].startswith(OWN_BOUND):
                receive = bounded(scope, receive)
            await self._app(scope, receive, sending)
            return
        except ClientDisconnect:
            return
        except AetherError as exc:
            answer, ending = error_answer(exc), isinstance(exc, Stopping)
        except Exception:
            call = scope.get("aether.call")
            logger.exception("%s crashed", scope["path"][:200])
            answer = error_answer(crash(None if call is None else call.id))
        if not started:
            await refuse(answer, scope, receive, sending)
        elif ending and scope["type"] == "http" and not answered:
            with suppress(Exception):  # its length may be promised already; then the connection just ends
                await send({"type": "http.response.body", "body": b"", "more_body": False})


def with_ours(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Add the security headers that the answer does not set itself."""
    given = {name.lower() for name, _ in headers}
    return [*headers, *((name, value) for name, value in HEADERS if name not in given)]


def check_host(scope: Scope) -> None:
    """Refuse a Host that is not this machine: with DNS rebinding a foreign page would be our own origin."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1 or HOST.fullmatch(hosts[0].decode("latin-1")) is None:
        raise Misdirected("this Host is not served here; use 127.0.0.1 or localhost")


def check_origin(scope: Scope) -> None:
    """Refuse what a foreign page sends; a browser marks it with Origin or Sec-Fetch-Site."""
    headers = Headers(scope=scope)
    origins = headers.getlist("origin")
    if origins:
        if len(origins) > 1 or not own_origin(origins[0], headers["host"], scope):
            raise Forbidden("requests from other pages are refused", origin=origins[0][:200])
        return
    site = headers.get("sec-fetch-site")
    if site is None or site in ("same-origin", "none"):
        return
    # A link from elsewhere may open the console, which then shows nothing without the strict cookie.
    opens_page = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    if scope["type"] == "http" and scope["method"] == "GET" and opens_page and not scope["path"].startswith(API):
        return
    raise Forbidden("requests from other pages are refused")


def own_origin(origin: str, host: str, scope: Scope) -> bool:
    """Tell whether a page of ours sent this: one of this machine's names, at the port it was reached by.

    The port counts, since cookies do not keep ports apart: another program's page on localhost is foreign.
    It may be the Host header's port too: a tunnel or a sandbox's own door has another one than the socket.
    """
    if not origin.startswith("http://") or (match := HOST.fullmatch(origin[7:])) is None:
        return False
    port = int(match[2] or 80)
    named = HOST.fullmatch(host)
    server = scope.get("server")
    return port in (int((named and named[2]) or 80), server[1] if server else None)


def bounded(scope: Scope, receive: Receive) -> Receive:
    """Refuse a body over the bound, announced or not."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit():
                raise BadRequest("content-length is not a number")
            if len(value) > 18 or int(value) > BODY:
                raise TooLarge(f"the body is larger than {BODY} bytes", limit=BODY)
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > BODY:
                raise TooLarge(f"the body is larger than {BODY} bytes", limit=BODY)
        return message

    return counted
