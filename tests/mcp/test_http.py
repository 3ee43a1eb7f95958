"""`/mcp`: the bearer, the bounds, and sessions that belong to whom opened them."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from aetherd.web.server import bind_tcp
from tests.faces import ENVELOPE, Faces, request

pytestmark = pytest.mark.anyio
HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
INFO = {"name": "test", "version": "1"}
HELLO = request(0, "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=INFO)


def answer_of(body: str) -> dict[str, Any]:
    """Return the message of the last event that has one."""
    data = [line[5:].strip() for line in body.splitlines() if line.startswith("data:") and len(line) > 6]
    message: dict[str, Any] = json.loads(data[-1])
    return message


async def opened(faces: Faces, token: str) -> dict[str, str]:
    """Open a session; return the headers that name it."""
    async with faces.http(token, **HEADERS) as client:
        answer = await client.post("/mcp", json=HELLO)
        assert answer.status_code == 200
        session = {"mcp-session-id": answer.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
        told = await client.post(
            "/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=session
        )
        assert told.status_code == 202
    return session


@pytest.mark.parametrize("header", ["", "Basic b3duZXI6", "Bearer", "Bearer nonsense"])
async def test_a_bearer_is_asked_for(faces: Faces, header: str) -> None:
    async with faces.http("", **HEADERS) as client:
        headers = {"authorization": header} if header else {}
        answer = await client.post("/mcp", json=HELLO, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert answer.json()["error"]["code"] == "unauthenticated"


async def test_a_browsers_cookie_is_no_credential_here(faces: Faces) -> None:
    async with faces.http("", **HEADERS) as client:
        answer = await client.post("/mcp", json=HELLO, headers={"cookie": f"aether_session={faces.owner}"})
    assert answer.status_code in (401, 403)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.test"}, 421),
        ({"origin": "http://evil.test"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
    ],
)
async def test_foreign_hosts_and_pages_are_refused(faces: Faces, headers: dict[str, str], status: int) -> None:
    async with faces.http(**HEADERS) as client:
        assert (await client.post("/mcp", json=HELLO, headers=headers)).status_code == status


async def test_a_body_over_the_bound_is_refused(faces: Faces) -> None:
    async with faces.http(**HEADERS) as client:
        answer = await client.post("/mcp", content=b" " * (4 * 1024 * 1024 + 1))
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "invalid"
        assert (await client.post("/mcp", json=HELLO)).status_code == 200


async def test_a_session_belongs_to_the_token_that_opened_it(faces: Faces) -> None:
    mine, other = await faces.token("*:read"), await faces.token("*:read")
    session = await opened(faces, mine)
    async with faces.http(other, **HEADERS) as client:
        for method in ("POST", "GET", "DELETE"):
            answer = await client.request(
                method, "/mcp", json=request(1, "tools/list") if method == "POST" else None, headers=session
            )
            assert answer.status_code == 404, method
    async with faces.http(mine, **HEADERS) as client:
        answer = await client.post("/mcp", json=request(1, "tools/list"), headers=session)
        assert answer_of(answer.text)["result"]["tools"]


async def test_a_session_ends_with_its_token(faces: Faces) -> None:
    made = await faces.running.invoke("token.create", {"name": "short", "scopes": ["*:read"]})
    session = await opened(faces, made.secret)
    await faces.running.invoke("token.revoke", {"id": made.id})
    async with faces.http(made.secret, **HEADERS) as client:
        assert (await client.post("/mcp", json=request(1, "tools/list"), headers=session)).status_code == 401


async def test_an_unknown_session_is_not_found(faces: Faces) -> None:
    headers = {"mcp-session-id": "0" * 32, "mcp-protocol-version": "2025-11-25"}
    async with faces.http(**HEADERS) as client:
        assert (await client.post("/mcp", json=request(1, "tools/list"), headers=headers)).status_code == 404


async def test_the_stateless_era_needs_no_session(faces: Faces) -> None:
    headers = {
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "aether_lab_echo",
    }
    call = request(1, "tools/call", name="aether_lab_echo", arguments={"text": "x"}, _meta=ENVELOPE)
    async with faces.http(**HEADERS) as client:
        answer = await client.post("/mcp", json=call, headers=headers)
        assert answer.status_code == 200
        assert "mcp-session-id" not in answer.headers
        wrong = await client.post("/mcp", json=call, headers={**headers, "mcp-name": "aether_system_shutdown"})
        assert wrong.status_code == 400  # what a header says must be what the body says


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"5",
        b'{"jsonrpc":"1.0","id":1,"method":"ping"}',
        b"[" * 100_000,
        b'{"jsonrpc":"2.0","id":1,"x":NaN}',
    ],
)
async def test_a_bad_body_is_a_client_error(faces: Faces, body: bytes) -> None:
    async with faces.http(**HEADERS) as client:
        answer = await client.post("/mcp", content=body)
        assert 400 <= answer.status_code < 500
        assert (await client.post("/mcp", json=HELLO)).status_code == 200


async def test_answers_are_not_held_back_for_an_acknowledgement() -> None:
    """asyncio turns Nagle's algorithm off only for sockets that name their protocol."""
    with bind_tcp("127.0.0.1", 0) as sock:
        assert sock.proto == socket.IPPROTO_TCP


async def test_a_list_of_tools_is_the_same_on_every_way_and_time(faces: Faces) -> None:
    faces.tools.menus.clear()
    async with faces.raw() as raw:
        await raw.greet()
        tools = (await raw.ask(1, "tools/list"))["result"]["tools"]
    session = await opened(faces, faces.owner)
    modern = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list"}
    async with faces.http(**HEADERS) as client:
        for _ in range(2):
            listed = await client.post("/mcp", json=request(1, "tools/list"), headers=session)
            assert answer_of(listed.text)["result"] == {"tools": tools}
            listed = await client.post("/mcp", json=request(1, "tools/list", _meta=ENVELOPE), headers=modern)
            assert listed.json()["result"]["tools"] == tools
            assert int(listed.headers["content-length"]) == len(listed.content)
    echoed = request(2, "tools/call", name="aether_lab_echo", arguments={"text": f'["aether-menu-{"0" * 32}"]'})
    async with faces.http(**HEADERS) as client:
        said = await client.post("/mcp", json=echoed, headers=session)
        assert answer_of(said.text)["result"]["structuredContent"] == echoed["params"]["arguments"]
