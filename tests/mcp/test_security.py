"""What MCP's rules of security ask of a server at `/mcp`; those of OAuth itself are in tests/web/test_oauth.py."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from typing import Any

import anyio
import pytest
from click.testing import CliRunner
from test_http import HEADERS, HELLO, answer_of, opened

from aetherd.core.config import Settings, load
from aetherd.core.errors import Invalid
from aetherd.ctl.main import cli
from aetherd_mcp import http as face
from house import run_house
from oauth_client import Program
from tests.faces import ENVELOPE, Faces, request, serve

pytestmark = pytest.mark.anyio
MODERN = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list"}
LIST = request(1, "tools/list", _meta=ENVELOPE)
WELL_KNOWN = "/.well-known/oauth-protected-resource"


async def status(faces: Faces, token: str, **headers: str) -> int:
    """Ask /mcp for something; return how it answers."""
    async with faces.http(token, **HEADERS, **headers) as client:
        return (await client.post("/mcp", json=HELLO)).status_code


async def program(faces: Faces, http: Any, person: Any) -> Program:
    """Return an OAuth client that has registered."""
    made = Program(http, person, faces.port)
    await made.register()
    return made


# --- who may speak at all ---


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE", "PUT", "OPTIONS"])
async def test_nothing_is_served_to_nobody(faces: Faces, method: str) -> None:
    async with faces.http("", **HEADERS) as client:
        for path in ("/mcp", "/mcp/"):
            assert (await client.request(method, path)).status_code == 401


@pytest.mark.parametrize("origin", ["http://evil.test", "null", "https://127.0.0.1", "http://127.0.0.1:1", "file://"])
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE", "OPTIONS"])
async def test_a_foreign_origin_is_forbidden_on_every_method_and_gets_no_cors(
    faces: Faces, origin: str, method: str
) -> None:
    async with faces.http(**HEADERS, origin=origin) as client:
        answer = await client.request(method, "/mcp")
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]"])
async def test_our_own_origin_may_speak(faces: Faces, name: str) -> None:
    assert await status(faces, faces.owner, origin=f"http://{name}:{faces.port}") == 200


@pytest.mark.parametrize("host", ["evil.test", "127.0.0.1.evil.test", "localhost@evil.test", "10.0.0.1:3001"])
async def test_a_rebound_name_is_misdirected_even_with_a_token(faces: Faces, host: str) -> None:
    assert await status(faces, faces.owner, host=host) == 421


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com", ""])
async def test_only_loopback_is_bound(host: str) -> None:
    with pytest.raises(Invalid, match="loopback"):
        load(host=host)


# --- how to come in ---


async def test_who_brings_nothing_is_told_where_to_ask_and_for_what(faces: Faces) -> None:
    async with faces.http("", **HEADERS) as client:
        answer = await client.post("/mcp", json=HELLO)
        told = parts(answer.headers["www-authenticate"])
        assert told == {
            "realm": "aetherd",
            "resource_metadata": f"http://127.0.0.1:{faces.port}{WELL_KNOWN}/mcp",
            "scope": "*:read *:write",
        }
        found = (await client.get(told["resource_metadata"])).json()
        assert found["resource"] == f"http://127.0.0.1:{faces.port}/mcp"
        assert (await client.get(WELL_KNOWN)).json() == found


async def test_who_brings_a_wrong_token_is_told_that_it_is_wrong(faces: Faces) -> None:
    async with faces.http("nonsense", **HEADERS) as client:
        told = parts((await client.post("/mcp", json=HELLO)).headers["www-authenticate"])
    assert told["error"] == "invalid_token"
    assert "aetherctl token create" in told["error_description"]
    assert set(told) == {"realm", "error", "error_description", "resource_metadata", "scope"}


async def test_a_token_counts_in_the_header_alone(faces: Faces) -> None:
    async with faces.http("", **HEADERS) as client:
        for name in ("access_token", "token", "authorization", "bearer"):
            assert (await client.post(f"/mcp?{name}={faces.owner}", json=HELLO)).status_code == 401
        body = HELLO | {"access_token": faces.owner}
        assert (await client.post("/mcp", json=body)).status_code == 401
        for cookie in ("aether_session", "token"):
            answer = await client.post("/mcp", json=HELLO, headers={"cookie": f"{cookie}={faces.owner}"})
            assert answer.status_code == 401


async def test_a_query_does_not_add_to_a_token_either(faces: Faces) -> None:
    async with faces.http(await faces.token("nothing:read"), **HEADERS) as client:
        answer = await client.post(f"/mcp?access_token={faces.owner}", json=LIST, headers=MODERN)
        assert answer.json()["result"]["tools"] == []


# --- whom a token is for ---


@pytest.mark.parametrize(("audience", "on_mcp", "on_api"), [("house", 200, 200), ("mcp", 200, 401), ("api", 401, 200)])
async def test_a_token_is_taken_where_it_was_made_for(faces: Faces, audience: str, on_mcp: int, on_api: int) -> None:
    raw = {"name": "x", "audience": audience}
    made = await faces.running.invoke("token.create", raw)
    assert made.audience == audience
    assert await status(faces, made.secret) == on_mcp
    async with faces.http(made.secret) as client:
        assert (await client.get("/v1/system.status")).status_code == on_api


async def test_a_browser_s_session_is_no_token_for_mcp(faces: Faces) -> None:
    code = await faces.house.sessions.open_link(faces.running.call())
    assert await status(faces, await faces.house.sessions.redeem(code)) == 401


async def test_a_token_that_was_granted_for_another_address_is_refused(faces: Faces) -> None:
    """Another server here could be given such a token and bring it to us, under any Host it likes."""
    async with faces.http("") as http, faces.http() as person:
        granted = await program(faces, http, person)
        here, elsewhere = (await granted.tokens())["access_token"], (await granted.tokens())["access_token"]
    address = f"http://127.0.0.1:{faces.port + 1}/mcp"
    with sqlite3.connect(faces.house.settings.database) as database:
        database.execute("UPDATE token SET audience = ? WHERE digest = ?", (address, digest(elsewhere)))
    database.close()
    assert await status(faces, here) == 200
    assert await status(faces, here, host=f"localhost:{faces.port}") == 200  # another name of this server
    assert await status(faces, elsewhere) == 401
    assert await status(faces, elsewhere, host=f"127.0.0.1:{faces.port + 1}") == 401


async def test_a_client_that_was_let_in_makes_no_credentials_for_itself_or_others(faces: Faces) -> None:
    async with faces.http("") as http, faces.http() as person:
        granted = await program(faces, http, person)
        tokens = await granted.tokens()
        again = granted.request()
    async with faces.client("http", "2026-07-28", tokens["access_token"]) as client:
        for tool, raw in (
            ("aether_token_create", {"name": "longer", "scopes": ["*:read"], "expires_in_s": None}),
            ("aether_token_decide", {"request": again, "decision": "allow"}),
        ):
            for name, arguments in (
                (tool, raw),
                ("aether_tool_call", {"name": tool[7:].replace("_", "."), "input": raw}),
            ):
                result = await client.session.call_tool(name, arguments)
                assert result.is_error
                assert "makes no credentials" in str(result.content)


async def test_an_oauth_client_is_told_which_scope_a_tool_needs_so_that_it_can_ask_again(faces: Faces) -> None:
    async with faces.http("") as http, faces.http() as person:
        granted = await program(faces, http, person)
        token = (await granted.tokens(scope="*:read"))["access_token"]
    call = request(1, "tools/call", name="aether_memory_remember", arguments={"content": "x"}, _meta=ENVELOPE)
    headers = MODERN | {"mcp-method": "tools/call", "mcp-name": "aether_memory_remember"}
    async with faces.http(token, **HEADERS) as client:
        answer = await client.post("/mcp", json=call, headers=headers)
        told = parts(answer.headers["www-authenticate"])
        assert (answer.status_code, told["error"], told["scope"]) == (403, "insufficient_scope", "memory:write")
        lying = headers | {"mcp-name": "aether_memory_recall"}  # the header is no way around
        assert (await client.post("/mcp", json=call, headers=lying)).status_code == 400
    async with faces.client("http", "2026-07-28", await faces.token("*:read")) as plain:
        result = await plain.session.call_tool("aether_memory_remember", {"content": "x"})
        assert result.is_error  # who cannot ask for more gets what a model can read


async def test_what_aetherctl_makes_is_taken_by_mcp_and_refused_at_once_when_it_is_revoked(faces: Faces) -> None:
    async def ctl(*line: str) -> str:
        env = {"AETHER_URL": f"http://127.0.0.1:{faces.port}", "AETHER_TOKEN": faces.owner}
        result = await anyio.to_thread.run_sync(lambda: CliRunner(env=env).invoke(cli, [*line]))
        assert result.exit_code == 0, result.output
        return result.stdout

    shown = await ctl("token", "create", "an outside client", "--audience", "mcp", "--scopes", "*:read", "--json")
    secret, id = re.search(r"aet_[\w-]+", shown)[0], re.search(r"token_\w+", shown)[0]  # type: ignore[index]
    session = await opened(faces, secret)
    await ctl("token", "revoke", id)
    async with faces.http(secret, **HEADERS) as client:
        assert (await client.post("/mcp", json=request(1, "tools/list"), headers=session)).status_code == 401
        assert (await client.post("/mcp", json=LIST, headers=MODERN)).status_code == 401


async def test_secrets_are_looked_up_by_their_hash_and_kept_nowhere(faces: Faces) -> None:
    """No comparison of secrets takes time that tells how much of a guess is right."""
    secret = await faces.token("*:read")
    await status(faces, secret)
    assert await status(faces, secret[:-1]) == 401
    with sqlite3.connect(faces.house.settings.database) as database:
        (kept,) = database.execute("SELECT name FROM token WHERE digest = ?", (digest(secret),)).fetchone()
        rows = str(database.execute("SELECT * FROM token").fetchall())
    database.close()
    assert kept == "test"
    assert secret not in rows
    assert faces.owner not in rows


# --- sessions and headers ---


async def test_sessions_are_random_and_no_credential(faces: Faces) -> None:
    ids = {(await opened(faces, faces.owner))["mcp-session-id"] for _ in range(5)}
    assert len(ids) == 5
    assert all(len(id) >= 32 for id in ids)
    session = {"mcp-session-id": ids.pop(), "mcp-protocol-version": "2025-11-25"}
    async with faces.http("", **HEADERS) as client:
        assert (await client.post("/mcp", json=request(1, "tools/list"), headers=session)).status_code == 401


async def test_an_oauth_client_keeps_its_session_when_it_renews_and_no_other_gets_it(faces: Faces) -> None:
    async with faces.http("") as http, faces.http() as person:
        mine, other = [await program(faces, http, person) for _ in range(2)]
        old, foreign = await mine.tokens(), await other.tokens()
        session = await opened(faces, old["access_token"])
        new = (await mine.renew(old["refresh_token"])).json()
    for token, expected in ((old, 401), (foreign, 404), (new, 200)):
        async with faces.http(token["access_token"], **HEADERS) as client:
            answer = await client.post("/mcp", json=request(1, "tools/list"), headers=session)
        assert answer.status_code == expected
    assert answer_of(answer.text)["result"]["tools"]  # it is served as who it is now, not as who opened


async def test_there_is_an_end_to_how_many_sessions_are_held(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face, "SESSIONS", 2)
    async with run_house(settings) as running, serve(running) as faces:
        answers = [await status(faces, faces.owner) for _ in range(5)]
        assert answers == [200] * 5  # the one idle longest gives way
        assert len(faces.web._mcp._manager._server_instances) == 2  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "headers",
    [
        {"mcp-method": "tools/list"},
        {"mcp-name": "aether_system_shutdown"},
        {"mcp-method": ""},
        {"mcp-protocol-version": "2025-11-25"},
    ],
)
async def test_a_header_that_says_otherwise_than_the_body_is_refused(faces: Faces, headers: dict[str, str]) -> None:
    right = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "aether_lab_echo"}
    call = request(1, "tools/call", name="aether_lab_echo", arguments={"text": "x"}, _meta=ENVELOPE)
    async with faces.http(**HEADERS) as client:
        assert (await client.post("/mcp", json=call, headers=right)).status_code == 200
        assert (await client.post("/mcp", json=call, headers=right | headers)).status_code == 400


async def test_the_menu_depends_on_rights_alone(faces: Faces) -> None:
    menus: dict[str, set[str]] = {}
    for scopes in ("*:read", "*:read", "process:read"):
        async with faces.http(await faces.token(scopes), **HEADERS) as client:
            answer = await client.post("/mcp", json=LIST, headers=MODERN)
        tools = ",".join(tool["name"] for tool in answer.json()["result"]["tools"])
        menus.setdefault(scopes, set()).add(tools)
    assert [len(found) for found in menus.values()] == [1, 1]
    assert menus["*:read"] != menus["process:read"]


def parts(header: str) -> dict[str, str]:
    """Read a challenge."""
    kind, _, rest = header.partition(" ")
    assert kind == "Bearer"
    found = dict(re.findall(r'(\w+)="([^"\\]*)"', rest))
    assert rest == ", ".join(f'{name}="{value}"' for name, value in found.items())
    return found


def digest(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()
