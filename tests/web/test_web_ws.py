"""Commands and events over one WebSocket."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from web_lab import Served, heard, served
from websockets.exceptions import ConnectionClosed, InvalidStatus

from aetherd.web import streams, ws

pytestmark = pytest.mark.anyio

__all__ = ["served"]


async def ask(socket: Any, **message: Any) -> Any:
    await socket.send(json.dumps(message))
    return await heard(socket)


async def test_a_command_is_answered_under_its_id(served: Served) -> None:
    async with served.socket("/v1/ws") as socket:
        answer = await ask(socket, type="lab.echo", id="m1", input={"text": "hello"})
        assert (answer["type"], answer["id"], answer["data"]["text"]) == ("response.ok", "m1", "hello")
        answer = await ask(socket, type="lab.echo", id=7)
        assert (answer["type"], answer["id"]) == ("response.ok", 7)
        answer = await ask(socket, type="lab.echo", id="m2", input={"numbers": "x"})
        assert (answer["type"], answer["id"], answer["error"]["code"]) == ("response.error", "m2", "invalid")
        answer = await ask(socket, type="no.such", id="m3")
        assert answer["error"]["code"] == "not_found"
        answer = await ask(socket, type="lab.crash", id="m4")
        assert answer["error"]["code"] == "internal"
        assert "secret" not in json.dumps(answer)
        assert await ask(socket, type="ping") == {"type": "pong"}


async def test_a_stream_gives_items_and_then_ok(served: Served) -> None:
    async with served.socket("/v1/ws") as socket:
        await socket.send('{"type":"lab.count","id":"c","input":{"to":2}}')
        found = [await heard(socket) for _ in range(3)]
        assert [(item["type"], item["data"]["number"]) for item in found] == [
            ("response.item", 1),
            ("response.item", 2),
            ("response.ok", 2),
        ]
        await socket.send('{"type":"lab.break","id":"b"}')
        assert [(await heard(socket))["type"] for _ in range(2)] == ["response.item", "response.error"]


async def test_a_command_can_be_cancelled(served: Served) -> None:
    async with served.socket("/v1/ws") as socket:
        await socket.send('{"type":"lab.slow","id":"s"}')
        with anyio.fail_after(5):
            await served.lab.begun.wait()
        answer = await ask(socket, type="cancel", id="s")
        assert (answer["type"], answer["id"], answer["error"]["code"]) == ("response.error", "s", "conflict")
        assert served.lab.cancelled.is_set()
        assert (await ask(socket, type="cancel", id="s"))["error"]["code"] == "not_found"


async def test_commands_run_side_by_side_and_ids_are_unique_among_them(served: Served) -> None:
    async with served.socket("/v1/ws") as socket:
        await socket.send('{"type":"lab.slow","id":"s"}')
        assert (await ask(socket, type="lab.echo", id="e"))["id"] == "e"
        assert (await ask(socket, type="lab.echo", id="s"))["error"]["code"] == "invalid"


async def test_commands_in_flight_are_bounded(served: Served) -> None:
    async with served.socket("/v1/ws") as socket:
        for number in range(ws.IN_FLIGHT):
            await socket.send(json.dumps({"type": "lab.slow", "id": number}))
        answer = await ask(socket, type="lab.slow", id="more")
        assert (answer["id"], answer["error"]["code"]) == ("more", "exhausted")
        assert answer["error"]["data"]["retryable"] is True


async def test_closing_stops_what_runs(served: Served) -> None:
    async with served.socket("/v1/ws") as socket:
        await socket.send('{"type":"lab.slow","id":"s"}')
        with anyio.fail_after(5):
            await served.lab.begun.wait()
    with anyio.fail_after(5):
        await served.lab.cancelled.wait()


async def test_events_follow_a_subscription_from_any_id(served: Served) -> None:
    past = await served.happen(2)
    async with served.socket("/v1/ws") as socket:
        assert await ask(socket, type="subscribe", since=past[0]) == {"type": "subscribed", "since": past[0]}
        message = await heard(socket)
        assert message["type"] == "events"
        assert [event["id"] for event in message["events"]] == past[1:]
        live = await served.happen()
        assert [event["id"] for event in (await heard(socket))["events"]] == live

        answer = await ask(socket, type="subscribe", id="again", types=["token.revoked"])
        assert answer == {"type": "subscribed", "since": live[-1], "id": "again"}
        await served.happen()
        key, _ = await served.token_for("*:read")
        await served.running.invoke("token.revoke", {"id": key})
        assert [event["type"] for event in (await heard(socket))["events"]] == ["token.revoked"]
        assert await ask(socket, type="unsubscribe") == {"type": "unsubscribed"}


async def test_a_cursor_of_the_future_resyncs(served: Served) -> None:
    async with served.socket("/v1/ws") as socket:
        await ask(socket, type="subscribe", since=10**9)
        assert await heard(socket) == {"type": "resync", "since": served.house.hub.newest, "lost": True}


async def test_frames_come_only_to_who_asked_for_them(served: Served) -> None:
    async with served.socket("/v1/ws") as shown, served.socket("/v1/ws") as other:
        await ask(shown, type="subscribe", frames=True)
        await ask(other, type="subscribe")
        with anyio.fail_after(5):
            await served.subscribers(2)
        served.frame(pid=7)
        assert await heard(shown) == {"type": "frame", "kind": "gauge", "pid": 7, "agent": None, "data": {"cpu": 1}}
        assert await ask(other, type="ping", id=1) == {"type": "pong", "id": 1}


async def test_hostile_messages_are_answered_and_the_connection_lives(served: Served) -> None:
    hostile = [
        "nonsense",
        "[]",
        '{"type":7,"id":"a"}',
        '{"id":"a"}',
        '{"type":"lab.echo"}',
        '{"type":"lab.echo","id":{}}',
        '{"type":"lab.echo","id":"a","input":[]}',
        '{"type":"lab.echo","id":"a","extra":1}',
        '{"type":"lab.echo","id":"' + "x" * 200 + '"}',
        '{"type":"subscribe","since":-1}',
        '{"type":"subscribe","since":"x"}',
        '{"type":"subscribe","nonsense":1}',
        '{"type":"lab.echo","id":"a","input":{"ratio":NaN}}',
        '{"type":"lab.echo","id":"a","id":"b"}',
        "[" * 100_000,
    ]
    async with served.socket("/v1/ws") as socket:
        for text in hostile:
            await socket.send(text)
            answer = await heard(socket)
            assert (answer["type"], answer["error"]["code"]) == ("response.error", "invalid"), text[:80]
        assert (await ask(socket, type="lab.echo", id="a"))["type"] == "response.ok"


async def test_binary_and_oversized_messages_close_with_their_code(served: Served) -> None:
    for message, code in ((b"binary", 1003), ("x" * (1024 * 1024 + 1), 1009)):
        async with served.socket("/v1/ws") as socket:
            await socket.send(message)
            with pytest.raises(ConnectionClosed) as closed, anyio.fail_after(5):
                await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == code


async def test_without_a_credential_there_is_no_upgrade(served: Served) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}):
        with pytest.raises(InvalidStatus) as refused:
            async with served.socket("/v1/ws", headers):
                pass
        assert refused.value.response.status_code == 401
        assert json.loads(refused.value.response.body or b"")["error"]["code"] == "unauthenticated"


async def test_a_revoked_token_ends_commands_at_once_and_the_socket_soon(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, secret = await served.token_for("*")
    async with served.socket("/v1/ws", {"authorization": f"Bearer {secret}"}) as socket:
        await served.running.invoke("token.revoke", {"id": key})
        assert (await ask(socket, type="lab.echo", id="a"))["error"]["code"] == "unauthenticated"
    monkeypatch.setattr(streams, "TICK_S", 0.01)
    monkeypatch.setattr(streams, "RECHECK_S", 0.01)
    key, secret = await served.token_for("*")
    async with served.socket("/v1/ws", {"authorization": f"Bearer {secret}"}) as socket:
        await served.running.invoke("token.revoke", {"id": key})
        with pytest.raises(ConnectionClosed) as closed, anyio.fail_after(5):
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


async def test_websockets_to_nowhere_are_not_found(served: Served) -> None:
    for path in ("/", "/v1/nothing", "/v1/attach/nothing/7"):
        with pytest.raises(InvalidStatus) as refused:
            async with served.socket(path):
                pass
        assert refused.value.response.status_code == 404
