"""The authorization server: every rule of OAuth 2.1 and of MCP's authorization that a server has to keep."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from mcp.shared.auth import OAuthClientInformationFull, OAuthMetadata, OAuthToken, ProtectedResourceMetadata
from web_lab import Served, error_of, raw, serve

from aetherd.core.clock import SystemClock
from aetherd.core.config import load
from aetherd.core.errors import Unauthenticated
from aetherd.kernel.token import grants
from house import forget_environment, run_house
from oauth_client import REDIRECT, Program, form, heard

pytestmark = pytest.mark.anyio

WELL_KNOWN = "/.well-known/oauth-authorization-server"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def shared(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """One house for all tests here: none of them minds the clients of another."""
    with pytest.MonkeyPatch.context() as patch:
        forget_environment(patch)
        settings = load(home=tmp_path_factory.mktemp("oauth") / "aether", port=0)
    async with run_house(settings) as running, serve(running) as made:
        yield made


@pytest.fixture
def served(shared: Served) -> Served:
    return shared


@pytest.fixture
async def program(served: Served) -> Program:
    """A client that has registered."""
    made = Program(served.stranger, served.client, served.port)
    await made.register()
    return made


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let time go by."""
    return lambda seconds: monkeypatch.setattr(
        SystemClock, "now", lambda self: datetime.now(UTC) + timedelta(seconds=seconds)
    )


async def ended(served: Served, secret: str) -> bool:
    """Tell whether a token is taken no more."""
    try:
        await served.house.authenticate(secret, "mcp")
    except Unauthenticated:
        return True
    return False


def refused(answer: Any, error: str) -> bool:
    """Tell whether an answer is OAuth's refusal with this word, and not to be stored."""
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json()) == {"error", "error_description"}
    return (answer.status_code, answer.json()["error"]) == (400, error)


# --- who we are ---


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]"])
async def test_the_metadata_names_this_server_as_the_caller_named_it(served: Served, name: str) -> None:
    host = {"host": f"{name}:{served.port}"}
    origin = f"http://{name}:{served.port}"
    for path in ("", "/mcp"):
        found = await served.stranger.get(f"/.well-known/oauth-protected-resource{path}", headers=host)
        resource = ProtectedResourceMetadata.model_validate_json(found.content)
        assert (str(resource.resource), [str(url) for url in resource.authorization_servers]) == (
            f"{origin}/mcp",
            [origin],
        )
        assert resource.bearer_methods_supported == ["header"]
    server = OAuthMetadata.model_validate_json((await served.stranger.get(WELL_KNOWN, headers=host)).content)
    assert str(server.issuer) == origin
    assert server.code_challenge_methods_supported == ["S256"]
    assert server.token_endpoint_auth_methods_supported == ["none"]
    assert server.authorization_response_iss_parameter_supported
    assert str(server.authorization_endpoint) == f"http://127.0.0.1:{served.port}/authorize"  # where the cookie is


async def test_a_host_header_cannot_move_the_metadata_to_another_port(served: Served) -> None:
    found = await served.stranger.get(WELL_KNOWN, headers={"host": "127.0.0.1:9"})
    assert found.json()["issuer"] == f"http://127.0.0.1:{served.port}"


async def test_other_well_known_documents_are_not_the_console(served: Served) -> None:
    assert (await served.stranger.get("/.well-known/openid-configuration")).status_code == 404


# --- registering ---


async def test_a_client_registers_without_a_secret_whatever_it_asked_for(program: Program) -> None:
    answer = await program.register(token_endpoint_auth_method="client_secret_post", scope="*", grant_types=["x"])
    assert answer.status_code == 201
    client = OAuthClientInformationFull.model_validate_json(answer.content)
    assert (client.client_secret, client.token_endpoint_auth_method, client.scope) == (None, "none", None)
    assert [str(each) for each in client.redirect_uris or ()] == [REDIRECT]


@pytest.mark.parametrize(
    "redirect",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "cursor://callback",
        "http://evil.test/callback",
        "http://127.0.0.1.evil.test/callback",
        "http://127.0.0.1@evil.test/callback",
        "http://127.0.0.1:80@evil.test/callback",
        "http://evil.test\\@127.0.0.1/callback",
        "https://user:password@app.test/callback",
        "https://app.test/callback#fragment",
        "https://app.test\n.evil.test/",
        "https:///callback",
        "//app.test/callback",
        "http://0x7f000001/callback",
        "http://localhost/<script>",
        "",
        5,
        "https://app.test/" + "x" * 2000,
    ],
)
async def test_a_redirect_that_is_neither_https_nor_this_machine_is_not_registered(
    program: Program, redirect: Any
) -> None:
    assert refused(await program.register(redirect_uris=[redirect]), "invalid_redirect_uri")


