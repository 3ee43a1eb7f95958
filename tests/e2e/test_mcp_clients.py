"""MCP against the real daemon: what the official Inspector finds, and a task that outlives the daemon's death."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.daemon_lab import Daemon, until
from tests.faces import ENVELOPE

ROOT = Path(__file__).parents[2]
INSPECTOR = ROOT / "tests" / "conformance_mcp" / "node_modules" / ".bin" / "mcp-inspector"
Inspect = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def modules() -> None:
    """Install the Inspector, as `make conformance` does; skips where Node or its packages cannot be had."""
    made = subprocess.run(
        ["make", "-C", str(ROOT), ".stamps/mcp-suite"], capture_output=True, text=True, timeout=600, check=False
    )
    if made.returncode != 0:
        pytest.skip(f"no Node, or no packages for it: {made.stderr.strip()[-300:]}")


@pytest.fixture(params=["relay", "http"])
def inspect(modules: None, shared: Daemon, tmp_path: Path, request: pytest.FixtureRequest) -> Inspect:
    """Run the Inspector's command line; it must end well and complain of nothing."""

    def run(*options: str) -> dict[str, Any]:
        if request.param == "http":
            target = (f"http://127.0.0.1:{shared.port}/mcp", "--transport", "http")
            way = (*target, "--header", f"Authorization: Bearer {shared.token}", *options)
        else:
            way = ("-e", f"AETHER_HOME={shared.home}", *options, str(ROOT / "bin" / "aether-mcp"))
        ended = subprocess.run(
            [str(ROOT / "scripts" / "node"), "node", str(INSPECTOR), "--cli", *way],
            env=os.environ | {"AETHER_WHEEL_NODE": "1", "HOME": str(tmp_path)},  # it keeps a catalogue at home
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert (ended.returncode, ended.stderr.strip()) == (0, "")
        found: dict[str, Any] = json.loads(ended.stdout)
        return found

    shared.revive()
    return run


def test_the_inspector_finds_no_fault_with_any_tool(inspect: Inspect) -> None:
    tools = inspect("--method", "tools/list", "--strict")["tools"]
    assert "aether_process_spawn" in {tool["name"] for tool in tools}


def test_the_inspector_calls_a_tool_and_reads_a_resource(inspect: Inspect) -> None:
    status = inspect("--method", "tools/call", "--tool-name", "aether_system_status")
    assert status["structuredContent"]["version"]
    uris = [one["uri"] for one in inspect("--method", "resources/list")["resources"]]
    assert inspect("--method", "resources/read", "--uri", uris[0])["contents"][0]["text"]
    assert inspect("--method", "prompts/list")["prompts"]


def ask(daemon: Daemon, method: str, subject: str, /, **params: Any) -> dict[str, Any]:
    """Make one request of the 2026 era, from a client that knows tasks."""
    able = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    meta = ENVELOPE | {"io.modelcontextprotocol/clientCapabilities": able}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params | {"_meta": meta}}
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": method,
        "Mcp-Name": subject,
    }
    connection = daemon.connect()
    try:
        connection.request("POST", "/mcp", json.dumps(body), daemon.headers(**headers))
        with connection.getresponse() as answer:
            found: dict[str, Any] = json.loads(answer.read())["result"]
    finally:
        connection.close()
    return found


def test_a_task_that_waits_for_a_process_outlives_the_daemon(own: Daemon) -> None:
    pid = own.spawn("command", argv=["sleep", "1000"])["pid"]
    arguments = {"pid": pid, "timeout_s": 600}
    id = ask(own, "tools/call", "aether_process_wait", name="aether_process_wait", arguments=arguments)["taskId"]
    own.restart()
    assert ask(own, "tasks/get", id, taskId=id)["status"] == "working"
    own.call("process.kill", pid=pid)
    done: dict[str, Any] = {}

    def ended() -> bool:
        done.update(ask(own, "tasks/get", id, taskId=id))
        return done["status"] == "completed"

    until(ended, 20, "the task to be completed")
    assert done["result"]["structuredContent"] == own.call("process.result", pid=pid)
