"""Credentials, and a person's way in."""

from __future__ import annotations

from typing import Any

import pytest
from web_lab import Served, error_of, raw, served

pytestmark = pytest.mark.anyio

__all__ = ["served"]

GUARDED = (
    "/v1/lab.echo",
    "/v1/events",
    "/v1/catalog",
    "/v1/openapi.json",
    "/readyz",
    "/metrics",
    "/v1/files/agent/file",
    "/v1/unknown.thing",
)


async def test_everything_but_health_login_and_console_needs_a_credential(served: Served) -> None:
    for path in GUARDED:
        answer = await served.stranger.get(path)
        assert error_of(answer) == (401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    for path in ("/v1/login", "/v1/logout", "/v1/refresh"):
        assert error_of(await served.stranger.post(path)) == (401, "unauthenticated")
    for path in ("/healthz", "/"):
        assert (await served.stranger.get(path)).status_code == 200


async def test_a_wrong_or_malformed_credential_is_unauthenticated(served: Served) -> None:
    for value in ("Bearer wrong", "Bearer", "Bearer ,", "Basic b3duZXI6eA==", served.token, "Bearer \xff\xfe"):
        answer = await served.stranger.get("/v1/lab.echo", headers=[(b"authorization", value.encode("latin-1"))])
        assert error_of(answer) == (401, "unauthenticated")
    answer = await served.stranger.get("/v1/lab.echo", headers={"cookie": "aether_session=; other=1"})
    assert error_of(answer) == (401, "unauthenticated")


async def test_a_token_in_the_query_is_no_credential(served: Served) -> None:
    assert error_of(await served.stranger.get(f"/v1/lab.echo?token={served.token}")) == (401, "unauthenticated")


async def test_a_token_without_the_scope_is_forbidden(served: Served) -> None:
    _, secret = await served.token_for("token:read")
    headers = {"authorization": f"bearer {secret}"}
    assert (await served.stranger.get("/v1/lab.echo", headers=headers)).status_code == 403
    assert (await served.stranger.get("/v1/token.list", headers=headers)).status_code == 200


async def test_a_revoked_token_ends_at_once(served: Served) -> None:
    key, secret = await served.token_for("*:read")
    headers = {"authorization": f"Bearer {secret}"}
    assert (await served.stranger.get("/v1/lab.echo", headers=headers)).status_code == 200
    await served.running.invoke("token.revoke", {"id": key})
    assert error_of(await served.stranger.get("/v1/lab.echo", headers=headers)) == (401, "unauthenticated")


async def test_a_link_logs_a_browser_in_once(served: Served) -> None:
    url = (await served.client.post("/v1/login")).json()["url"]
    assert url.startswith(f"http://127.0.0.1:{served.port}/login?code=")
    answer = await served.stranger.get(url)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    for part in ("aether_session=aes_", "HttpOnly", "SameSite=strict", "Path=/", "Max-Age="):
        assert part in cookie
    assert (await served.stranger.get("/v1/token.list")).status_code == 200

    again = await served.stranger.get(url)
    assert again.status_code == 401
    assert "set-cookie" not in again.headers
    assert "aetherctl console" in again.text


async def test_only_opening_a_link_spends_it(served: Served) -> None:
    url = (await served.client.post("/v1/login")).json()["url"]
    assert (await served.stranger.head(url)).status_code == 405
    assert (await served.stranger.get(url, headers={"sec-purpose": "prefetch"})).status_code == 401
    assert (await served.stranger.get(url)).status_code == 303


async def test_a_bad_login_code_shows_a_page_that_helps(served: Served) -> None:
    for query in ("", "?code=", "?code=wrong", "?code=<script>alert(1)</script>", "?code=%00%ff"):
        answer = await served.stranger.get(f"/login{query}")
        assert answer.status_code == 401
        assert answer.headers["content-type"].startswith("text/html")
        assert "aetherctl console" in answer.text
        assert "<script" not in answer.text


async def test_logout_ends_the_session(served: Served) -> None:
    headers = {"cookie": await served.cookie()}
    answer = await served.stranger.post("/v1/logout", headers=headers)
    assert answer.status_code == 200
    assert 'aether_session="";' in answer.headers["set-cookie"]
    assert error_of(await served.stranger.get("/v1/token.list", headers=headers)) == (401, "unauthenticated")


async def test_logout_with_a_token_leaves_the_token(served: Served) -> None:
    assert (await served.client.post("/v1/logout")).status_code == 200
    assert (await served.client.get("/v1/lab.echo")).status_code == 200


async def test_refresh_replaces_the_session(served: Served) -> None:
    old = {"cookie": await served.cookie()}
    answer = await served.stranger.post("/v1/refresh", headers=old)
    new = {"cookie": answer.headers["set-cookie"].partition(";")[0]}
    served.stranger.cookies.clear()
    assert new != old
    assert (await served.stranger.get("/v1/token.list", headers=new)).status_code == 200
    assert error_of(await served.stranger.get("/v1/token.list", headers=old)) == (401, "unauthenticated")
    assert error_of(await served.client.post("/v1/refresh")) == (422, "invalid")


async def test_an_agent_or_a_lesser_token_cannot_open_the_console(served: Served) -> None:
    _, secret = await served.token_for("*:read", "*:write")
    answer = await served.stranger.post("/v1/login", headers={"authorization": f"Bearer {secret}"})
    assert error_of(answer) == (403, "forbidden")


async def test_a_websocket_by_cookie_needs_an_origin(served: Served) -> None:
    cookie = await served.cookie()
    request = (
        f"GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: {cookie}\r\n\r\n"
    )
    assert b" 403 " in (await raw(served.port, request.encode())).partition(b"\r\n")[0]
    headers = {"cookie": cookie, "origin": f"http://127.0.0.1:{served.port}"}
    async with served.socket("/v1/ws", headers):
        pass


async def test_the_login_routes_take_only_post(served: Served) -> None:
    for path in ("/v1/login", "/v1/logout", "/v1/refresh"):
        answer: Any = await served.client.get(path)
        assert error_of(answer) == (405, "invalid")
        assert answer.headers["allow"] == "POST"
