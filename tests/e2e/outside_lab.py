"""A Claude Code that is nobody's agent: started by a person, in a directory of theirs, aetherd in its `.mcp.json`.

with model() as api, OutsideClaude(daemon, api, over="stdio") as claude:
    claude.does("process_spawn", runtime="builtin", goal="demo:")   # the model calls the tool; its result
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Literal

from tests.e2e.claude_lab import KEY, REPORT, says, tool
from tests.e2e.daemon_lab import Daemon, children, words
from tests.model_api import ModelApi, Request

AETHERCTL = Path(sys.executable).parent / "aetherctl"
TURN_S = 60.0
FLAGS = (
    *("-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"),
    *("--permission-mode", "manual", "--allowedTools", "mcp__aether"),
)
_numbers = itertools.count(1)
Over = Literal["stdio", "http"]


class OutsideClaude:
    """One headless session, with a home and a configuration of its own."""

    def __init__(self, daemon: Daemon, api: ModelApi, over: Over) -> None:
        self.daemon, self.api = daemon, api
        self.place = Path(tempfile.mkdtemp(prefix="outside-"))
        (work := self.place / "work").mkdir()
        self._env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.place),
            "CLAUDE_CONFIG_DIR": str(self.place / "config"),
            "TMPDIR": str(self.place),
            "IS_SANDBOX": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "ANTHROPIC_BASE_URL": api.url,
            "ANTHROPIC_API_KEY": KEY,
        }
        try:
            self._configure(work, over)
        except BaseException:
            shutil.rmtree(self.place)
            raise
        self._said: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._log = (self.place / "stderr").open("wb")
        self.process = subprocess.Popen(
            [str(REPORT.path), *FLAGS],
            cwd=work,
            env=self._env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _configure(self, work: Path, over: Over) -> None:
        self.aetherctl("mcp", "config", "--write", *(("--http",) if over == "http" else ()), cwd=work)
        if over == "http":
            made = self.aetherctl("token", "create", "outside", "--scopes", "*", "--audience", "mcp", "--json")
            self._env["AETHER_TOKEN"] = json.loads(made)["secret"]

    def aetherctl(self, *words: str, cwd: Path | None = None) -> str:
        """Run the command as the person would, and return what it printed."""
        env = self._env | {"AETHER_HOME": str(self.daemon.home)}
        found = subprocess.run([AETHERCTL, *words], cwd=cwd, env=env, capture_output=True, text=True, timeout=60)
        assert found.returncode == 0, found.stderr
        return found.stdout

    def __enter__(self) -> OutsideClaude:
        """Hand it out."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close its stdin, which ends it, and remove its place."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()
        shutil.rmtree(self.place, ignore_errors=True)

    # Talking to it ----------------------------------------------------------------------------------

    def say(self, text: str) -> int:
        """Say something; returns how many messages it had written by then."""
        return self._write({"type": "user", "message": {"role": "user", "content": text}})

    def turn_ended(self, since: int) -> dict[str, Any]:
        """Wait for the end of the turn that began then, and return its result."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found[:] = [one for one in self._said[since:] if one["type"] == "result"]
            return bool(found) or self.process.poll() is not None

        with self._changed:
            assert self._changed.wait_for(look, TURN_S), self._said[-5:]
        assert found, (self._said[-5:], (self.place / "stderr").read_text()[-2000:])
        assert (found[0]["is_error"], found[0]["terminal_reason"]) == (False, "completed"), found[0]
        return found[0]

    def control(self, subtype: str, **request: Any) -> dict[str, Any]:
        """Ask the program itself something, past the model."""
        key = f"control-{next(_numbers)}"
        asked = {"type": "control_request", "request_id": key, "request": {"subtype": subtype, **request}}
        since = self._write(asked)
        found: list[dict[str, Any]] = []

        def look() -> bool:
            answers = [one["response"] for one in self._said[since:] if one["type"] == "control_response"]
            found[:] = [one for one in answers if one["request_id"] == key]
            return bool(found)

        with self._changed:
            assert self._changed.wait_for(look, TURN_S), self._said[-5:]
        answer: dict[str, Any] = found[0].get("response", {})
        return answer

    @property
    def status(self) -> str:
        """How it holds aetherd's server to be: connected, pending, failed."""
        servers = self.control("mcp_status")["mcpServers"]
        return str(next(one["status"] for one in servers if one["name"] == "aether"))

    def connected(self) -> bool:
        """Whether it is connected now; it gives up 18 s after a server went away, and then a person types `/mcp`."""
        if (status := self.status) == "failed":
            self.control("mcp_reconnect", serverName="aether")
        return status == "connected"

    def does(self, name: str, /, **input: Any) -> dict[str, Any]:
        """Have the model call one of aetherd's tools; return what came back to the model."""
        before = len(self.api.requests)
        self.api.use({"steps": [says(tool(f"mcp__aether__aether_{name}", **input)), says("Done.")]})
        self.turn_ended(self.say(f"please: {name}"))
        [found] = results_in(self.api.requests[before + 1])
        return found

    # What it shows ----------------------------------------------------------------------------------

    @property
    def said(self) -> list[dict[str, Any]]:
        """Everything it wrote so far."""
        with self._changed:
            return list(self._said)

    @property
    def offered(self) -> set[str]:
        """Return the names of aetherd's tools the model was told in its first request, deferred ones too."""
        first = self.api.requests[0]
        return set(re.findall(r"mcp__aether__\w+", first.text + first.system)) | {
            name for name in first.tools if name.startswith("mcp__aether__")
        }

    @property
    def errors(self) -> list[Any]:
        """Every tool result in its transcript that is an error."""
        contents = [one["message"]["content"] for one in self.said if one["type"] == "user"]
        return [part for parts in contents if isinstance(parts, list) for part in parts if part.get("is_error")]

    @property
    def relays(self) -> list[int]:
        """Return the os pids of its relays."""
        return [child for child in children(self.process.pid) if any("aether-mcp" in word for word in words(child))]

    def _write(self, message: dict[str, Any]) -> int:
        assert self.process.stdin is not None
        with self._changed:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()
            return len(self._said)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self._said.append(json.loads(line))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()


def results_in(request: Request) -> list[dict[str, Any]]:
    """Return the tool results a request brings to the model."""
    return [json.loads(text) for text in request.tool_results]
