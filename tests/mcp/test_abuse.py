"""Bad input and bad manners, on the unix sockets and on `/mcp`: a clear error, a bounded daemon, others unharmed.

Lines that are no message are in test_sockets.py; here is what takes time or size, and every form of it over HTTP.
"""

from __future__ import annotations

import gc
import json
import os
import socket as sockets
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import httpx2
import pytest

from aetherd_mcp import bounds as bounds_module
from aetherd_mcp import sockets as sockets_module
from tests.faces import ENVELOPE, Faces, request
from tests.mcp.test_http import HEADERS, HELLO, answer_of, opened
from tests.mcp.test_sockets import BAD_LINES

pytestmark = pytest.mark.anyio
MODERN = {"mcp-protocol-version": "2026-07-28", "mcp-method": "ping"}
CHEAP_AND_FULL = pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.nightly)])


@pytest.fixture(scope="module", params=["lean", "sdk"])
def loop(request: pytest.FixtureRequest) -> str:
    """Every test holds for both loops."""
    return str(request.param)


def memory() -> int:
    """Return the resident bytes of this process, which is the daemon too."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def room(faces: Faces) -> bounds_module.Room:
    """Return where HTTP's sessions are counted."""
    found = faces.web._mcp.room  # type: ignore[union-attr]
    assert isinstance(found, bounds_module.Room)
    return found


# --- the unix sockets ---


async def test_a_line_that_ends_in_the_middle_gets_nothing(faces: Faces, caplog: pytest.LogCaptureFixture) -> None:
    async with faces.raw() as raw:
        await raw.greet()
        await raw.stream.send(b'{"jsonrpc":"2.0","id":1,"method":"pi')
        await raw.stream.send_eof()
        assert await raw.ended() == b""
    assert not caplog.records


async def test_who_drips_is_sent_away_before_the_token_and_harms_nobody_after_it(
    faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets_module, "FIRST_LINE_S", 0.1)

    async def drip_for_ever(stream: anyio.abc.SocketStream) -> None:
        while True:  # a byte in time, every time: the deadline is for the whole line
            await stream.send(b"x")
            await anyio.sleep(0.02)

    async with await anyio.connect_unix(faces.socket) as slow:
        with anyio.fail_after(10), pytest.raises(anyio.BrokenResourceError):
            await drip_for_ever(slow)
    async with faces.raw() as drip, faces.raw() as other:
        await other.greet()
        hello = json.dumps({**HELLO, "id": 7}).encode() + b"\n"
        for at in range(len(hello)):
            await drip.stream.send(hello[at : at + 1])
            if at % 20 == 0:
                assert (await other.ask(at, "ping"))["result"] == {}
        assert (await drip.line())["id"] == 7


async def test_who_never_reads_is_not_read_and_loses_nothing(faces: Faces) -> None:
    """Answers of 60 KB: a few hundred would be far more than the bound on what waits for one peer."""
    text, asked = "x" * 50_000, 0
    async with faces.raw() as slow, faces.raw() as other:
        await slow.greet()
        await other.greet()
        before = memory()
        with anyio.move_on_after(1.0):
            for asked in range(1, 2000):
                await slow.send(request(asked, "tools/call", name="aether_lab_echo", arguments={"text": text}))
        assert 10 < asked < 1000  # the daemon stopped taking them
        assert memory() - before < 64 << 20
        assert (await other.ask(1, "ping"))["result"] == {}
        assert {(await slow.line())["id"] for _ in range(asked - 1)} == set(range(1, asked))


async def test_a_flood_of_notifications_is_only_that(faces: Faces) -> None:
    async with faces.raw() as raw:
        await raw.greet()
        nonsense = b'{"jsonrpc":"2.0","method":"notifications/nonsense"}'
        unknown = b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":12345}}'
        answer = b'{"jsonrpc":"2.0","id":4711,"result":{}}'
        await raw.send(*[nonsense, unknown, answer] * 3000)
        assert (await raw.ask(1, "ping"))["result"] == {}


