"""The hand-written commands."""

from __future__ import annotations

import json
import os
import pty
import signal
import stat
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from ctl_lab import Terminal, run, terminal
from pydantic import Field

from aetherd.core.model import Model
from aetherd.ctl import attach, lifecycle
from aetherd.operations.operation import Call, Rule, operation, operations_of
from tests.web.web_lab import Wire

pytestmark = pytest.mark.anyio

__all__ = ["terminal"]


def test_without_a_daemon_every_command_says_how_to_start_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AETHER_HOME", str(tmp_path / "none"))
    for arguments in (("status",), ("doctor",), ("console",), ("events",), ("attach", "7")):
        result = run(*arguments)
        assert result.exit_code == 5, arguments
        assert "aetherctl up" in result.stderr
    result = run("down")
    assert (result.exit_code, result.stdout) == (0, "aetherd is not running\n")
    (tmp_path / "none" / "secrets").mkdir(parents=True)
    (tmp_path / "none" / "secrets" / "owner.token").write_text("aeo_x\n")
    assert run("console").exit_code == 5


async def test_console_prints_a_link_that_works(terminal: Terminal) -> None:
    url = (await terminal.ok("console")).strip()
    assert url.startswith(f"http://127.0.0.1:{terminal.served.port}/login?code=")
    assert (await terminal.served.stranger.get(url)).status_code == 303


async def test_up_tells_of_a_daemon_that_runs_and_when_it_is_elsewhere_than_asked_for(terminal: Terminal) -> None:
    address = f"http://127.0.0.1:{terminal.served.port}"
    for port in ((), ("--port", "0"), ("--port", str(terminal.served.port))):
        assert address in await terminal.ok("up", *port)
    result = await terminal.run("up", "--port", "1")
    assert (result.exit_code, address in result.stdout) == (1, True)
    assert "it is not on port 1" in result.stderr


@pytest.mark.parametrize(
    ("last", "given", "environment", "file", "port"),
    [
        ("", (), {}, "", None),  # never: the daemon's own default
        ("http://127.0.0.1:4567\n", (), {}, "max_running = 3", "4567"),
        ("http://127.0.0.1:4567\n", ("--port", "9"), {}, "", "9"),
        ("http://127.0.0.1:4567\n", (), {"AETHER_PORT": "5000"}, "", None),
        ("http://127.0.0.1:4567\n", (), {}, "port = 6000", None),
    ],
)
def test_up_serves_where_it_was_served_last_unless_told_otherwise(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    last: str,
    given: tuple[str, ...],
    environment: dict[str, str],
    file: str,
    port: str | None,
) -> None:
    monkeypatch.setenv("AETHER_HOME", str(tmp_path))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(lifecycle, "daemon_command", lambda: ["/bin/sh", "-c", 'echo "told: $*." >&2; exit 3', "sh"])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "address").write_text(last)
    (tmp_path / "aetherd.toml").write_text(file)
    assert f"told: {'--port ' + port if port else ''}." in run("up", *given).stderr.splitlines()[-1]


