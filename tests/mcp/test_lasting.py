"""Sessions of 2025 over HTTP: they outlive the daemon and their own idleness, for whom they were opened alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest

from aetherd_mcp import lasting as lasting_module
from aetherd_mcp.http import McpHttp
from tests.faces import Faces, request
from tests.mcp.test_http import HEADERS, HELLO, answer_of

pytestmark = pytest.mark.anyio
LIST = request(1, "tools/list")


@asynccontextmanager
async def life(faces: Faces, token: str | None = None) -> AsyncIterator[tuple[httpx2.AsyncClient, McpHttp]]:
    """Serve `/mcp` as a new daemon on this home does, until this one dies."""
    mcp = McpHttp(faces.house, faces.tools)
    headers = {**HEADERS, "authorization": f"Bearer {token or faces.owner}"}
    async with mcp.running():
        transport = httpx2.ASGITransport(app=mcp)
        async with httpx2.AsyncClient(transport=transport, base_url="http://daemon", headers=headers) as client:
            yield client, mcp


async def hello(client: httpx2.AsyncClient, **params: Any) -> dict[str, str]:
    """Open a session; return the header that names it."""
    body = {**HELLO, "params": {**HELLO["params"], **params}}
    opened = await client.post("/mcp", json=body)
    assert opened.status_code == 200
    return {"mcp-session-id": opened.headers["mcp-session-id"]}


async def test_a_session_goes_on_in_the_next_life_under_the_same_id(faces: Faces) -> None:
    async with life(faces) as (client, _):
        session = await hello(client)
    async with life(faces) as (client, mcp), anyio.create_task_group() as group:
        answers: list[httpx2.Response] = []

        async def ask(id: int) -> None:
            answers.append(await client.post("/mcp", json=request(id, "tools/list"), headers=session))

        for id in range(4):  # a client may have much to ask at once; one session is opened for it all
            group.start_soon(ask, id)
        with anyio.fail_after(10):
            while len(answers) < 4:
                await anyio.sleep(0.01)
        assert len(mcp._manager._server_instances) == 1
    assert [answer.headers["mcp-session-id"] for answer in answers] == [session["mcp-session-id"]] * 4
    assert all(answer_of(answer.text)["result"]["tools"] for answer in answers)


async def test_a_session_that_was_idle_for_long_goes_on(faces: Faces) -> None:
    async with life(faces) as (client, mcp):
        mcp._manager.session_idle_timeout = 0.01
        session = await hello(client)
        with anyio.fail_after(10):
            while mcp._manager._server_instances:
                await anyio.sleep(0.01)
        answer = await client.post("/mcp", json=LIST, headers=session)
    assert answer_of(answer.text)["result"]["tools"]


async def test_a_session_is_opened_again_for_none_but_its_principal(faces: Faces) -> None:
    other = await faces.token("*")
    async with life(faces) as (client, _):
        session = await hello(client)
    async with life(faces, other) as (client, _):
        assert (await client.post("/mcp", json=LIST, headers=session)).status_code == 404


async def test_a_session_its_client_ended_stays_ended(faces: Faces) -> None:
    async with life(faces) as (client, _):
        session = await hello(client)
        assert (await client.delete("/mcp", headers=session)).status_code == 200
        assert (await client.post("/mcp", json=LIST, headers=session)).status_code == 404


@pytest.mark.parametrize(("stream", "id"), [("7", 7), ("a%20call%0A", "a call\n")])
async def test_who_comes_back_for_the_answer_to_a_call_of_an_earlier_life_is_told_it_is_lost(
    faces: Faces, stream: str, id: int | str
) -> None:
    async with life(faces) as (client, _):
        session = await hello(client)
    async with life(faces) as (client, _):
        with anyio.fail_after(10):
            answer = await client.get("/mcp", headers={**session, "last-event-id": f"0123abcd-5-{stream}"})
    lost = answer_of(answer.text)
    assert (lost["id"], lost["result"]["isError"]) == (id, True)
    assert "aetherd went away during this call" in lost["result"]["content"][0]["text"]


@pytest.mark.parametrize("change", [lambda id: id[:-4] + "AAAA", lambda id: id[:40], lambda id: "v1." + "A" * 400])
async def test_an_id_that_was_tampered_with_is_not_found(faces: Faces, change: Any) -> None:
    async with life(faces) as (client, _):
        session = await hello(client)
    async with life(faces) as (client, _):
        changed = {"mcp-session-id": change(session["mcp-session-id"])}
        assert (await client.post("/mcp", json=LIST, headers=changed)).status_code == 404


async def test_a_session_ends_after_its_time(faces: Faces, monkeypatch: pytest.MonkeyPatch) -> None:
    async with life(faces) as (client, _):
        session = await hello(client)
    monkeypatch.setattr(lasting_module, "LIFE_S", 0.0)
    async with life(faces) as (client, _):
        assert (await client.post("/mcp", json=LIST, headers=session)).status_code == 404


async def test_a_session_opened_with_very_many_words_lasts_as_long_as_the_daemon(faces: Faces) -> None:
    async with life(faces) as (client, _):
        session = await hello(client, clientInfo={"name": "x" * 5000, "version": "1"})
        assert (await client.post("/mcp", json=LIST, headers=session)).status_code == 200
    async with life(faces) as (client, _):
        assert (await client.post("/mcp", json=LIST, headers=session)).status_code == 404
        assert len(session["mcp-session-id"]) == 32


async def test_without_room_for_another_session_a_client_is_told_to_come_again(faces: Faces) -> None:
    async with life(faces) as (client, _):
        session = await hello(client)
    async with life(faces) as (client, mcp):
        mcp._manager.max_sessions = 1
        await hello(client)
        assert (await client.post("/mcp", json=LIST, headers=session)).status_code == 503
