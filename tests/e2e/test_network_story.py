"""What a sandbox reaches: what its policy says, by its proxy, and nothing besides. Everything here is on loopback."""

from __future__ import annotations

import http.server
import shutil
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.daemon_lab import Daemon, until

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")


class Site(http.server.BaseHTTPRequestHandler):
    """A service of this machine."""

    def do_GET(self) -> None:
        body = f"you asked for {self.path}".encode()
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:9/inner")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()


def said(own: Daemon, pid: int, program: str) -> str:
    """Run a shell program in a process's sandbox and return what it said."""
    found = own.call("sandbox.exec", pid=pid, argv=["sh", "-c", f"exec 2>&1; {program}"], timeout_s=30)
    return str(found["stdout"])


def test_a_sandbox_reaches_what_is_listed_and_every_refusal_is_written_down(own: Daemon, site: int) -> None:
    pid = own.spawn(
        "command", argv=["sleep", "300"], name="walled", sandbox={"tier": "bwrap", "network": f"127.0.0.1:{site}"}
    )["pid"]
    until(lambda: own.get(pid)["state"] == "running", 20, "its start")
    assert said(own, pid, f"curl -s http://127.0.0.1:{site}/direct") == "you asked for /direct"
    assert said(own, pid, f"curl -s --noproxy '' -x http://127.0.0.1:3002 http://127.0.0.1:{site}/by/proxy") == (
        "you asked for /by/proxy"
    )
    refused = said(own, pid, "curl -s http://elsewhere.example/")
    assert "elsewhere.example:80 is refused: no rule of this agent names elsewhere.example" in refused
    assert "403" in said(own, pid, "curl -sS https://elsewhere.example/")
    led_away = said(own, pid, f"curl -sL --noproxy '' -x http://127.0.0.1:3002 http://127.0.0.1:{site}/away")
    assert "127.0.0.1:9 is refused" in led_away
    dead = "import socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'x', ('192.0.2.1', 53))"
    assert "Network is unreachable" in said(own, pid, f'python3 -c "{dead}"')
    found = own.call("network.log", agent="walled", refused=True)["requests"]
    assert {(one["host"], one["port"]) for one in found} == {
        ("elsewhere.example", 80),
        ("elsewhere.example", 443),
        ("127.0.0.1", 9),
    }
    assert all(one["rule"] == f"{one['host']}:{one['port']}" and not one["address"] for one in found)
    assert [event["data"]["host"] for event in own.events(types="network.refused")].count("elsewhere.example") == 2
    own.restart()
    assert said(own, pid, f"curl -s --retry 5 --retry-connrefused http://127.0.0.1:{site}/again") == (
        "you asked for /again"
    )
    own.call("network.set_policy", agent="walled", mode="none")
    assert "no network" in said(own, pid, f"curl -s --noproxy '' -x http://127.0.0.1:3002 http://127.0.0.1:{site}/")
    assert said(own, pid, f"curl -s http://127.0.0.1:{site}/closed") == ""


def test_a_sandbox_has_the_http_face_for_itself_alone(own: Daemon) -> None:
    first, second = (
        own.spawn("command", argv=["sh", "-c", "echo $AETHER_TOKEN; sleep 300"], name=name, sandbox={"tier": "bwrap"})[
            "pid"
        ]
        for name in ("one", "two")
    )
    for pid in (first, second):
        until(lambda pid=pid: own.call("process.output", pid=pid)["text"].strip(), 20, "its token")
    token, other = (own.call("process.output", pid=pid)["text"].strip() for pid in (first, second))
    head = "-H 'Content-Type: application/json' -H 'Authorization: Bearer {}'"
    ask = f"curl -s -X POST {head} http://127.0.0.1:3001/v1/process.whoami -d {{}}"
    assert f'"pid":{first}' in said(own, first, ask.format(token, "'{}'"))
    assert "belongs to another process" in said(own, first, ask.format(other, "'{}'"))
    owner = (own.home / "secrets" / "owner.token").read_text().strip()
    assert "belongs to another process, or to none" in said(own, first, ask.format(owner, "'{}'"))
    assert "not_found" in said(own, first, "curl -s http://127.0.0.1:3001/login")
    assert "a credential is needed" in said(own, first, "curl -s http://127.0.0.1:3001/llm/anthropic/v1/messages")
    crowd = "import socket; c = [socket.create_connection(('127.0.0.1', 3001)) for _ in range(100)]; c[99].recv(1)"
    said(own, first, f'python3 -c "{crowd}"')  # which ends: the last are turned away
    assert own.get(second)["state"] == "running"
    assert f'"pid":{first}' in said(own, first, ask.format(token, "'{}'"))
