"""Byte channels: a terminal's bytes over a WebSocket."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from web_lab import Served, Wire, heard, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from aetherd.core.errors import NotFound, Unauthenticated
from aetherd.operations.operation import Call

pytestmark = pytest.mark.anyio


class Attach:
    """What a room offers: opens by ticket, or for a caller."""

    def __init__(self) -> None:
        self.wire, self.calls = Wire(), 0

    @asynccontextmanager
    async def __call__(self, key: str, ticket: str | None, call: Call | None) -> AsyncIterator[Wire]:
        self.calls += 1
        if ticket is not None and ticket != "good":
            raise Unauthenticated("this ticket was used already")
        assert ticket is not None or call is not None
        if key != "term_1":
            raise NotFound(f"no terminal {key}")
        with self.wire._send, self.wire._receive:
            yield self.wire
        self.wire.closed.set()


@pytest.fixture
async def attached(house: Any) -> AsyncIterator[tuple[Served, Attach]]:
    attach = Attach()
    house.house.attach = {"terminal": attach}
    async with serve(house) as served:
        yield served, attach


PATH = "/v1/attach/terminal/term_1"


async def test_bytes_go_both_ways(attached: tuple[Served, Attach]) -> None:
    served, attach = attached
    async with served.socket(f"{PATH}?ticket=good", {}) as socket:
        assert await heard(socket) == {"t": "h", "writable": True}
        await socket.send(b"\x00\xff\x1b[A")
        assert await socket.recv() == b"\x00\xff\x1b[A"
        await socket.send('{"t":"r","c":120,"r":40}')
        await socket.send('{"t":"a","n":65536}')
        with anyio.fail_after(5):
            while len(attach.wire.told) < 2:
                attach.wire.heard = anyio.Event()
                await attach.wire.heard.wait()
        assert attach.wire.told == [("resize", (40, 120)), ("ack", 65536)]
    with anyio.fail_after(5):
        await attach.wire.closed.wait()


async def test_a_ticket_is_never_logged(attached: tuple[Served, Attach], caplog: pytest.LogCaptureFixture) -> None:
    served, _ = attached
    with caplog.at_level(logging.DEBUG):
        async with served.socket(f"{PATH}?ticket=good", {}, logger=logging.getLogger("silent")) as socket:
            await heard(socket)
    assert not [record for record in caplog.records if "ticket" in record.getMessage() and record.name != "silent"]


async def test_what_waits_is_joined_into_one_frame(attached: tuple[Served, Attach]) -> None:
    served, attach = attached
    for number in range(500):
        attach.wire.show(b"line %03d\n" % number)
    async with served.socket(PATH) as socket:
        await heard(socket)
        frames, found = 0, b""
        with anyio.fail_after(5):
            while not found.endswith(b"line 499\n"):
                found += await socket.recv()
                frames += 1
        assert found.count(b"\n") == 500
        assert frames < 20


async def test_the_end_is_told(attached: tuple[Served, Attach]) -> None:
    served, attach = attached
    attach.wire.show(b"bye")
    attach.wire.finish()
    async with served.socket(PATH) as socket:
        await heard(socket)
        assert await socket.recv() == b"bye"
        assert await heard(socket) == {"t": "x", "exit_code": 3}
        with pytest.raises(ConnectionClosed) as closed, anyio.fail_after(5):
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1000


async def test_refused_input_is_told_and_the_viewer_stays(attached: tuple[Served, Attach]) -> None:
    served, attach = attached
    attach.wire.writable = False
    async with served.socket(PATH) as socket:
        assert await heard(socket) == {"t": "h", "writable": False}
        await socket.send(b"x")
        assert (await heard(socket))["message"] == "somebody else has the keyboard"
        attach.wire.show(b"still here")
        assert await socket.recv() == b"still here"


async def test_nonsense_is_told_and_the_viewer_stays(attached: tuple[Served, Attach]) -> None:
    served, attach = attached
    hostile = ("", "x", "[]", '{"t":"r","c":0,"r":40}', '{"t":"r","c":"1","r":1}', '{"t":"a","n":-1}', '{"t":"z"}')
    async with served.socket(PATH) as socket:
        await heard(socket)
        for text in hostile:
            await socket.send(text)
            assert (await heard(socket))["t"] == "e"
        await socket.send(b"alive")
        assert await socket.recv() == b"alive"
    assert attach.wire.told == []


async def test_who_may_not_is_refused_before_the_upgrade(attached: tuple[Served, Attach]) -> None:
    served, _ = attached
    cookie = await served.cookie()
    own = {"cookie": cookie, "origin": f"http://127.0.0.1:{served.port}"}
    for path, headers, status in (
        (PATH, {}, 401),
        (f"{PATH}?ticket=used", served.bearer, 401),
        (f"{PATH}?ticket=good", {"origin": "http://evil.test"}, 403),
        (PATH, {"cookie": cookie, "origin": "http://evil.test"}, 403),
        ("/v1/attach/terminal/term_2", own, 404),
    ):
        with pytest.raises(InvalidStatus) as refused:
            async with served.socket(path, headers):
                pass
        assert refused.value.response.status_code == status, path
        assert "error" in json.loads(refused.value.response.body or b"")
    async with served.socket(PATH, own) as socket:
        assert (await heard(socket))["t"] == "h"


async def test_a_flood_arrives_whole(attached: tuple[Served, Attach]) -> None:
    served, attach = attached
    chunk = bytes(range(256)) * 256
    sent, got = hashlib.sha256(), hashlib.sha256()

    async def flood() -> None:
        for _ in range(200):
            sent.update(chunk)
            await attach.wire._send.send(chunk)
        attach.wire._send.close()

    async with served.socket(PATH, max_size=None) as socket, anyio.create_task_group() as group:
        group.start_soon(flood)
        with anyio.fail_after(20):
            async for message in socket:
                if isinstance(message, bytes):
                    got.update(message)
    assert got.digest() == sent.digest()