async def test_the_doctor_exits_with_one_only_when_a_check_failed(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for state, code in (("warning", 0), ("missing", 0), ("failed", 1)):
        found = {"checks": [{"name": "database", "state": state, "detail": "it is so", "fix": "mend it"}], "tiers": []}
        monkeypatch.setattr(lifecycle.Client, "invoke", lambda *_, found=found: json.dumps(found).encode())
        for form in ((), ("--json",)):
            result = await terminal.run("doctor", *form)
            assert (result.exit_code, "mend it" in result.stdout) == (code, True), (state, form)


DAEMON = """
import http.server, os, signal, socketserver, sys
home = os.environ["AETHER_HOME"]
for name in ("run", "secrets"):
    os.makedirs(f"{home}/{name}", exist_ok=True)
open(f"{home}/secrets/owner.token", "w").write("t")
open(f"{home}/run/aetherd.pid", "w").write(f"{os.getpid()}\\n")
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))  # unread, it would reset the connection
        body = b'{"ready": true, "address": "http://127.0.0.1:1"}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if "shutdown" in self.path:
            os.kill(os.getpid(), signal.SIGTERM)
    do_GET = do_POST = answer
    def address_string(self): return "local"
os.chdir(f"{home}/run")
socketserver.UnixStreamServer("http.sock", Handler).serve_forever()
"""


def test_up_starts_a_daemon_of_its_own_session_and_down_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("AETHER_HOME", str(home))
    monkeypatch.setattr(lifecycle, "daemon_command", lambda: [sys.executable, "-c", DAEMON])
    processes: list[Any] = []
    start: Callable[..., Any] = lifecycle.start
    monkeypatch.setattr(lifecycle, "start", lambda command: processes.append(start(command)) or processes[-1])
    result = run("up")
    assert (result.exit_code, "http://127.0.0.1:1" in result.stdout) == (0, True), result.output
    pid = int((home / "run" / "aetherd.pid").read_text())
    try:
        assert os.getsid(pid) == pid
        assert stat.S_IMODE((home / "log" / "aetherd.log").stat().st_mode) == 0o600
        assert "is running" in run("up").stdout
        result = run("down")
        assert (result.exit_code, "stopped" in result.stdout) == (0, True), result.output
    finally:
        if processes[0][0].poll() is None:
            os.kill(pid, signal.SIGKILL)
        processes[0][0].wait()


def test_up_tells_why_a_daemon_did_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AETHER_HOME", str(tmp_path))
    monkeypatch.setattr(lifecycle, "daemon_command", lambda: ["/bin/sh", "-c", "echo the port is taken >&2; exit 3"])
    result = run("up")
    assert result.exit_code == 5
    assert "exit code 3" in result.stderr
    assert "the port is taken" in result.stderr
    monkeypatch.setattr(lifecycle, "daemon_command", lambda: ["/nowhere/aetherd"])
    assert run("up").exit_code == 5


async def test_events_show_the_past_with_filters(terminal: Terminal) -> None:
    ids = await terminal.served.happen(3)
    lines = (await terminal.ok("events", "--json", "--since", str(ids[0]))).splitlines()
    assert [json.loads(line)["id"] for line in lines] == ids[1:]
    shown = await terminal.ok("events", "--type", "token.created")
    assert shown.count("token.created") == 3
    assert await terminal.ok("events", "--type", "other.thing") == ""
    assert await terminal.ok("events", "--pid", "7") == ""


async def test_followed_events_go_on_after_a_broken_connection(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attach, "RETRY_S", (0.01,))
    ids = await terminal.served.happen(2)
    client = lifecycle.Client()
    send, receive = anyio.create_memory_object_stream[int](100)

    def follow() -> None:
        for _, data in attach.log(client, f"since={ids[0] - 1}", follow=True):
            number = json.loads(data)["id"]
            anyio.from_thread.run_sync(send.send_nowait, number)
            if number >= ids[0] + 3:
                return

    with send, receive:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, follow)
            with anyio.fail_after(10):
                assert [await receive.receive() for _ in range(2)] == ids
                for scope in list(terminal.served.web.streams._streams):
                    scope.cancel()
                later = await terminal.served.happen(2)
                assert [await receive.receive() for _ in range(2)] == later


# A terminal ------------------------------------------------------------------------------------------


class Key(Model):
    terminal: str


class Ticket(Model):
    ticket: str
    url: str
    expires_at: str = "later"
    writable: bool = True
    reason: str | None = Field(default=None)


class Terminals:
    """A terminal room with one terminal, whose bytes are a test's."""

    def __init__(self) -> None:
        self.wire = Wire()

    @operation("terminal.attach", access=Rule.ANYONE)
    async def open(self, input: Key, call: Call) -> Ticket:
        """Open it."""
        return Ticket(
            ticket="good",
            url=f"/v1/attach/terminal/{input.terminal}?ticket=good",
            writable=self.wire.writable,
            reason=None if self.wire.writable else "ann has the keyboard",
        )

    @asynccontextmanager
    async def channel(self, key: str, ticket: str | None, call: Call | None) -> AsyncIterator[Wire]:
        with self.wire._send, self.wire._receive:
            yield self.wire


