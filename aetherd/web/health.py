"""GET /healthz, /readyz, /metrics: is it there, is it up, and how is it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aetherd import __version__
from aetherd.core.errors import Unavailable
from aetherd.operations.house import House
from aetherd.web.answers import NO_STORE, json_answer
from aetherd.web.auth import Login, authenticate, only
from aetherd.web.streams import Streams

TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Health:
    """What watchers ask."""

    def __init__(self, house: House, streams: Streams, login: Login) -> None:
        self._house, self._streams, self._login = house, streams, login

    async def alive(self, request: Request) -> Response:
        """GET /healthz: the process answers; the one route without a credential."""
        only(request, "GET", "HEAD")
        return json_answer({"ok": True, "version": __version__})

    async def ready(self, request: Request) -> Response:
        """GET /readyz: every room is up and the store takes writes; 503 until then."""
        only(request, "GET", "HEAD")
        await authenticate(self._house, request.scope)
        rooms = self._house.health()
        stored = bool(rooms.get("store", {}).get("ok", True))
        ready = self._house.ready and stored and not self._streams.stopping
        body = {"ready": ready, "version": __version__, "address": self._login.where, "rooms": rooms}
        return json_answer(body, 200 if ready else 503)

    async def metrics(self, request: Request) -> Response:
        """GET /metrics: all series in Prometheus' text form."""
        only(request, "GET", "HEAD")
        call, _ = await authenticate(self._house, request.scope)
        if self._house.metrics is None:
            raise Unavailable("this house counts nothing: it has no room `metric`")
        text = await self._house.metrics(call, {"aetherd_open_streams": float(len(self._streams))})
        return Response(text, 200, NO_STORE, TEXT)