@pytest.mark.parametrize("redirects", [[], None, [REDIRECT] * 11, REDIRECT, {}])
async def test_a_client_registers_one_to_ten_redirects(program: Program, redirects: Any) -> None:
    assert refused(await program.register(redirect_uris=redirects), "invalid_redirect_uri")


async def test_a_name_cannot_hide_what_it_says(served: Served, program: Program) -> None:
    answer = await program.register(client_name="\u202etxt.exe\x00 " + "x" * 1000)
    assert answer.json()["client_name"].startswith("txt.exe x")
    assert len(answer.json()["client_name"]) == 100


async def test_registering_has_an_end_and_those_a_person_allowed_stay(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grants, "STRANGERS", 2)
    monkeypatch.setattr(grants, "CLIENTS", 3)
    async with serve(house) as served:
        program, other = (Program(served.stranger, served.client, served.port) for _ in range(2))
        await program.register()
        tokens = await program.tokens()
        await other.register()
        first = other.id
        for _ in range(5):
            assert (await other.register()).status_code == 201
        newest, other.id = other.id, first
        assert (await other.authorize()).status_code == 400  # it made room for newer ones
        other.id = newest
        await other.code()
        assert (await program.renew(tokens["refresh_token"])).status_code == 200
        await other.register()
        await other.code()
        last = await other.register()  # all places are taken by clients that a person allowed
        assert (last.status_code, last.json()["error"]) == (429, "temporarily_unavailable")


async def test_a_large_or_endless_registration_is_refused(served: Served) -> None:
    assert (await served.stranger.post("/register", json={"client_name": "x" * 20_000})).status_code == 413
    head = "POST /register HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    answer = await raw(served.port, (head + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n").encode())
    assert b" 413 " in answer.partition(b"\r\n")[0]


# --- asking a person ---


async def test_a_right_request_goes_to_the_page_that_asks_and_gives_nothing_yet(program: Program) -> None:
    answer = await program.authorize()
    assert (answer.status_code, answer.headers["location"]) == (303, f"/consent?{program.request()}")
    assert answer.headers["cache-control"] == "no-store"


async def test_another_site_may_send_the_browser_there_but_not_frame_or_fetch_it(program: Program) -> None:
    foreign = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    path = f"/authorize?{program.request()}"
    assert (await program.http.get(path, headers=foreign)).status_code == 303
    for other in ({"sec-fetch-dest": "iframe"}, {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}):
        assert (await program.http.get(path, headers=foreign | other)).status_code == 403


async def test_the_page_is_told_who_asks_for_what_and_where_the_answer_goes(served: Served, program: Program) -> None:
    shown = (await served.client.post("/v1/token.consent", json={"request": program.request()})).json()
    assert shown == {
        "client": program.id,
        "name": "a program",
        "redirect_host": "127.0.0.1:49152",
        "local": True,
        "scopes": ["*:read", "*:write"],
        "toolset": "operator",
        "audience": f"{program.origin}/mcp",
    }


async def test_the_answer_has_the_client_s_state_and_says_who_answers(program: Program) -> None:
    told = await program.answered(program.request())
    assert set(told) == {"code", "state", "iss"}
    assert (told["state"], told["iss"]) == (program.state, program.origin)
    assert len(told["code"]) > 40
    no = await program.answered(program.request(), "deny")
    assert (no["error"], no["state"], no["iss"]) == ("access_denied", program.state, program.origin)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),  # the RFC's default is `plain`
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": "x" * 44}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"resource": None}, "invalid_target"),
        ({"resource": "http://127.0.0.1:9/mcp"}, "invalid_target"),
        ({"resource": "https://evil.test/mcp"}, "invalid_target"),
        ({"scope": "*"}, "invalid_scope"),
        ({"scope": "system:admin openid"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
    ],
)
async def test_a_wrong_request_is_told_to_the_program_on_this_machine(
    served: Served, program: Program, changes: dict[str, str | None], error: str
) -> None:
    answer = await program.authorize(**changes)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(REDIRECT + "?")
    told = heard(answer.headers["location"])
    assert (told["error"], told["state"], told["iss"]) == (error, program.state, program.origin)
    raw = {"request": program.request(**changes), "decision": "allow"}
    assert error_of(await served.client.post("/v1/token.decide", json=raw)) == (400, "invalid")


