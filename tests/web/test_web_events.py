"""The event stream over HTTP."""

from __future__ import annotations

import json
import random
import socket

import anyio
import pytest
from web_lab import Served, error_of, served, sse, take

from aetherd.web import streams

pytestmark = pytest.mark.anyio

__all__ = ["served"]


def ids(events: list[dict[str, str]]) -> list[int]:
    return [int(event["id"]) for event in events]


async def test_events_come_live_with_their_log_id(served: Served) -> None:
    async with served.client.stream("GET", "/v1/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        expected = await served.happen(3)
        found = await take(answer, 3)
    assert ids(found) == expected
    assert found[0]["event"] == "token.created"
    assert json.loads(found[0]["data"])["id"] == expected[0]


async def test_any_reconnect_point_gives_the_rest_of_the_log(served: Served) -> None:
    expected = await served.happen(30)
    seen: list[int] = []
    while len(seen) < 30:
        headers = {"last-event-id": str(seen[-1] if seen else expected[0] - 1)}
        async with served.client.stream("GET", "/v1/events", headers=headers) as answer:
            seen += ids(await take(answer, min(random.randint(1, 9), 30 - len(seen))))
    assert seen == expected


async def test_since_is_for_the_first_time_and_last_event_id_for_later(served: Served) -> None:
    expected = await served.happen(3)
    path = f"/v1/events?since={expected[0]}"
    async with served.client.stream("GET", path) as answer:
        assert ids(await take(answer, 2)) == expected[1:]
    async with served.client.stream("GET", path, headers={"last-event-id": str(expected[1])}) as answer:
        assert ids(await take(answer, 1)) == expected[2:]


async def test_a_bad_id_is_invalid(served: Served) -> None:
    for bad in ("-1", "x", "1.5", "9" * 30, "1e3", "0x10", "١"):
        headers = [(b"last-event-id", bad.encode()), (b"authorization", f"Bearer {served.token}".encode())]
        assert error_of(await served.stranger.get("/v1/events", headers=headers)) == (400, "invalid")
        assert error_of(await served.client.get("/v1/events", params={"since": bad})) == (400, "invalid")
    assert error_of(await served.client.get("/v1/events?pid=x")) == (400, "invalid")
    assert error_of(await served.client.post("/v1/events")) == (405, "invalid")


async def test_an_id_of_the_future_resyncs(served: Served) -> None:
    newest = (await served.happen())[-1]
    async with served.client.stream("GET", "/v1/events", headers={"last-event-id": "999999"}) as answer:
        (marker,) = await take(answer, 1)
    assert marker["event"] == "resync"
    assert json.loads(marker["data"]) == {"since": newest, "lost": True}
    assert "id" not in marker


async def test_an_id_older_than_the_log_resyncs_and_goes_on_from_the_oldest(served: Served) -> None:
    expected = await served.happen(5)
    await served.running.kernel.store.write(lambda tx: tx.execute("DELETE FROM event WHERE id <= ?", (expected[2],)))
    for follow in ("true", "false"):
        async with served.client.stream("GET", f"/v1/events?since=0&follow={follow}") as answer:
            marker, *rest = await take(answer, 3)
        assert marker["event"] == "resync"
        assert json.loads(marker["data"]) == {"since": expected[2], "lost": True}
        assert ids(rest) == expected[3:]


async def test_without_follow_the_past_is_given_and_the_answer_ends(served: Served) -> None:
    first = served.house.hub.newest + 1
    await served.running.kernel.store.write(lambda tx: emit(tx, 0, 1200))
    expected = range(first, first + 1200)
    answer = await served.client.get("/v1/events?since=0&follow=false")
    assert answer.text.count("event: token.created") == len(expected)
    answer = await served.client.get("/v1/events?tail=2&follow=false")
    assert answer.text.count("id: ") == 2


async def test_filters_apply_to_past_and_future(served: Served) -> None:
    key, _ = await served.token_for("*:read")
    await served.running.invoke("token.revoke", {"id": key})
    path = "/v1/events?types=token.revoked,other.thing&since=0"
    async with served.client.stream("GET", path) as answer:
        found = (event["event"] async for event in sse(answer) if "id" in event)
        with anyio.fail_after(5):
            assert await anext(found) == "token.revoked"
            key, _ = await served.token_for("*:read")
            await served.running.invoke("token.revoke", {"id": key})
            assert await anext(found) == "token.revoked"
    async with served.client.stream("GET", "/v1/events?since=0&agent=nobody&pid=7&follow=false") as answer:
        assert (await answer.aread()) == b""


async def test_a_stranger_to_an_agent_sees_nothing_of_it(served: Served) -> None:
    call = served.running.agent_call("agent_other")
    sees = served.house.sees(call)
    assert not sees("agent_mine", "owner", "home")
    served.house.authenticate = lambda *_, **__: answer_with(call)  # type: ignore[assignment, misc]
    await served.happen(3)
    assert (await served.client.get("/v1/events?since=0&follow=false")).text == ""


async def answer_with(call: object) -> object:
    return call


async def test_a_revoked_token_ends_its_stream(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "TICK_S", 0.01)
    monkeypatch.setattr(streams, "RECHECK_S", 0.01)
    key, secret = await served.token_for("*:read")
    headers = {"authorization": f"Bearer {secret}"}
    async with served.stranger.stream("GET", "/v1/events", headers=headers) as answer:
        await served.subscribers(1)
        await served.running.invoke("token.revoke", {"id": key})
        with anyio.fail_after(5):
            async for _ in sse(answer):
                pass


async def test_a_quiet_stream_says_so(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "TICK_S", 0.01)
    monkeypatch.setattr(streams, "PING_S", 0.01)
    async with served.client.stream("GET", "/v1/events") as answer:
        with anyio.fail_after(5):
            async for line in answer.aiter_lines():
                if line == ": ping":
                    break


async def test_leaving_unsubscribes(served: Served) -> None:
    async with served.client.stream("GET", "/v1/events"):
        with anyio.fail_after(5):
            await served.subscribers(1)
    with anyio.fail_after(5):
        await served.subscribers(0)


async def test_a_frozen_reader_is_resynced_and_loses_nothing(served: Served) -> None:
    expected = 6000
    with socket.socket() as frozen:
        frozen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)
        frozen.connect(("127.0.0.1", served.port))
        frozen.sendall(
            f"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {served.token}\r\n\r\n".encode()
        )
        with anyio.fail_after(5):
            await served.subscribers(1)
        store, first = served.running.kernel.store, served.house.hub.newest + 1
        for start in range(0, expected, 500):
            await store.write(lambda tx, start=start: emit(tx, start, 500))
        (subscriber,) = served.following()
        assert subscriber._bytes <= 4 * 1024 * 1024
        text, last = b"", f"id: {first + expected - 1}\n".encode()
        frozen.setblocking(False)
        with anyio.fail_after(20):
            while last not in text:
                await anyio.wait_readable(frozen)
                text += frozen.recv(1 << 20)
    found = [int(line[4:]) for line in text.split(b"\n") if line.startswith(b"id: ")]
    assert found == list(range(first, first + expected))
    assert text.count(b"event: resync") == 1


def emit(tx: object, start: int, count: int) -> None:
    from aetherd.kernel.token.events import TokenCreated

    for number in range(start, start + count):
        event = TokenCreated(token=f"t{number}", name="x" * 2000, scopes=[])
        tx.emit(event)  # type: ignore[attr-defined]


async def test_a_stuck_reader_is_cut(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "TICK_S", 0.02)
    monkeypatch.setattr(streams, "STUCK_S", 0.05)
    with socket.create_connection(("127.0.0.1", served.port)) as frozen:
        frozen.sendall(
            f"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {served.token}\r\n\r\n".encode()
        )
        with anyio.fail_after(5):
            await served.subscribers(1)
            while served.following():
                await served.running.kernel.store.write(lambda tx: emit(tx, 0, 500))