def with_terminal(terminal: Terminal) -> Terminals:
    room = Terminals()
    registry = terminal.served.house.registry
    registry._operations.pop("terminal.attach", None)
    for op in operations_of(room):
        registry.add(op)
    terminal.served.house.attach = {"terminal": room.channel}
    return room


async def attached(terminal: Terminal, *steps: tuple[bytes, bytes]) -> tuple[bytes, int]:
    """Run `attach 7` on a PTY of its own, typing once something is shown; return all it showed, and its exit code."""
    main, side = pty.openpty()
    process = await anyio.open_process(
        [sys.executable, "-c", "from aetherd.ctl.main import main; main()", "attach", "7"],
        stdin=side,
        stdout=side,
        stderr=side,
        env={**os.environ, "AETHER_HOME": str(terminal.home), "TERM": "xterm"},
        start_new_session=True,
    )
    os.close(side)
    shown, left = b"", list(steps)
    try:
        with anyio.fail_after(20):
            while True:
                while left and left[0][0] in shown:
                    os.write(main, left.pop(0)[1])
                try:
                    shown += await anyio.to_thread.run_sync(os.read, main, 65536)
                except OSError:
                    return shown, await process.wait()
    finally:
        os.close(main)
        if process.returncode is None:
            process.kill()
        await process.aclose()


async def test_attach_types_shows_and_detaches(terminal: Terminal) -> None:
    room = with_terminal(terminal)
    room.wire.show(b"prompt> ")
    typed = "h\u00e9llo\x03!".encode()
    shown, code = await attached(terminal, (b"prompt> ", typed), (typed, b"\x1d"))
    assert code == 0
    for text in (typed, b"detached", b"\x1b[?1049l"):
        assert text in shown


async def test_attach_tells_that_it_is_read_only_and_how_the_terminal_ended(terminal: Terminal) -> None:
    room = with_terminal(terminal)
    room.wire.writable = False
    room.wire.show(b"goodbye\r\n")
    room.wire.finish()
    shown, code = await attached(terminal)
    assert code == 0
    for text in (b"read-only: ann has the keyboard", b"goodbye", b"exit code 3"):
        assert text in shown


# MCP ---------------------------------------------------------------------------------------------------


def test_mcp_config_prints_one_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    entry = json.loads(run("mcp", "config").stdout)["mcpServers"]["aether"]
    assert (entry["type"], entry["args"], entry["env"]) == ("stdio", [], {})
    assert Path(entry["command"]).is_absolute()
    assert Path(entry["command"]).name == "aether-mcp"
    monkeypatch.setenv("AETHER_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("AETHER_PORT", "4444")
    result = run("mcp", "config")
    assert json.loads(result.stdout)["mcpServers"]["aether"]["env"] == {"AETHER_HOME": str(tmp_path / "elsewhere")}
    assert "http://127.0.0.1:4444/mcp" in result.stderr
    entry = json.loads(run("mcp", "config", "--http").stdout)["mcpServers"]["aether"]
    assert entry == {
        "type": "http",
        "url": "http://127.0.0.1:4444/mcp",
        "headers": {"Authorization": "Bearer ${AETHER_TOKEN}"},
    }


def test_mcp_config_write_keeps_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / ".mcp.json"
    assert run("mcp", "config", "--write").exit_code == 0
    assert list(json.loads(file.read_text())["mcpServers"]) == ["aether"]
    file.write_text('{"mcpServers": {"other": {"command": "x"}, "aether": {"old": 1}}, "more": "ü"}')
    file.chmod(0o640)
    assert run("mcp", "config", "--write").exit_code == 0
    document = json.loads(file.read_text())
    assert document["mcpServers"]["other"] == {"command": "x"}
    assert document["more"] == "ü"
    assert document["mcpServers"]["aether"]["type"] == "stdio"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == [".mcp.json"]
    for broken in ("{", "[]", '{"mcpServers": []}'):
        file.write_text(broken)
        assert run("mcp", "config", "--write").exit_code == 2
        assert file.read_text() == broken