async def test_a_foreign_site_is_never_redirected_to_without_a_person(program: Program) -> None:
    """Anybody may register any site: a redirect by itself would make this server an open redirector."""
    await program.register(redirect_uris=["https://evil.test/callback"])
    answer = await program.authorize(redirect_uri="https://evil.test/callback", scope="*")
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "evil.test" not in answer.text


@pytest.mark.parametrize(
    "redirect",
    [
        None,
        "http://127.0.0.1:49152/callback/",
        "http://127.0.0.1:49152/other",
        "http://127.0.0.1:49152/callback?x=1",
        "http://127.0.0.1:49152/callback#x",
        "http://127.0.0.1:49152/callback/../callback",
        "http://127.0.0.1:49152/Callback",
        "http://localhost:49152/callback",
        "https://127.0.0.1:49152/callback",
        "http://127.0.0.1:49152@evil.test/callback",
        "https://evil.test/callback",
        "javascript:alert(1)",
    ],
)
async def test_another_redirect_than_registered_gets_a_page_and_no_redirect(
    program: Program, redirect: str | None
) -> None:
    answer = await program.authorize(redirect_uri=redirect)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("port", [":1", ":50000", ""])
async def test_the_port_of_a_local_redirect_is_free(program: Program, port: str) -> None:
    assert (await program.authorize(redirect_uri=f"http://127.0.0.1{port}/callback")).status_code == 303


async def test_the_port_of_a_site_is_not_free(program: Program) -> None:
    await program.register(redirect_uris=["https://app.test/callback"])
    assert (await program.authorize(redirect_uri="https://app.test:444/callback")).status_code == 400
    assert (await program.authorize(redirect_uri="https://app.test/callback")).status_code == 303


async def test_an_unknown_client_and_a_parameter_that_comes_twice_get_a_page(program: Program) -> None:
    for query in (
        program.request(client_id="client_nobody"),
        program.request(client_id="<script>"),
        program.request() + "&redirect_uri=https%3A%2F%2Fevil.test%2F",
        program.request() + "&scope=*",
        program.request(state="x" * 9000),
        "",
        "%ff",
    ):
        answer = await program.http.get(f"/authorize?{query}")
        assert answer.status_code == 400
        assert "location" not in answer.headers
        assert "<script>" not in answer.text


async def test_no_page_can_frame_what_asks_the_person(program: Program) -> None:
    for path in (f"/authorize?{program.request()}", f"/consent?{program.request()}", "/authorize"):
        headers = (await program.http.get(path)).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"


