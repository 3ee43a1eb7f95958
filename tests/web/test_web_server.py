"""The server around the face: its bounds, its sockets, its end."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest
from web_lab import Served, serve, served
from websockets.exceptions import ConnectionClosed

from aetherd.core.errors import Unavailable
from aetherd.web import server
from aetherd.web.server import bind_tcp

pytestmark = pytest.mark.anyio

__all__ = ["served"]


async def test_a_head_that_drips_in_is_cut(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_S", 0.05)
    for start in (b"", b"GET /healthz HTTP/1.1\r\nHost: loc"):
        async with await anyio.connect_tcp("127.0.0.1", served.port) as stream:
            if start:
                await stream.send(start)
            with anyio.fail_after(5), pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await stream.receive()


async def test_the_second_head_on_a_connection_has_the_deadline_too(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await anyio.connect_tcp("127.0.0.1", served.port) as stream:
        await stream.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in await stream.receive()
        monkeypatch.setattr(server, "HEAD_S", 0.05)
        await stream.send(b"GET /healthz HTTP/1.1\r\nHo")
        with anyio.fail_after(5), pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            await rest(stream)


async def rest(stream: anyio.abc.ByteReceiveStream) -> None:
    while True:
        await stream.receive()


async def test_a_huge_head_is_refused(served: Served) -> None:
    async with await anyio.connect_tcp("127.0.0.1", served.port) as stream:
        await stream.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 1_000_000)
        with anyio.fail_after(5):
            assert b" 400 " in (await stream.receive()).partition(b"\r\n")[0]


async def test_a_hundred_open_streams_and_sockets_end_at_once(house: Any) -> None:
    async with serve(house) as served:
        async with anyio.create_task_group() as group:
            ended = 0

            async def follow() -> None:
                nonlocal ended
                async with await anyio.connect_tcp("127.0.0.1", served.port) as stream:
                    request = (
                        f"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {served.token}\r\n\r\n"
                    )
                    await stream.send(request.encode())
                    found = b""
                    try:
                        while True:
                            found += await stream.receive()
                    except anyio.EndOfStream:
                        assert found.endswith(b"0\r\n\r\n")
                        ended += 1

            async def talk() -> None:
                nonlocal ended
                async with served.socket("/v1/ws") as connection:
                    await connection.send('{"type":"subscribe"}')
                    assert "subscribed" in await connection.recv()
                    with pytest.raises(ConnectionClosed):
                        await connection.recv()
                    assert connection.close_code == 1012
                    ended += 1

            async def wait() -> None:
                nonlocal ended
                answer = await served.client.get("/v1/lab.count?follow=true")
                assert answer.status_code == 503
                ended += 1

            for _ in range(50):
                group.start_soon(follow)
                group.start_soon(talk)
            group.start_soon(wait)
            with anyio.fail_after(20):
                await served.subscribers(100)
                await served.lab.begun.wait()
            served.server.should_exit = True
            with anyio.fail_after(5):
                while ended < 101:
                    await anyio.sleep(0)
        assert len(served.web.streams) == 0


async def test_a_call_in_flight_is_answered_when_time_is_up(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CALLS_S", 0.05)
    async with serve(house) as served, anyio.create_task_group() as group:

        async def call() -> None:
            assert (await served.client.post("/v1/lab.slow")).json()["error"]["code"] == "unavailable"

        group.start_soon(call)
        with anyio.fail_after(5):
            await served.lab.begun.wait()
        served.server.should_exit = True


async def test_the_same_face_is_on_a_socket_file_of_the_owner(house: Any, tmp_path: Path) -> None:
    path = tmp_path / ("deep" * 30) / "http.sock"
    path.parent.mkdir()
    path.write_text("left over")
    async with serve(house, unix=path) as served:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        sock = socket.socket(socket.AF_UNIX)
        with sock:
            folder = os.open(path.parent, os.O_PATH)
            sock.connect(f"/proc/self/fd/{folder}/http.sock")
            os.close(folder)
            request = f"POST /v1/login HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {served.token}\r\n\r\n"
            sock.sendall(request.encode())
            sock.setblocking(False)
            await anyio.wait_readable(sock)
            found = sock.recv(65536)
        assert b" 200 " in found.partition(b"\r\n")[0]
        assert f"http://127.0.0.1:{served.port}/login?code=".encode() in found


def test_a_taken_port_is_told() -> None:
    with bind_tcp("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(Unavailable, match="cannot listen on"):
            bind_tcp("127.0.0.1", taken.getsockname()[1])


async def test_a_thousand_subscribers_reconnect_in_a_storm(served: Served) -> None:
    expected = await served.happen(3)
    request = (
        f"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {served.token}\r\n"
        f"Last-Event-ID: {expected[0]}\r\n\r\n"
    ).encode()
    got = 0

    async def reconnect() -> None:
        nonlocal got
        async with await anyio.connect_tcp("127.0.0.1", served.port) as stream:
            await stream.send(request)
            found = b""
            while found.count(b"\nid: ") < 2:
                found += await stream.receive()
            got += 1

    with anyio.fail_after(60):
        for _ in range(4):
            async with anyio.create_task_group() as group:
                for _ in range(250):
                    group.start_soon(reconnect)
    assert got == 1000
