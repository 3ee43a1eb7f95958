"""A house served over real sockets, operations made for testing, and clients for both."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from pydantic import Field
from websockets.asyncio.client import ClientConnection, connect

from aetherd.core.errors import Conflict, Forbidden
from aetherd.core.model import Model
from aetherd.events import Frame
from aetherd.events.hub import Subscriber
from aetherd.operations.catalog import describe
from aetherd.operations.house import House
from aetherd.operations.operation import Call, Effect, Rule, operation, operations_of
from aetherd.web import Web, web_app
from aetherd.web.server import Server, bind_tcp, bind_unix


class Said(Model):
    text: str = "nothing"
    numbers: list[int] = Field(default_factory=list)
    ratio: float | None = None
    flag: bool | None = None
    table: dict[str, Any] | None = None


class Count(Model):
    to: int = 3
    follow: bool = False


class Number(Model):
    number: int


class Lab:
    """Operations that do what a test needs."""

    def __init__(self) -> None:
        self.begun, self.cancelled = anyio.Event(), anyio.Event()

    @operation("lab.echo", effect=Effect.READ, access=Rule.ANYONE)
    async def echo(self, input: Said, call: Call) -> Said:
        """Answer what was said."""
        return input

    @operation("lab.change", access=Rule.ANYONE)
    async def change(self, input: Said, call: Call) -> Said:
        """Change something."""
        return input

    @operation("lab.slow", effect=Effect.READ, access=Rule.ANYONE)
    async def slow(self, input: Said, call: Call) -> Said:
        """Wait for ever."""
        self.begun.set()
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            self.cancelled.set()
            raise

    @operation("lab.crash", effect=Effect.READ, access=Rule.ANYONE)
    async def crash(self, input: Said, call: Call) -> Said:
        """Crash."""
        raise RuntimeError("the secret of the house")

    @operation("lab.count", effect=Effect.READ, access=Rule.ANYONE)
    async def count(self, input: Count, call: Call) -> AsyncIterator[Number]:
        """Count; with follow it does not end."""
        try:
            for number in range(1, input.to + 1):
                yield Number(number=number)
            if input.follow:
                self.begun.set()
                await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            self.cancelled.set()
            raise

    @operation("lab.break", effect=Effect.READ, access=Rule.ANYONE)
    async def breaks(self, input: Count, call: Call) -> AsyncIterator[Number]:
        """Yield one, then fail; to 0 crashes."""
        yield Number(number=1)
        if input.to == 0:
            raise RuntimeError("the secret of the house")
        raise Conflict("it broke", state="broken")


class Wire:
    """A channel that echoes, and records what it is told."""

    def __init__(self) -> None:
        self.writable = True
        self.told: list[tuple[str, Any]] = []
        self._send, self._receive = anyio.create_memory_object_stream[bytes](1000)
        self.closed = anyio.Event()
        self.heard = anyio.Event()

    def show(self, data: bytes) -> None:
        self._send.send_nowait(data)

    def finish(self) -> None:
        self._send.close()

    async def receive(self) -> bytes | None:
        try:
            return await self._receive.receive()
        except anyio.EndOfStream:
            return None

    async def send(self, data: bytes) -> None:
        if not self.writable:
            raise Forbidden("somebody else has the keyboard")
        self._send.send_nowait(data)

    async def resize(self, rows: int, cols: int) -> None:
        self.told.append(("resize", (rows, cols)))
        self.heard.set()

    async def ack(self, count: int) -> None:
        self.told.append(("ack", count))
        self.heard.set()

    @property
    def end(self) -> dict[str, Any]:
        return {"exit_code": 3}


@dataclass
class Served:
    """A house behind its HTTP face."""

    running: Any  # the `house` fixture's value
    web: Web
    port: int
    token: str
    client: httpx2.AsyncClient  # with the owner's token
    stranger: httpx2.AsyncClient  # without any credential
    lab: Lab
    server: Server = field(repr=False)

    @property
    def house(self) -> House:
        house: House = self.running.house
        return house

    @property
    def bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}

    def socket(self, path: str, headers: dict[str, str] | None = None, **options: Any) -> Any:
        """Open a WebSocket, by default with the owner's token."""
        given = self.bearer if headers is None else headers
        return connect(
            f"ws://127.0.0.1:{self.port}{path}", additional_headers=given, compression=None, proxy=None, **options
        )

    async def token_for(self, *scopes: str) -> tuple[str, str]:
        """Make a token; return its id and its secret."""
        made = await self.running.invoke("token.create", {"name": "test", "scopes": list(scopes)})
        return made.id, made.secret

    async def cookie(self) -> str:
        """Log a browser in; return its Cookie header."""
        url = (await self.client.post("/v1/login")).json()["url"]
        answer = await self.stranger.get(url)
        self.stranger.cookies.clear()
        return str(answer.headers["set-cookie"]).partition(";")[0]

    async def happen(self, count: int = 1) -> list[int]:
        """Make events; return the ids they got."""
        first = self.house.hub.newest
        for number in range(count):
            await self.running.invoke("token.create", {"name": f"event {number}"})
        return list(range(first + 1, self.house.hub.newest + 1))

    def frame(self, **changes: Any) -> None:
        """Show a frame to whoever watches."""
        self.house.hub.publish_frame(Frame(**{"kind": "gauge", "data": {"cpu": 1}, **changes}))

    def following(self) -> list[Subscriber]:
        """Return who follows the events from outside; the house's own rooms do so too."""
        groups = self.house.hub._groups.items()
        return [one for filter, members in groups if "/" in filter.viewer for one in members]

    async def subscribers(self, count: int) -> None:
        """Wait until that many follow the events."""
        with anyio.fail_after(10):
            while len(self.following()) != count:
                await anyio.sleep(0)


