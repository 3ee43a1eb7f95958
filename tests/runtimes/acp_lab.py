"""A bridge to an ACP agent as the process room runs it, without the daemon: launched, told, and heard."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from aetherd.runtime import Answer, Door, Ended, Input, Output, PermissionAsked, Runtime, Say, Spawn, TurnEnded, Verdict

PATIENCE_S = 60.0  # only a bound, for a starved machine
Kind = TypeVar("Kind")

# An MCP server with one tool, in the place of the relay.
RELAY = r"""
import json, os, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked: continue
    answer = {}
    if asked["method"] == "initialize":
        answer = {"capabilities": {"tools": {}}, "serverInfo": {"name": "a", "version": "1"}}
        answer["protocolVersion"] = asked["params"]["protocolVersion"]
    elif asked["method"] == "tools/list":
        answer = {"tools": [{"name": "aether_ping", "description": "ping", "inputSchema": {"type": "object"}}]}
    elif asked["method"] == "tools/call":
        answer = {"content": [{"type": "text", "text": "pong for " + os.environ["AETHER_TOKEN"]}]}
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": answer}), flush=True)
"""


class Bridge:
    """One incarnation: its outputs as they were decoded, in order."""

    def __init__(self, runtime: Runtime, spawn: Spawn, **settings: Any) -> None:
        launch = runtime.launch(spawn)
        for file in launch.files:
            file.path.parent.mkdir(parents=True, exist_ok=True)
            file.path.write_text(file.content)
        if settings:
            told = spawn.config / "acp.json"
            told.write_text(json.dumps({**json.loads(told.read_text()), **settings}))
        self.outputs: list[Output] = []
        self.stderr = b""
        self._decoder = runtime.decoder(spawn)
        self._news = threading.Condition()
        self._closed = False
        self._decided: set[str] = set()
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            launch.argv, env=launch.env, cwd=launch.cwd, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
        )
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._listen, self._keep_errors)]
        for thread in self._threads:
            thread.start()

    def tell(self, message: Input) -> None:
        """Tell it something."""
        data = self._decoder.encode(message)
        assert data is not None
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def say(self, text: str, priority: Any = "next") -> None:
        """Say a text."""
        self.tell(Say(f"m{len(text)}-{monotonic()}", text, priority))

    def wait(self, kind: type[Kind], fits: Callable[[Kind], bool] = lambda _: True, *, after: int = 0) -> Kind:
        """Return the first output of a kind that fits, from an index on."""
        deadline = monotonic() + PATIENCE_S
        with self._news:
            while True:
                for output in self.outputs[after:]:
                    if isinstance(output, kind) and fits(output):
                        return output
                left = deadline - monotonic()
                assert left > 0, f"no {kind.__name__}: {self.outputs[-20:]}, {self.stderr[-2000:]!r}"
                assert not self._closed, f"it ended without a {kind.__name__}: {self.outputs[-20:]}, {self.stderr!r}"
                self._news.wait(left)

    def decide(self, allow: bool, **more: Any) -> PermissionAsked:
        """Answer its next question and return it."""
        asked = self.wait(PermissionAsked, lambda asked: asked.request not in self._decided)
        self._decided.add(asked.request)
        self.tell(Answer(asked.request, allow, **more))
        return asked

    def turn(self, text: str) -> TurnEnded:
        """Say a text and wait for the end of its turn."""
        begun = len(self.outputs)
        self.say(text)
        return self.wait(TurnEnded, after=begun)

    def all(self, kind: type[Kind]) -> list[Kind]:
        """Return what came of a kind so far."""
        return [output for output in self.outputs if isinstance(output, kind)]

    def close(self) -> Verdict:
        """Close its input and return what its end means."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.ended(wanted=True)

    def ended(self, *, wanted: bool = False) -> Verdict:
        """Wait for its end and return what it means."""
        code = self.process.wait(PATIENCE_S)
        for thread in self._threads:
            thread.join(PATIENCE_S)
        self.outputs += self._decoder.rest()
        words = self.stderr[-4096:].decode("utf-8", "replace")
        return self._decoder.judge(Ended(code if code >= 0 else None, -code if code < 0 else None, words, wanted))

    def drop(self) -> None:
        """Close what is open, once it has ended."""
        for thread in self._threads:
            thread.join(PATIENCE_S)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            outputs = list(self._decoder.decode(line))
            with self._news:
                self.outputs += outputs
                self._news.notify_all()
        with self._news:
            self._closed = True
            self._news.notify_all()

    def _keep_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.stderr += line


def spawn_in(place: Path, **changes: Any) -> Spawn:
    """Return a request as the process room makes it."""
    home, config, cwd = place / "home", place / "config", place / "cwd"
    for directory in (home, config, cwd):
        directory.mkdir(exist_ok=True)
    (place / "relay.py").write_text(RELAY)
    spawn = Spawn(
        pid=7,
        agent="agent_1",
        name="ada",
        goal=None,
        argv=(),
        home=home,
        config=config,
        cwd=cwd,
        env={},
        door=Door((sys.executable, "-S", str(place / "relay.py")), {"AETHER_TOKEN": "t0ken", "AETHER_PID": "7"}),
    )
    return replace(spawn, **changes)


@contextmanager
def bridge(runtime: Runtime, spawn: Spawn, **settings: Any) -> Iterator[Bridge]:
    """Run a bridge, and leave nothing of it; `settings` of it can be other than the adapter's."""
    running = Bridge(runtime, spawn, **settings)
    try:
        yield running
    finally:
        for pid in [running.process.pid, *below(running.process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        running.process.wait(PATIENCE_S)
        running.drop()


def below(pid: int) -> list[int]:
    """Return the os pids of all that descend from a process."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        found = [int(child) for child in children.read_text().split()]
    except (OSError, ValueError):
        return []
    return [each for child in found for each in (child, *below(child))]
