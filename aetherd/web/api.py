"""Operations over HTTP: one route; answers are JSON, or server-sent events for operations that stream."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeVar, cast

import anyio
from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive

from aetherd.core.errors import AetherError
from aetherd.operations.house import House
from aetherd.operations.operation import Call, Effect
from aetherd.web.answers import MethodNotAllowed, crash, error_answer, json_answer
from aetherd.web.auth import authenticate, only
from aetherd.web.openapi import openapi
from aetherd.web.reading import from_query, json_body
from aetherd.web.streams import EventStream, Stopping, Streams, gone

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Api:
    """POST /v1/{operation}, GET where nothing changes, and the documents that describe them."""

    def __init__(self, house: House, streams: Streams) -> None:
        self._house, self._streams = house, streams
        self._schemas = {entry["name"]: entry["input"] for entry in house.catalog.get("operations", ())}
        self._documents: dict[str, tuple[bytes, str]] = {}

    async def operation(self, request: Request) -> ASGIApp:
        """Run one operation."""
        call, credential = await authenticate(self._house, request.scope)
        name = request.path_params["operation"]
        raw = await self._input(name, request)
        sse = "text/event-stream" in request.headers.get("accept", "")
        streams = name in self._house.registry and self._house.registry[name].streams

        if not streams:
            result = await watched(request.receive, lambda: self._house.dispatcher.invoke(name, raw, call))
            return json_answer(cast(BaseModel, result).model_dump_json())

        items = cast(AsyncIterator[BaseModel], await self._house.dispatcher.invoke(name, raw, call))
        if sse:

            async def recheck() -> None:
                await self._house.authenticate(credential.token, "http", door=request.scope.get("aether.door"))

            return EventStream(self._streams, told(items, call), recheck)
        last = await self._collect(items, request.receive)
        return json_answer("{}" if last is None else last.model_dump_json())

    async def _input(self, name: str, request: Request) -> dict[str, Any]:
        if request.method == "POST":
            return await json_body(request)
        if request.method == "GET":
            if name in self._house.registry and self._house.registry[name].effect is not Effect.READ:
                raise MethodNotAllowed(f"{name} changes something: POST it", allow=["POST"])
            return from_query(request.query_params, self._schemas.get(name, {}))
        reads = name in self._house.registry and self._house.registry[name].effect is Effect.READ
        raise MethodNotAllowed(f"{request.method} is not for operations", allow=["POST", "GET"] if reads else ["POST"])

    async def _collect(self, items: AsyncIterator[BaseModel], receive: Receive) -> BaseModel | None:
        """Wait for the last item of a stream; a stop of the daemon does not wait for it."""
        last: BaseModel | None = None
        ended = False

        async def run() -> None:
            nonlocal last, ended
            async with aclosing(items) as source:  # type: ignore[type-var]
                async for item in source:
                    last = item
            ended = True

        with self._streams.held():
            await watched(receive, run)
        if not ended:
            raise Stopping
        return last

    async def catalog(self, request: Request) -> Response:
        """GET /v1/catalog: the wire contract of this daemon."""
        return await self._document(request, "catalog", lambda: self._house.catalog)

    async def openapi(self, request: Request) -> Response:
        """GET /v1/openapi.json: the same, in the words of OpenAPI."""
        return await self._document(request, "openapi", lambda: openapi(self._house.catalog))

    async def _document(self, request: Request, name: str, make: Callable[[], dict[str, Any]]) -> Response:
        only(request, "GET", "HEAD")
        await authenticate(self._house, request.scope)
        if name not in self._documents:
            body = json.dumps(make(), ensure_ascii=False, separators=(",", ":")).encode()
            self._documents[name] = body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        body, etag = self._documents[name]
        headers = {"etag": etag, "cache-control": "private, no-cache"}
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return json_answer(body, headers=headers)


async def told(items: AsyncIterator[BaseModel], call: Call) -> AsyncIterator[bytes]:
    """Write a stream of outputs as server-sent events: items, then `end` or `error`."""
    try:
        async with aclosing(items) as source:  # type: ignore[type-var]
            async for item in source:
                yield f"event: item\ndata: {item.model_dump_json()}\n\n".encode()
    except AetherError as exc:
        yield error_event(exc)
    except Exception:
        logger.exception("a stream crashed")
        yield error_event(crash(call.id))
    else:
        yield b"event: end\ndata:\n\n"


def error_event(error: AetherError) -> bytes:
    """Return the error body as a server-sent event."""
    return b"event: error\ndata: " + bytes(error_answer(error).body) + b"\n\n"


async def watched(receive: Receive, work: Callable[[], Awaitable[T]]) -> T:
    """Run the work, but stop it when the client leaves; raises `ClientDisconnect` then."""
    done: list[T] = []
    left = False
    failure: Exception | None = None
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            nonlocal left
            await gone(receive)
            left = True
            group.cancel_scope.cancel()

        group.start_soon(watch)
        try:
            done.append(await work())
        except Exception as exc:  # carried out of the task group as it is
            failure = exc
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if left and not done:
        raise ClientDisconnect
    return done[0]
