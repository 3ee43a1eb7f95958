"""Who may address the daemon, from which page, how much, and what every answer carries."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from web_lab import Served, error_of, raw, serve, served
from websockets.exceptions import InvalidStatus

pytestmark = pytest.mark.anyio

__all__ = ["served"]

PATHS = ["/healthz", "/", "/v1/lab.echo", "/v1/events", "/mcp", "/metrics", "/v1/files/a/b", "/login?code=x"]
SOCKETS = ["/v1/ws", "/v1/attach/terminal/7?ticket=x"]


async def fake_mcp(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("this is MCP")(scope, receive, send)


async def test_a_foreign_host_is_misdirected_on_every_path(served: Served) -> None:
    for host in ("evil.test", "127.0.0.1.evil.test", "localhost:3001@evil.test", "10.0.0.1", ""):
        for path in PATHS:
            assert error_of(await served.client.get(path, headers={"host": host})) == (421, "invalid")


async def test_a_foreign_host_gets_no_websocket(served: Served) -> None:
    for path in SOCKETS:
        request = (
            f"GET {path} HTTP/1.1\r\nHost: evil.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Authorization: Bearer {served.token}\r\n\r\n"
        )
        assert b" 421 " in (await raw(served.port, request.encode())).partition(b"\r\n")[0]


async def test_this_machines_names_are_served_with_and_without_a_port(served: Served) -> None:
    for host in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]", f"localhost:{served.port}", "127.0.0.1:9"):
        assert (await served.stranger.get("/healthz", headers={"host": host})).status_code == 200


async def test_a_request_without_a_host_is_misdirected(served: Served) -> None:
    answer = await raw(served.port, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert b" 421 " in answer.partition(b"\r\n")[0]


async def test_another_pages_origin_is_forbidden_even_with_a_cookie(served: Served) -> None:
    cookie = await served.cookie()
    for origin in ("http://evil.test", "null", "https://127.0.0.1", "http://127.0.0.1:1", "file://", "http://"):
        for path in PATHS:
            answer = await served.stranger.get(path, headers={"origin": origin, "cookie": cookie})
            assert error_of(answer) == (403, "forbidden")


async def test_another_pages_origin_is_refused_before_the_upgrade(served: Served) -> None:
    cookie = await served.cookie()
    for origin in ("http://evil.test", "null"):
        for path in SOCKETS:
            with pytest.raises(InvalidStatus) as refused:
                async with served.socket(path, {"origin": origin, "cookie": cookie}):
                    pass
            assert refused.value.response.status_code == 403


async def test_our_own_pages_may_call(served: Served) -> None:
    cookie = await served.cookie()
    for name in ("127.0.0.1", "localhost", "[::1]"):
        headers = {"origin": f"http://{name}:{served.port}", "cookie": cookie}
        assert (await served.stranger.post("/v1/lab.change", headers=headers)).status_code == 200


async def test_a_page_reached_through_a_tunnel_is_our_own(served: Served) -> None:
    headers = {"host": "localhost:8080", "origin": "http://localhost:8080", "cookie": await served.cookie()}
    assert (await served.stranger.post("/v1/lab.change", headers=headers)).status_code == 200


async def test_a_browsers_mark_of_another_site_is_enough_to_refuse(served: Served) -> None:
    for site in ("cross-site", "same-site", "nonsense"):
        headers = {"sec-fetch-site": site, "sec-fetch-mode": "cors", "cookie": await served.cookie()}
        assert error_of(await served.stranger.post("/v1/lab.change", headers=headers)) == (403, "forbidden")
        assert error_of(await served.stranger.get("/v1/lab.echo", headers=headers)) == (403, "forbidden")


async def test_a_link_from_elsewhere_opens_the_console_but_no_operation(served: Served) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert (await served.stranger.get("/", headers=headers)).status_code == 200
    assert error_of(await served.client.get("/v1/lab.echo", headers=headers)) == (403, "forbidden")
    assert error_of(await served.client.get("/mcp", headers=headers)) == (403, "forbidden")


async def test_every_answer_carries_the_security_headers(served: Served) -> None:
    for path in ("/healthz", "/", "/v1/lab.echo", "/v1/nothing.here", "/v1/catalog", "/assets/x.js"):
        headers = (await served.client.get(path)).headers
        policy = {part.split()[0]: part.split()[1:] for part in headers["content-security-policy"].split(";")}
        assert policy["script-src"] == ["'self'"]
        assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == ["'none'"]
        assert "unsafe-eval" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


async def test_a_body_that_says_it_is_too_large_is_refused_unread(served: Served) -> None:
    answer = await served.client.post("/v1/lab.echo", content=b"x" * (5 * 1024 * 1024))
    assert error_of(answer) == (413, "invalid")


async def test_a_body_that_turns_out_too_large_is_refused(served: Served) -> None:
    async def chunks() -> Any:
        for _ in range(5):
            yield b"x" * 1024 * 1024

    answer = await served.client.post("/v1/lab.echo", content=chunks())
    assert error_of(answer) == (413, "invalid")


async def test_a_negative_or_absurd_length_is_refused(served: Served) -> None:
    for length in ("-1", "99999999999999999999999999"):
        request = f"POST /v1/lab.echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        assert await raw_status(served.port, request) in (400, 413)


async def raw_status(port: int, request: str) -> int:
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(request.encode())
        with anyio.fail_after(5):
            return int((await stream.receive()).split()[1])


async def test_mcp_is_behind_the_same_wall(house: Any) -> None:
    async with serve(house, mcp=fake_mcp) as served:
        assert (await served.client.get("/mcp")).text == "this is MCP"
        assert error_of(await served.client.get("/mcp", headers={"host": "evil.test"})) == (421, "invalid")
        assert error_of(await served.client.get("/mcp", headers={"origin": "null"})) == (403, "forbidden")
