"""An agent's walls at the console: chosen at its start, shown wherever it is, measured and changed while it runs."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect

from tests.browser.console_lab import DESKTOP, PHONE, Console, narrow
from tests.e2e.daemon_lab import Daemon, Refused, until

walled = pytest.mark.skipif(shutil.which("bwrap") is None, reason="no bwrap: apt-get install bubblewrap")

WALLS, WORDS = ("uid", "host: own uid, no namespace") if os.geteuid() == 0 else ("none", "host: no sandbox")
# Holds 64 MB, then stays.
HOLDER = """python3 -c 'import time; held = bytearray(64 << 20); time.sleep(600)'"""


@contextmanager
def served(body: bytes) -> Iterator[int]:
    """Answer every GET on a port of this machine."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


def fact(daemon: Daemon, agent: str) -> str:
    """Read what it got; nothing yet is nothing."""
    try:
        return str(daemon.call("fs.read", agent=agent, path="work/got.txt")["text"])
    except Refused:
        return ""


@walled
def test_a_tier_and_limits_are_chosen_at_the_start_then_measured_and_changed(console: Console) -> None:
    daemon, page = console.daemon, console.page
    console.at("new-agent").click()
    console.at("runtime-command").click()
    console.at("spawn-argv").fill(HOLDER)
    console.at("spawn-name").fill("held-in")
    console.at("spawn-more-walls").click()
    console.at("tier-bwrap").click()
    page.get_by_role("radio", name="None", exact=True).click()
    console.at("limit-memory_mb").fill("200")
    console.at("limit-pids").fill("40")
    expect(console.at("spawn-more-walls")).to_contain_text("bwrap · no network · memory 200 MB")
    console.at("spawn-submit").click()
    pid = console.pid
    console.condition(pid, "running", "working")
    assert daemon.get(pid)["sandbox"]["tier"] == "bwrap"
    mark = page.locator("header").get_by_test_id("tier")
    expect(mark).to_have_attribute("data-walls", "walled")
    expect(page.locator("header")).to_contain_text("no network")

    console.tab("walls")
    expect(console.at("use-memory")).to_contain_text(re.compile(r"(6[4-9]|[78]\d)\.\d MB of 200\.0 MB"))
    expect(console.at("use-pids")).to_contain_text("of 40")
    console.at("limits-change").click()
    console.at("limit-memory_mb").fill("300")
    console.at("limit-cpu").fill("0.5")
    console.at("limits-save").click()
    expect(console.at("use-memory")).to_contain_text("of 300.0 MB")
    expect(console.at("use-cpu")).to_contain_text("of 0.5")
    limits = daemon.call("sandbox.get", pid=pid)["limits"]
    assert (limits["memory_mb"], limits["cpu"], limits["pids"]) == (300, 0.5, 40)


def test_an_agent_without_a_sandbox_is_red_wherever_it_is_shown(console: Console) -> None:
    daemon, page = console.daemon, console.page
    pid = daemon.spawn("command", argv=["sleep", "600"], name="bare", sandbox={"tier": "host"})["pid"]
    row = console.at(f"agent-row-{pid}").get_by_test_id("tier")
    expect(row).to_have_attribute("data-walls", WALLS)
    red = row.evaluate("node => getComputedStyle(node).color")
    console.at("new-agent").click()
    console.at("spawn-more-walls").click()
    console.at("tier-host").click()
    expect(console.at("host-warning")).to_contain_text("No sandbox")
    expect(console.at("host-warning")).to_have_css("color", red)
    expect(console.at("network-rules")).to_have_count(0)
    page.keyboard.press("Escape")

    console.open(pid, "walls")
    header = page.locator("header").get_by_test_id("tier")
    expect(header).to_have_text(WORDS)
    expect(header).to_have_css("color", red)
    expect(console.at("fleet").get_by_role("link", name="bare").get_by_role("img", name="no sandbox")).to_be_visible()
    expect(console.at("no-walls")).to_have_css("color", red)
    page.set_viewport_size(PHONE)
    expect(header).to_be_visible()
    narrow(console)


@walled
def test_a_refused_host_is_allowed_by_one_click(console: Console) -> None:
    daemon, page = console.daemon, console.page
    with served(b"let through\n") as port:
        asks = f"curl -sf --noproxy '' -x http://127.0.0.1:3002 -o got.txt http://127.0.0.1:{port}/fact"
        script = f"until {asks}; do sleep 0.2; done; sleep 600"
        made = daemon.spawn(
            "command", argv=["sh", "-c", script], name="curious", sandbox={"tier": "bwrap", "network": "example.org"}
        )
        console.open(made["pid"], "walls")
        expect(console.at("network")).to_have_attribute("data-mode", "rules")
        expect(console.at("network-rules")).to_contain_text("example.org")
        tried = console.at(f"tried-127.0.0.1:{port}").first
        expect(tried).to_have_attribute("data-allowed", "false")
        page.set_viewport_size(PHONE)
        narrow(console)
        page.set_viewport_size(DESKTOP)
        tried.get_by_role("button", name=f"Allow 127.0.0.1:{port}").click()
        expect(console.at("network-rules")).to_contain_text(f"127.0.0.1:{port}")
        page.get_by_role("radio", name="All", exact=True).click()
        expect(page.locator(f'[data-testid="tried-127.0.0.1:{port}"][data-allowed="true"]')).to_be_visible()
        until(lambda: fact(daemon, made["agent"]) == "let through\n", 20, "the answer")
        assert f"127.0.0.1:{port}" in daemon.call("network.policy", agent=made["agent"])["rules"]
