"""/llm/{provider}/{path}: models for hosted processes, with the process's token where each SDK puts its key.

What comes back, an error too, is in the provider's own words; the daemon adds nothing but the provider's key.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import replace
from typing import Self
from urllib.parse import parse_qs

import anyio
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from aetherd.core.errors import AetherError, NotFound, Unauthenticated, Unavailable
from aetherd.operations.gateway import BODY, Answered, Asked, ModelGateway
from aetherd.operations.house import House
from aetherd.web.answers import TooLarge, TooSlow, crash
from aetherd.web.reading import BODY_S
from aetherd.web.streams import Streams, cut, gone

logger = logging.getLogger(__name__)

PREFIX = "/llm/"
FROZEN_S = 900.0  # who takes nothing for this long is cut: a paused agent asks again
LOOK_S = 30.0
HELD = 4 * BODY  # bytes of requests of one process


class Llm:
    """The route as an ASGI application."""

    def __init__(self, house: House, streams: Streams) -> None:
        self._house, self._streams = house, streams
        self._held: Counter[int | None] = Counter()  # bytes of requests, by process

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        gateway = self._house.llm
        if gateway is None:
            raise NotFound("this house has no model gateway", kind="path")
        provider, _, path = scope["path"].removeprefix(PREFIX).partition("/")
        query = scope["query_string"].decode("latin-1")
        asked = Asked(provider, path, query, scope["method"], tuple(scope["headers"]), b"")
        line = Line(send)
        try:
            token = credential(scope)
            call = await self._house.authenticate(token, "http", door=scope.get("aether.door"))
            scope["aether.call"] = call
            with self._streams.held(), Hold(self._held, call.pid) as hold:
                asked = replace(asked, body=await whole(receive, hold))
                async with anyio.create_task_group() as group:
                    group.start_soon(leaves, receive, group.cancel_scope)
                    group.start_soon(line.watch, scope, group.cancel_scope)
                    try:
                        async with gateway.ask(asked, call) as answer:
                            await line.pour(answer)
                    except AetherError as exc:
                        await line.refuse(gateway, asked, exc)
                    group.cancel_scope.cancel()
        except ClientDisconnect:
            return
        except AetherError as exc:
            await line.refuse(gateway, asked, exc)
        except Exception:
            logger.exception("%s crashed", scope["path"][:200])
            await line.refuse(gateway, asked, crash(None))
        await line.end(scope)


class Hold:
    """What a process has sent and is not done yet: bounded, however many requests it is in."""

    def __init__(self, held: Counter[int | None], pid: int | None) -> None:
        self._held, self._pid, self._size = held, pid, 0

    def __enter__(self) -> Self:
        return self

    def take(self, count: int) -> None:
        """Count more bytes; raises `Unavailable` past the bound."""
        if self._held[self._pid] + count > HELD:
            raise Unavailable(f"requests of {HELD} bytes are under way for this process; wait for one", most=HELD)
        self._held[self._pid] += count
        self._size += count

    def __exit__(self, *_: object) -> None:
        self._held[self._pid] -= self._size
        if not self._held[self._pid]:
            del self._held[self._pid]


class Line:
    """One answer on its way: begun once, ended once, and cut when nobody takes it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = self._whole = self._ended = False
        self._writing: float | None = None

    async def pour(self, answer: Answered) -> None:
        """Pass an answer on; its end is told by `end`, once it is settled."""
        await self._send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
        self._begun = True
        async for data in answer.chunks:
            self._writing = time.monotonic()
            await self._send({"type": "http.response.body", "body": data, "more_body": True})
            self._writing = None
        self._whole = True

    async def refuse(self, gateway: ModelGateway, asked: Asked, error: AetherError) -> None:
        """Say why not, unless the answer has begun."""
        if self._begun:
            return
        status, headers, body = gateway.refusal(asked, error)
        self._begun = self._ended = True
        await self._send({"type": "http.response.start", "status": status, "headers": list(headers)})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def end(self, scope: Scope) -> None:
        """End the answer; one that is not whole is cut, so that its reader does not take it for whole."""
        if self._ended:
            return
        if not self._whole:
            cut(scope)
        else:
            self._ended = True
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def watch(self, scope: Scope, group: anyio.CancelScope) -> None:
        """Cut the connection of a reader that takes nothing."""
        while True:
            await anyio.sleep(LOOK_S)
            if self._writing is not None and time.monotonic() - self._writing > FROZEN_S:
                cut(scope)
                group.cancel()


async def leaves(receive: Receive, group: anyio.CancelScope) -> None:
    """End the work when the client has left: the provider is told by a closed connection."""
    await gone(receive)
    group.cancel()


def credential(scope: Scope) -> str:
    """Find the token where SDKs put their keys; a cookie is none."""
    headers = Headers(scope=scope)
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and token.strip():
        return token.strip()
    for name in ("x-api-key", "x-goog-api-key"):
        if value := headers.get(name, "").strip():
            return value
    if values := parse_qs(scope["query_string"].decode("latin-1")).get("key"):
        return str(values[0])
    raise Unauthenticated("a credential is needed: the AETHER_TOKEN of a process, where the SDK puts its API key")


async def whole(receive: Receive, hold: Hold) -> bytes:
    """Read the body; raises `TooLarge`, `TooSlow`, `Unavailable`."""
    parts: list[bytes] = []
    size = 0
    try:
        with anyio.fail_after(BODY_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                part = message.get("body", b"")
                size += len(part)
                if size > BODY:
                    raise TooLarge(f"the request is larger than {BODY} bytes", limit=BODY)
                hold.take(len(part))
                parts.append(part)
                if not message.get("more_body", False):
                    return parts[0] if len(parts) == 1 else b"".join(parts)
    except TimeoutError:
        raise TooSlow("the body did not arrive in time") from None