async def test_no_foreign_page_can_answer_for_the_person(served: Served, program: Program) -> None:
    cookie = {"cookie": await served.cookie()}
    body = {"request": program.request(), "decision": "allow"}
    for mark in ({"origin": "http://evil.test"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        answer = await served.stranger.post("/v1/token.decide", json=body, headers=cookie | mark)
        assert error_of(answer) == (403, "forbidden")
    kind = {"content-type": "text/plain", "origin": program.origin}  # a form could send it, JSON it cannot
    assert (await served.stranger.post("/v1/token.decide", content=b"{}", headers=cookie | kind)).status_code == 415
    assert (await served.stranger.get("/v1/token.decide", params=body, headers=cookie)).status_code == 405
    own = {"origin": program.origin}
    assert (await served.stranger.post("/v1/token.decide", json=body, headers=cookie | own)).status_code == 200


async def test_only_who_may_make_tokens_consents_and_gives_no_more_than_it_has(
    served: Served, program: Program
) -> None:
    body = {"request": program.request(), "decision": "allow"}
    assert error_of(await served.stranger.post("/v1/token.decide", json=body)) == (401, "unauthenticated")
    for scopes in (["*:read"], ["*:read", "token:write"]):
        _, secret = await served.token_for(*scopes)
        headers = {"authorization": f"Bearer {secret}"}
        answer = await served.stranger.post("/v1/token.decide", json=body, headers=headers)
        assert error_of(answer) == (403, "forbidden")


async def test_a_person_may_allow_less_but_not_what_was_not_asked_for(served: Served, program: Program) -> None:
    request = program.request(scope="*:read process:write")
    code = (await program.answered(request, scopes=["*:read"], toolset="worker"))["code"]
    tokens = OAuthToken.model_validate_json((await program.exchange(code)).content)
    assert tokens.scope == "*:read"
    call = await served.house.authenticate(tokens.access_token, "mcp")
    assert (call.scopes, call.toolset, call.client) == ({"*:read"}, "worker", program.id)
    more = {"request": request, "decision": "allow", "scopes": ["*:write"]}
    assert error_of(await served.client.post("/v1/token.decide", json=more)) == (422, "invalid")


# --- codes ---


async def test_a_code_becomes_tokens_that_last_an_hour_for_mcp_alone(
    served: Served, program: Program, later: Callable[[float], None]
) -> None:
    answer = await program.exchange(await program.code())
    assert answer.headers["cache-control"] == "no-store"
    tokens = OAuthToken.model_validate_json(answer.content)
    assert (tokens.token_type, tokens.expires_in, tokens.scope) == ("Bearer", 3600, "*:read *:write")
    call = await served.house.authenticate(tokens.access_token, "mcp")
    assert call.actor == f"user:owner/{program.id}"
    bearer = {"authorization": f"Bearer {tokens.access_token}"}
    assert error_of(await served.stranger.get("/v1/system.status", headers=bearer)) == (401, "unauthenticated")
    later(3601)
    assert await ended(served, tokens.access_token)


async def test_a_code_works_once_and_its_replay_ends_what_it_gave(served: Served, program: Program) -> None:
    code = await program.code()
    tokens = (await program.exchange(code)).json()
    assert not await ended(served, tokens["access_token"])
    assert refused(await program.exchange(code), "invalid_grant")
    assert await ended(served, tokens["access_token"])
    assert refused(await program.renew(tokens["refresh_token"]), "invalid_grant")


async def test_a_code_ends_after_a_minute(program: Program, later: Callable[[float], None]) -> None:
    code = await program.code()
    later(61)
    assert refused(await program.exchange(code), "invalid_grant")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "x" * 43}, "invalid_grant"),
        ({"code_verifier": "short"}, "invalid_grant"),
        ({"code_verifier": "ü" * 43}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_request"),  # a downgrade to no PKCE
        ({"redirect_uri": "http://127.0.0.1:49153/callback"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"resource": "http://127.0.0.1:9/mcp"}, "invalid_target"),
        ({"client_id": None}, "invalid_request"),
        ({"client_id": "client_other"}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": None}, "unsupported_grant_type"),
        ({"code": "aec_nothing"}, "invalid_grant"),
    ],
)
async def test_a_code_is_bound_to_client_redirect_verifier_and_resource(
    program: Program, changes: dict[str, str | None], error: str
) -> None:
    code = await program.code()
    assert refused(await program.exchange(**{"code": code, **changes}), error)  # type: ignore[arg-type]
    assert (await program.exchange(code)).status_code == 200


async def test_another_client_cannot_use_a_code_it_has_seen(served: Served, program: Program) -> None:
    thief = Program(served.stranger, served.client, served.port)
    await thief.register()
    code = await program.code()
    assert refused(await thief.exchange(code, code_verifier=program.verifier), "invalid_grant")


async def test_the_token_endpoint_takes_one_form_by_post_and_no_page_reads_it(program: Program) -> None:
    code = await program.code()
    query = form({"grant_type": "authorization_code", "client_id": program.id, "code": code}, {})
    assert (await program.http.get(f"/token?{query}")).status_code == 405
    assert refused(await program.post("/token", query + "&code=x"), "invalid_request")
    assert (await program.http.post("/token", json={"code": code})).status_code == 415
    for path in ("/token", "/register", "/revoke"):
        asked = {"origin": "http://evil.test", "access-control-request-method": "POST"}
        answer = await program.http.request("OPTIONS", path, headers=asked)
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


# --- tokens ---


async def test_renewing_replaces_both_tokens(served: Served, program: Program) -> None:
    old = await program.tokens()
    new = (await program.renew(old["refresh_token"], resource=f"{program.origin}/mcp")).json()
    assert {old["access_token"], old["refresh_token"]}.isdisjoint({new["access_token"], new["refresh_token"]})
    assert await ended(served, old["access_token"])
    assert not await ended(served, new["access_token"])


async def test_a_refresh_token_that_comes_again_ends_all_that_came_of_it(served: Served, program: Program) -> None:
    stolen = await program.tokens()
    new = (await program.renew(stolen["refresh_token"])).json()
    assert refused(await program.renew(stolen["refresh_token"]), "invalid_grant")
    assert await ended(served, new["access_token"])
    assert refused(await program.renew(new["refresh_token"]), "invalid_grant")


async def test_a_refresh_token_ends_when_it_is_not_used_for_a_month(
    program: Program, later: Callable[[float], None]
) -> None:
    tokens = await program.tokens()
    later(30 * 86_400 - 60)
    tokens = (await program.renew(tokens["refresh_token"])).json()
    later(60 * 86_400)
    assert refused(await program.renew(tokens["refresh_token"]), "invalid_grant")


