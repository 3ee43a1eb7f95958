"""A client of 2025 whose HTTP connection breaks takes up where it was."""

from __future__ import annotations

import json
from typing import Any

import anyio
import httpx2
import mcp_types as types
import pytest
from mcp.server.streamable_http import EventMessage

from aetherd_mcp import replay as replay_module
from tests.faces import Faces, request
from tests.mcp.test_http import HEADERS, opened

pytestmark = pytest.mark.anyio


async def first_event(answer: httpx2.Response) -> str:
    """Read as far as the first event's id."""
    async for line in answer.aiter_lines():
        if line.startswith("id:"):
            return line[3:].strip()
    raise AssertionError("the stream ended without an event")


async def result(answer: httpx2.Response) -> Any:
    """Read as far as the answer of a request."""
    async for line in answer.aiter_lines():
        if line.startswith("data:") and '"result"' in line:
            return json.loads(line[5:])["result"]
    raise AssertionError("the stream ended without an answer")


async def test_the_answer_comes_after_all_when_the_connection_broke(faces: Faces) -> None:
    session = await opened(faces, faces.owner)
    call = request(7, "tools/call", name="aether_lab_wait", arguments={"text": "after all"})
    async with faces.http(**HEADERS) as client:
        with anyio.fail_after(10):
            async with client.stream("POST", "/mcp", json=call, headers=session) as answer:
                last = await first_event(answer)
            await faces.lab.begun.wait()
            faces.lab.go_on.set()
            async with client.stream("GET", "/mcp", headers={**session, "last-event-id": last}) as answer:
                assert (await result(answer))["structuredContent"] == {"text": "after all"}


async def test_one_session_never_hears_of_anothers_stream(faces: Faces) -> None:
    mine, other = await opened(faces, faces.owner), await opened(faces, faces.owner)
    call = request(7, "tools/call", name="aether_lab_echo", arguments={"text": "mine"})
    async with faces.http(**HEADERS) as client:
        with anyio.fail_after(10):
            said = (await client.post("/mcp", json=call, headers=mine)).text
            last = next(line[3:].strip() for line in said.splitlines() if line.startswith("id:"))
            again = await client.get("/mcp", headers={**other, "last-event-id": last})
    assert "mine" in said
    assert "mine" not in again.text


async def test_what_is_kept_for_that_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_module, "BYTES", 20_000)
    shelf, sent = replay_module.Shelf(), []

    async def send(event: EventMessage) -> None:
        sent.append(event.event_id)

    one, other = replay_module.Replay(shelf), replay_module.Replay(shelf)
    for session in (one, other):
        for _ in range(100):
            last = await session.store_event("7", types.JSONRPCNotification(jsonrpc="2.0", method="x"))
    assert not one.events
    assert 0 < len(other.events) < 100
    life = shelf.life
    assert await one.replay_events_after(f"{life}-1-7", send) is None
    assert await other.replay_events_after(f"{life}-98-7", send) == "7"
    assert sent == [f"{life}-99-7", last]
