"""GET /healthz, /readyz, /metrics: is it there, is it up, and how is it."""

from __future__ import annotations

import math
import re

from starlette.requests import Request
from starlette.responses import Response

from aetherd import __version__
from aetherd.operations.house import House
from aetherd.web.answers import NO_STORE, json_answer
from aetherd.web.auth import Login, authenticate, only
from aetherd.web.streams import Streams

NAME = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})?", re.DOTALL)


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
        """GET /metrics: gauges in Prometheus' text form."""
        only(request, "GET", "HEAD")
        await authenticate(self._house, request.scope)
        values = {**self._house.metrics(), "aetherd_open_streams": float(len(self._streams))}
        return Response(prometheus(values), 200, NO_STORE, "text/plain; version=0.0.4")


def prometheus(values: dict[str, float]) -> str:
    """Write gauges; names may carry labels, and a family is announced once."""
    lines, announced = [], set()
    for name, value in sorted(values.items()):
        if (match := NAME.fullmatch(name)) is None:
            continue
        if match[1] not in announced:
            announced.add(match[1])
            lines.append(f"# TYPE {match[1]} gauge")
        number = value if math.isfinite(value) else math.nan
        lines.append(f"{name} {'NaN' if math.isnan(number) else repr(float(number))}")
    return "\n".join(lines) + "\n"