@asynccontextmanager
async def serve(running: Any, unix: Path | None = None, **options: Any) -> AsyncIterator[Served]:
    """Serve a house on a free loopback port."""
    lab, house = Lab(), running.house
    for op in operations_of(lab):
        house.registry.add(op)
        house.catalog["operations"].append(describe(op))
    house.ready = True
    web = web_app(house, **options)
    sock = bind_tcp("127.0.0.1", 0)
    port = sock.getsockname()[1]
    running.kernel.lifecycle.address = web.address = f"http://127.0.0.1:{port}"
    server = Server(web)
    sockets = [sock] if unix is None else [sock, bind_unix(unix)]
    token = (house.settings.home / "secrets" / "owner.token").read_text().strip()
    bearer = {"authorization": f"Bearer {token}"}
    async with anyio.create_task_group() as group:
        group.start_soon(server.serve, sockets)
        with anyio.fail_after(5):
            await server.up.wait()
        # Not to read the machine's certificates for http saves 40 ms a client.
        options = {"base_url": web.address, "timeout": 10, "trust_env": False, "verify": False}
        async with (
            httpx2.AsyncClient(headers=bearer, **options) as client,
            httpx2.AsyncClient(**options) as stranger,
        ):
            try:
                yield Served(running, web, port, token, client, stranger, lab, server)
            finally:
                server.should_exit = True


@pytest.fixture
async def served(house: Any) -> AsyncIterator[Served]:
    async with serve(house) as served:
        yield served


def error_of(response: httpx2.Response) -> tuple[int, str]:
    """Return status and code, having checked the shape of the body."""
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "data"}
    return response.status_code, body["error"]["code"]


async def sse(response: httpx2.Response) -> AsyncIterator[dict[str, str]]:
    """Yield server-sent events as dicts of their fields."""
    event: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line == "":
            if event:
                yield event
            event = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            event[name] = value.removeprefix(" ")


async def take(response: httpx2.Response, count: int) -> list[dict[str, str]]:
    """Return the next events, without the retry hint."""
    found: list[dict[str, str]] = []
    with anyio.fail_after(5):
        async for event in sse(response):
            if set(event) != {"retry"}:
                found.append(event)
            if len(found) == count:
                break
    return found


async def heard(socket: ClientConnection) -> Any:
    """Return the next JSON message."""
    with anyio.fail_after(5):
        return json.loads(await socket.recv())


async def raw(port: int, request: bytes) -> bytes:
    """Send bytes as they are; return all that comes until the server closes."""
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(request)
        found = b""
        with anyio.fail_after(5):
            while True:
                try:
                    found += await stream.receive()
                except (anyio.EndOfStream, anyio.BrokenResourceError):
                    return found
