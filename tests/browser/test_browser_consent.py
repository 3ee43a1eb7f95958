"""A client that only speaks OAuth connects: the SDK's own, against the daemon, and a person who allows it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import anyio
import anyio.from_thread
import httpx2
import pytest
from mcp import Client
from mcp.client.auth import OAuthClientProvider, OAuthFlowError
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from playwright.sync_api import expect
from pydantic import AnyUrl

from tests.browser.console_lab import Console

WAIT_S = 60.0


class Memory:
    """What a client keeps."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Outside:
    """A program beside the daemon: an MCP client, the little server its browser page comes back to, and its memory."""

    def __init__(self, port: int) -> None:
        self.url, self.memory, self.tools = f"http://127.0.0.1:{port}/mcp", Memory(), 0
        self.page, self.answer = "", ""  # where it sends the person, what came back
        self.asks, self.answered = threading.Event(), threading.Event()
        self.failure: BaseException | None = None
        outside = self

        class Callback(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = urlsplit(self.path)
                self.send_response(200 if found.path == "/callback" else 404)
                self.send_header("content-type", "text/html")
                self.end_headers()
                self.wfile.write(b"<!doctype html><link rel=icon href=data:,><p>You may close this page.")
                if found.path == "/callback":
                    outside.answer = found.query
                    outside.answered.set()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Callback)

    @property
    def metadata(self) -> OAuthClientMetadata:
        """What it says of itself."""
        back = AnyUrl(f"http://127.0.0.1:{self.server.server_port}/callback")
        return OAuthClientMetadata(client_name="An Outside Program", redirect_uris=[back])

    async def send(self, url: str) -> None:
        """Open the person's browser."""
        self.page = url
        self.asks.set()

    async def hear(self) -> AuthorizationCodeResult:
        """Wait for the browser to come back."""
        assert await anyio.to_thread.run_sync(self.answered.wait, WAIT_S)
        found = {name: values[0] for name, values in parse_qs(self.answer).items()}
        return AuthorizationCodeResult(code=found.get("code", ""), state=found.get("state"), iss=found.get("iss"))

    async def connect(self) -> None:
        """List the tools, call one, renew the token, call again."""
        auth = OAuthClientProvider(self.url, self.metadata, self.memory, self.send, self.hear)
        async with httpx2.AsyncClient(auth=auth, timeout=WAIT_S, trust_env=False) as http:
            async with Client(streamable_http_client(self.url, http_client=http)) as client:
                self.tools = len((await client.session.list_tools()).tools)
                first = self.memory.tokens
                auth.context.token_expiry_time = 1.0  # as if an hour had gone by
                result = await client.session.call_tool("aether_system_status", {})
                assert not result.is_error
            last = self.memory.tokens
            assert first is not None
            assert last is not None
            assert first.access_token != last.access_token

    def run(self) -> None:
        """Do it in a thread of its own: Playwright holds the test's."""
        try:
            anyio.run(self.connect)
        except BaseException as exc:
            self.failure = exc


@contextmanager
def outside(port: int) -> Iterator[Outside]:
    """Run the program beside the test."""
    made = Outside(port)
    threads = [threading.Thread(target=work) for work in (made.server.serve_forever, made.run)]
    for thread in threads:
        thread.start()
    try:
        assert made.asks.wait(WAIT_S), made.failure
        yield made
    finally:
        made.answered.set()
        threads[1].join(WAIT_S)
        made.server.shutdown()
        threads[0].join(WAIT_S)
        made.server.server_close()


def test_a_person_lets_a_client_in_that_only_speaks_oauth(console: Console) -> None:
    with outside(console.daemon.port) as program:
        console.page.goto(program.page)
        expect(console.at("consent-name")).to_have_text("An Outside Program")
        expect(console.at("consent-host")).to_have_text(f"127.0.0.1:{program.server.server_port}")
        expect(console.at("consent-scope-*:write")).to_be_checked()
        assert not program.answered.is_set()
        console.at("consent-allow").click()
        expect(console.page.locator("body")).to_contain_text("You may close this page")
    assert program.failure is None, program.failure
    assert program.tools > 20
    console.page.goto("/system")
    line = console.page.locator("li", has_text="An Outside Program")
    expect(line).to_have_count(1)
    line.get_by_role("button", name="Revoke").click()
    line.get_by_role("button", name="Revoke for good").click()
    expect(line).to_have_count(0)
    assert program.memory.tokens
    bearer = {"authorization": f"Bearer {program.memory.tokens.access_token}"}
    assert httpx2.post(program.url, json={}, headers=bearer, trust_env=False).status_code == 401


def test_a_person_says_no(console: Console) -> None:
    with outside(console.daemon.port) as program:
        console.page.goto(program.page)
        console.at("consent-deny").click()
        expect(console.page.locator("body")).to_contain_text("You may close this page")
    assert "error=access_denied" in program.answer
    assert program.memory.tokens is None
    assert [type(exc) for exc in leaves(program.failure)] == [OAuthFlowError]


def test_who_is_not_signed_in_is_not_asked(stranger: Console) -> None:
    stranger.expected.append("401")
    with outside(stranger.daemon.port) as program:
        stranger.page.goto(program.page)
        expect(stranger.at("login")).to_contain_text("aetherctl console")
        expect(stranger.at("consent-allow")).to_have_count(0)


@pytest.mark.parametrize("what", ["", "?client_id=client_nobody"])
def test_a_question_that_nobody_asks_is_said_to_be_none(console: Console, what: str) -> None:
    console.expected.append("400")
    console.page.goto(f"/consent{what}")
    expect(console.at("consent")).to_contain_text("This cannot be granted")
    expect(console.at("consent-allow")).to_have_count(0)


def leaves(exc: BaseException | None) -> list[BaseException]:
    """Return the errors inside of groups."""
    if isinstance(exc, BaseExceptionGroup):
        return [leaf for each in exc.exceptions for leaf in leaves(each)]
    return [] if exc is None else [exc]
