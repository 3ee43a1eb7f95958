"""What agents print cannot harm the daemon, is kept to the byte, and does not slow others down."""

from __future__ import annotations

import base64
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.daemon_lab import Daemon, until

MIB = 1 << 20

# Stands in for Claude Code: prints a file, then a proper answer to what it is told.
STAND_IN = f"""#!{sys.executable}
import json, os, sys
sys.stdin.readline()
out = sys.stdout.buffer
with open(os.environ["SAY_FIRST"], "rb") as file:
    while part := file.read(1 << 20):
        out.write(part)
out.write(b"\\n")
session = sys.argv[sys.argv.index("--session-id") + 1]
for line in (
    {{"type": "system", "subtype": "init", "session_id": session, "model": "m", "permissionMode": "default",
      "mcp_servers": [], "tools": [], "claude_code_version": "0"}},
    {{"type": "assistant", "session_id": session, "parent_tool_use_id": None,
      "message": {{"id": "m1", "role": "assistant", "content": [{{"type": "text", "text": "I am still here"}}]}}}},
    {{"type": "result", "subtype": "success", "is_error": False, "result": "I am still here", "session_id": session,
      "terminal_reason": "completed", "total_cost_usd": 0, "usage": {{}}, "num_turns": 1}},
):
    out.write(json.dumps(line).encode() + b"\\n")
out.flush()
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Path]]:
    """A daemon whose Claude Code is the stand-in."""
    place = tmp_path_factory.mktemp("stand-in")
    for path in (place, *place.parents):
        if path.stat().st_uid == 0 and path.stat().st_mode & 0o007 == 0:
            path.chmod(path.stat().st_mode | 0o011)
    (place / "claude").write_text(STAND_IN)
    (place / "claude").chmod(0o755)
    # In tier host: the stand-in and what it prints lie where no sandbox shows them, and output goes the same way there.
    with Daemon(env={"AETHER_CLAUDE_PATH": str(place / "claude"), "AETHER_SANDBOX": "host"}) as daemon:
        yield daemon, place


def memory(daemon: Daemon) -> int:
    """Return the daemon's resident memory in bytes."""
    assert daemon.process is not None
    return int(Path(f"/proc/{daemon.process.pid}/statm").read_text().split()[1]) * 4096


def answers(daemon: Daemon) -> float:
    """Return how long one call takes, in seconds."""
    begun = time.monotonic()
    daemon.call("system.status")
    return time.monotonic() - begun


LINES = {
    "a line of a million characters": b"x" * 1_000_000,
    "a line of a million digits": b"9" * 1_000_000,
    "zero bytes": b"a\0b\0\0\n" * 1000,
    "invalid UTF-8": bytes(range(128, 256)) * 100 + b"\n\xff\xfe\n\xc0\x80",
    "half surrogates": json.dumps({"type": "assistant", "message": {"content": "\ud800"}}).encode() + b'\n"\\udfff"',
    "terminal escapes": b"\x1b]52;c;ZXZpbA==\x07\x1b]0;evil title\x07\x1b[2J\x1b[31mred",
    "deep nesting": b"[" * 100_000 + b"\n" + b'{"a":' * 100_000,
    "numbers beyond any": b'{"type":"result","total_cost_usd":1e999}\n{"type":"result","total_cost_usd":'
    + b"9" * 5000
    + b"}",
    "wrong types": b'{"type":5}\n{"type":"assistant","message":7}\n{"type":"result"}\nnull\n[]\n"x"\n{"type":"user"}',
    "markup": b"<script>alert(1)</script>",
}


@pytest.mark.parametrize("kind", LINES)
def test_hostile_lines_do_no_harm_and_the_answer_behind_them_arrives(loud: tuple[Daemon, Path], kind: str) -> None:
    daemon, place = loud
    file = place / kind.replace(" ", "-")
    file.write_bytes(LINES[kind])
    env = {"ANTHROPIC_API_KEY": "dummy", "SAY_FIRST": str(file)}
    pid = daemon.spawn("claude-code", goal="speak", env=env)["pid"]
    said = daemon.stream(pid=pid)
    with said:
        said.wait(lambda e: e["type"] == "agent.turn_ended" and e["data"]["text"] == "I am still here")
    assert daemon.get(pid)["state"] == "running"
    assert "supervisor of process" not in daemon.log.read_text()
    daemon.call("process.kill", pid=pid)


def test_fifty_megabytes_without_a_newline_are_taken_without_holding_others_up(loud: tuple[Daemon, Path]) -> None:
    daemon, place = loud
    file = place / "endless"
    file.write_bytes(b"x" * (50 * MIB))
    env = {"ANTHROPIC_API_KEY": "dummy", "SAY_FIRST": str(file)}
    before = memory(daemon)
    pid = daemon.spawn("claude-code", goal="speak", env=env)["pid"]
    times: list[float] = []

    def done() -> bool:
        times.append(answers(daemon))
        return bool(daemon.call("process.result", pid=pid)["text"] == "I am still here")

    until(done, 60, "the answer")
    assert max(times) < 2
    assert statistics.median(times) < 0.3
    assert memory(daemon) - before < 250 * MIB
    daemon.call("process.kill", pid=pid)


def test_bytes_of_a_terminal_are_kept_exactly(loud: tuple[Daemon, Path]) -> None:
    daemon, place = loud
    content = bytes(range(256)) * 4 + b"\xff\xfe\x00\x1b]52;c;eA==\x07" * 10
    file = place / "bytes"
    file.write_bytes(content)
    file.chmod(0o644)
    script = f"stty raw -opost; cat {file}"
    pid = daemon.spawn("command", argv=["/bin/sh", "-c", script], cwd=str(place))["pid"]
    daemon.ended(pid)
    part = daemon.call("process.output", pid=pid, limit=MIB)
    assert base64.b64decode(part["base64"]) == content
    assert part["eof"]


def test_a_flood_on_one_terminal_leaves_the_daemon_small_and_others_quick(loud: tuple[Daemon, Path]) -> None:
    daemon, _ = loud
    pid = daemon.spawn("command", argv=["/bin/sh", "-c", "yes 'a flood of lines that never ends'"])["pid"]
    with daemon.stream() as stream:
        times = []
        for number in range(20):
            other = daemon.demo(f"say {number}")["pid"]
            begun = time.monotonic()
            daemon.wait(other)
            stream.wait(lambda e, other=other: e["type"] == "agent.turn_ended" and e["pid"] == other)
            times.append(time.monotonic() - begun)
            daemon.call("process.kill", pid=other)
    printed = daemon.call("process.output", pid=pid, offset=1 << 40)["next_offset"]
    assert printed > 20 * MIB
    assert statistics.median(times) < 1.5  # a builtin agent takes 0.2 s to start on an idle machine
    assert memory(daemon) < 300 * MIB
    begun = time.monotonic()
    daemon.call("terminal.send", terminal=str(pid), keys=["C-c"])
    daemon.ended(pid)
    assert time.monotonic() - begun < 2