@CHEAP_AND_FULL
async def test_sockets_opened_and_abandoned_leave_nothing_behind(faces: Faces, count: int) -> None:
    hello = faces.owner.encode() + b"\n" + json.dumps(HELLO).encode() + b"\n"
    ends = [b"", b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n', b'{"jsonrpc":', b"{" * 50_000]

    async def abandon(number: int) -> None:
        with sockets.socket(sockets.AF_UNIX) as peer:
            peer.setblocking(False)
            while peer.connect_ex(str(faces.socket)):
                await anyio.sleep(0.001)  # the backlog is full: the listener needs its turn
            peer.sendall(hello)
            await anyio.wait_readable(peer)  # it is a session now
            peer.sendall(ends[number % len(ends)])

    async with faces.raw() as raw:
        await raw.greet()
        for number in range(100):
            await abandon(number)
        descriptors, before = len(os.listdir("/proc/self/fd")), memory()
        with anyio.fail_after(300):
            for number in range(count):
                await abandon(number)
            while len(os.listdir("/proc/self/fd")) > descriptors:
                await anyio.sleep(0.01)
        assert memory() - before < 16 << 20
        assert (await raw.ask(1, "ping"))["result"] == {}


# --- HTTP ---


@pytest.mark.parametrize("era", ["legacy", "legacy, in a session", "2026-07-28"])
@pytest.mark.parametrize("case", [case for case in BAD_LINES if case != "an unknown method"])
async def test_a_bad_body_is_a_client_error_in_either_era(faces: Faces, era: str, case: str) -> None:
    body, _, _ = BAD_LINES[case]
    headers = await opened(faces, faces.owner) if "session" in era else MODERN if era == "2026-07-28" else {}
    async with faces.http(**HEADERS) as client:
        answer = await client.post("/mcp", content=body, headers=headers)
        assert 400 <= answer.status_code < 500, answer.text
        assert "error" in answer.json()
        assert (await client.post("/mcp", json=HELLO)).status_code == 200


async def test_of_repeated_keys_the_last_counts_and_a_huge_id_comes_back(faces: Faces) -> None:
    session = await opened(faces, faces.owner)
    async with faces.http(**HEADERS) as client:
        twice = b'{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list","method":"ping"}'
        answer = answer_of((await client.post("/mcp", content=twice, headers=session)).text)
        assert answer == {"jsonrpc": "2.0", "id": 2, "result": {}}
        huge = await client.post("/mcp", json=request(10**30, "ping"), headers=session)
        assert answer_of(huge.text)["id"] == 10**30


async def test_an_id_in_use_is_refused_over_http_and_costs_nobody_an_answer(faces: Faces) -> None:
    session = await opened(faces, faces.owner)
    waiting = request(1, "tools/call", name="aether_lab_wait", arguments={"text": "first"})
    answers: list[httpx2.Response] = []
    with anyio.fail_after(20):
        async with faces.http(**HEADERS) as client, anyio.create_task_group() as group:

            async def first() -> None:
                answers.append(await client.post("/mcp", json=waiting, headers=session))

            group.start_soon(first)
            await faces.lab.begun.wait()
            again = await client.post("/mcp", json=request(1, "ping"), headers=session)
            assert (again.status_code, again.json()["error"]["code"]) == (400, -32600)
            faces.lab.go_on.set()
        async with faces.http(**HEADERS) as client:
            assert answer_of((await client.post("/mcp", json=request(1, "ping"), headers=session)).text)["id"] == 1
    assert answer_of(answers[0].text)["result"]["structuredContent"] == {"text": "first"}


@pytest.mark.parametrize("announced", [True, False])
async def test_64_megabytes_are_refused_unread(faces: Faces, announced: bool) -> None:
    sent = 0

    async def body() -> Any:
        nonlocal sent
        for _ in range(64):
            sent += 1 << 20
            yield b"x" * (1 << 20)

    headers = {"content-length": str(64 << 20)} if announced else {}
    before = memory()
    async with faces.http(**HEADERS) as client:
        try:
            answer = await client.post("/mcp", content=body(), headers=headers)
            assert answer.status_code == 413
        except httpx2.TransportError:
            pass  # it wrote on while the daemon had answered and closed
        assert memory() - before < 32 << 20
        assert (await client.post("/mcp", json=HELLO)).status_code == 200


async def test_a_body_that_drips_in_is_given_up(faces: Faces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds_module, "BODY_S", 0.2)
    head = f"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1:{faces.port}\r\nauthorization: Bearer {faces.owner}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items()) + "content-length: 1000\r\n\r\n"
    async with await anyio.connect_tcp("127.0.0.1", faces.port) as stream:
        await stream.send(head.encode())
        received = b""

        async def drip() -> None:
            while True:
                await stream.send(b" ")
                await anyio.sleep(0.02)

        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(drip)
                while b"did not arrive" not in received:
                    received += await stream.receive()
                group.cancel_scope.cancel()
    assert received.startswith(b"HTTP/1.1 408")


@CHEAP_AND_FULL
async def test_sessions_opened_and_abandoned_lock_nobody_out(
    faces: Faces, room: bounds_module.Room, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if count < 1000:
        monkeypatch.setattr(room, "_most", 20)
    careful, careless = await faces.token("*:read"), await faces.token("*:read")
    kept = await opened(faces, careful)
    async with faces.http(careless, **HEADERS) as client:
        before = 0
        for number in range(count):
            assert (await client.post("/mcp", json=HELLO)).status_code == 200
            if number == room._most:
                before = memory()  # all sessions there may be
        assert len(room._seats) <= room._most
        assert memory() - before < 64 << 20
    async with faces.http(careful, **HEADERS) as client:
        answer = await client.post("/mcp", json=request(1, "ping"), headers=kept)
        assert answer_of(answer.text)["result"] == {}
    await opened(faces, careful)


async def test_a_session_at_work_does_not_give_way(
    faces: Faces, room: bounds_module.Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_most", 3)
    token = await faces.token("*:read")
    busy = await opened(faces, token)
    with anyio.fail_after(20):
        async with faces.http(token, **HEADERS) as client, anyio.create_task_group() as group:

            async def work() -> None:
                call = request(1, "tools/call", name="aether_lab_wait", arguments={"text": "done"})
                answer = await client.post("/mcp", json=call, headers=busy)
                assert answer_of(answer.text)["result"]["structuredContent"] == {"text": "done"}

            group.start_soon(work)
            await faces.lab.begun.wait()
            for _ in range(10):
                await opened(faces, token)
            assert faces.lab.running == 1
            faces.lab.go_on.set()


async def test_modern_requests_take_no_room(faces: Faces, room: bounds_module.Room) -> None:
    before = len(room._seats)
    headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list"}
    async with faces.http(**HEADERS) as client:
        for _ in range(30):
            answer = await client.post("/mcp", json=request(1, "tools/list", _meta=ENVELOPE), headers=headers)
            assert answer.status_code == 200
    assert len(room._seats) == before
