"""GET /v1/events: the event log as server-sent events, from any id, without a gap."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.types import ASGIApp

from aetherd.events import Batch, Filter, Resync
from aetherd.operations.house import House
from aetherd.operations.operation import Call
from aetherd.web.answers import BadRequest
from aetherd.web.auth import authenticate, only
from aetherd.web.streams import EventStream, Streams

TYPES = 100


def filter_for(
    house: House, call: Call, types: tuple[str, ...] = (), pid: int | None = None, agent: str | None = None
) -> Filter:
    """Return what the caller wants and may see; callers of equal rights share one evaluation."""
    return Filter(f"{call.user}/{call.org}/{call.agent}", house.sees(call), types, pid, agent)


def event_id(text: str | None, what: str) -> int | None:
    """Read an event id."""
    if text is None or text == "":
        return None
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise BadRequest(f"{what} is not an event id", value=text[:100])
    return int(text)


class Events:
    """The event stream."""

    def __init__(self, house: House, streams: Streams) -> None:
        self._house, self._streams = house, streams

    async def stream(self, request: Request) -> ASGIApp:
        """Follow the log; `follow=false` ends at the newest event, `tail=n` starts n ids before it."""
        only(request, "GET")
        call, credential = await authenticate(self._house, request.scope)
        query = request.query_params
        since = event_id(request.headers.get("last-event-id"), "Last-Event-ID")
        if since is None:
            since = event_id(query.get("since"), "since")
        tail = event_id(query.get("tail"), "tail")
        if since is None and tail is not None:
            since = max(0, self._house.hub.newest - tail)
        types = tuple(sorted({name for value in query.getlist("types") for name in value.split(",") if name}))
        if len(types) > TYPES:
            raise BadRequest(f"at most {TYPES} types")
        wanted = filter_for(self._house, call, types, event_id(query.get("pid"), "pid"), query.get("agent") or None)
        follow = query.get("follow", "true").lower() not in ("false", "0")
        newest = self._house.hub.newest
        since = newest if since is None else since  # fixed now: what happens from here on is not missed
        source = self._live(wanted, since) if follow else self._past(wanted, since, newest)

        async def recheck() -> None:
            await self._house.authenticate(credential.token, "http", door=request.scope.get("aether.door"))

        return EventStream(self._streams, source, recheck)

    async def _live(self, wanted: Filter, since: int) -> AsyncIterator[bytes]:
        yield b"retry: 1000\n\n"
        with self._house.hub.subscribe(wanted, since) as subscriber:
            async for item in subscriber.stream():
                if isinstance(item, Batch):
                    yield item.sse
                elif isinstance(item, Resync):
                    yield resync(item)

    async def _past(self, wanted: Filter, since: int, until: int) -> AsyncIterator[bytes]:
        oldest, _ = await self._house.hub.bounds()
        if since < oldest - 1:
            since = oldest - 1
            yield resync(Resync(since, lost=True))
        while since < until:
            page = await self._house.hub.page(wanted, since, until)
            since = page[-1].id if page else until
            if seen := [event for event in page if wanted.matches(event)]:
                yield Batch(seen).sse


def resync(marker: Resync) -> bytes:
    """Say that the stream jumped: events after `since` follow; `lost` when older ones are gone for good."""
    data = json.dumps({"since": marker.since, "lost": marker.lost})
    return f"event: resync\ndata: {data}\n\n".encode()