async def test_a_renewal_may_narrow_what_was_allowed_and_never_widen_it(served: Served, program: Program) -> None:
    tokens = await program.tokens(scope="*:read process:write")
    narrow = (await program.renew(tokens["refresh_token"], scope="*:read")).json()
    assert narrow["scope"] == "*:read"
    assert refused(await program.renew(narrow["refresh_token"], scope="*:read *:write"), "invalid_scope")
    assert (await program.renew(narrow["refresh_token"])).json()["scope"] == "*:read process:write"


async def test_a_refresh_token_is_its_client_s_and_no_access_token(served: Served, program: Program) -> None:
    thief = Program(served.stranger, served.client, served.port)
    await thief.register()
    tokens = await program.tokens()
    assert refused(await thief.renew(tokens["refresh_token"]), "invalid_grant")
    assert refused(await program.renew(tokens["access_token"]), "invalid_grant")
    assert refused(await program.renew(tokens["refresh_token"], resource="http://evil.test/mcp"), "invalid_target")
    assert await ended(served, tokens["refresh_token"])
    assert (await program.renew(tokens["refresh_token"])).status_code == 200


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
async def test_giving_a_token_back_ends_its_family(served: Served, program: Program, which: str) -> None:
    thief = Program(served.stranger, served.client, served.port)
    await thief.register()
    tokens = await program.tokens()
    assert (await thief.revoke(tokens[which])).status_code == 200  # it learns nothing, and nothing ends
    assert not await ended(served, tokens["access_token"])
    assert (await program.revoke(tokens[which], token_type_hint="nonsense")).status_code == 200
    assert await ended(served, tokens["access_token"])
    assert refused(await program.renew(tokens["refresh_token"]), "invalid_grant")
    assert (await program.revoke("nonsense")).status_code == 200


@pytest.mark.parametrize("kind", ["access", "refresh"])
async def test_a_person_sees_a_client_s_tokens_and_ends_them(served: Served, program: Program, kind: str) -> None:
    tokens = await program.tokens()
    listed = (await served.client.post("/v1/token.list")).json()["tokens"]
    found = {each["kind"]: each for each in listed if each["client"] == program.id}
    assert set(found) == {"access", "refresh"}
    assert {each["audience"] for each in found.values()} == {f"{program.origin}/mcp"}
    assert (await served.client.post("/v1/token.revoke", json={"id": found[kind]["id"]})).status_code == 200
    assert await ended(served, tokens["access_token"])
    assert refused(await program.renew(tokens["refresh_token"]), "invalid_grant")


async def test_what_a_client_does_is_recorded_as_its_doing(served: Served, program: Program) -> None:
    tokens = await program.tokens()
    await program.revoke(tokens["access_token"])
    with sqlite3.connect(served.house.settings.database) as database:
        said = f'%"actor":"user:owner/{program.id}"%'
        rows = database.execute("SELECT type FROM event WHERE body LIKE ?", (said,)).fetchall()
    database.close()
    assert [name for (name,) in rows] == ["token.created"] * 2 + ["token.revoked"] * 2


async def test_secrets_are_nowhere_on_the_disk(served: Served, program: Program) -> None:
    code = await program.code()
    tokens = (await program.exchange(code)).json()
    with sqlite3.connect(served.house.settings.database) as database:
        dump = "\n".join(
            str(row) for (table,) in tables(database) for row in database.execute(f"SELECT * FROM {table}")
        )
    database.close()
    assert program.id in dump
    for secret in (code, tokens["access_token"], tokens["refresh_token"], program.verifier):
        assert secret not in dump


async def test_old_rows_of_a_family_do_not_pile_up(
    served: Served, program: Program, later: Callable[[float], None]
) -> None:
    tokens = await program.tokens()
    for day in range(1, 5):
        later(day * 29 * 86_400)
        tokens = (await program.renew(tokens["refresh_token"])).json()
    with sqlite3.connect(served.house.settings.database) as database:
        (count,) = database.execute("SELECT count(*) FROM token WHERE client = ?", (program.id,)).fetchone()
    database.close()
    assert count <= 6


def tables(database: sqlite3.Connection) -> list[Any]:
    """Return the ordinary tables."""
    names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'memory_fts%'"
    return database.execute(names).fetchall()


async def test_the_consent_page_s_address_is_on_this_server(program: Program) -> None:
    answer = await program.authorize(state="//evil.test/")
    assert urlsplit(answer.headers["location"]).netloc == ""
