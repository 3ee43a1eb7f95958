"""Answers that every route gives alike: JSON, the one error body, and a refusal before a WebSocket opens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from aetherd.core.errors import AetherError, Internal, Invalid

NO_STORE = {"cache-control": "no-store"}


class BadRequest(Invalid):
    """Raised when the request itself, not an operation's input, is wrong."""

    status = 400


class MethodNotAllowed(Invalid):
    """Raised when the path exists but not for this method; `allow` names those it has."""

    status = 405


class TooLarge(Invalid):
    """Raised when a body is over the bound."""

    status = 413


class UnsupportedMedia(Invalid):
    """Raised when the body is not what its route takes."""

    status = 415


class TooSlow(Invalid):
    """Raised when a body does not arrive in time."""

    status = 408


class Misdirected(Invalid):
    """Raised when the Host header names somebody else: DNS rebinding, or a proxy that rewrites it."""

    status = 421


def json_answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON; `body` may be finished bytes or text."""
    if not isinstance(body, bytes | str):
        body = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(body, status, {**NO_STORE, **(headers or {})}, "application/json")


def error_answer(error: AetherError) -> Response:
    """Answer with the error body, and the headers its status asks for."""
    headers = {}
    if error.status == 401:
        headers["www-authenticate"] = 'Bearer realm="aetherd"'
    if isinstance(error, MethodNotAllowed):
        headers["allow"] = ", ".join(error.data.get("allow", ()))
    return json_answer(json.dumps(error.body(), default=str), error.status, headers)


def crash(call: str | None) -> Internal:
    """Return what a caller may know of a crash; the rest is in the log, under the call's id."""
    return Internal("internal error; the daemon's log has the details", **({"call": call} if call else {}))


async def refuse(answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send an answer; a WebSocket is refused with it before the upgrade."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    await answer(scope, receive, send)
