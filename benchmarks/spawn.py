"""Measure what hosting adds in time: a spawn, a message, and how true the shown state is.

    python benchmarks/spawn.py [--rounds 15] [--quick] [--no-claude]

`command`: process.spawn until it answers that the command runs, against subprocess by hand. Claude Code (the
real one, its model a scripted double on loopback): spawn until its first model request, and a message until
the next one, against the very same argv, environment, files and MCP relay run through subprocess. Truth: the
moment the model API saw a request or ended an answer, or we asked for the start or the interrupt or killed the
runtime, until the event of it is at a subscriber over HTTP.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from lab import ROOT, Daemon, Event, Row, Stream, arguments, median, p99, report

sys.path.append(str(ROOT))

from aetherd.daemon.discovery import relay
from aetherd.runtime import Decoder, Door, Launch, Say, Spawn
from aetherd_runtimes.claude_code import ClaudeCode
from tests.model_api import ModelApi, Request

COMMAND = ["/bin/sleep", "600"]
BASH = {"tool_use": {"name": "Bash", "input": {"command": "touch made", "description": "Make a file"}}}
SCRIPT: dict[str, Any] = {
    "rules": [
        {"when": {"said": "ask first"}, "reply": [{"text": "I will."}, BASH]},
        {"when": {"tool_result": True}, "reply": [{"text": "made"}]},
        {"when": {"said": "stop halfway"}, "reply": [{"text": ["Half a sentence ", {"hold": "never"}]}]},
    ],
    "default": {"reply": [{"text": "done"}], "delay_ms": 60},
}
Found = dict[str, list[float]]


def commands(daemon: Daemon, rounds: int, found: Found) -> None:
    """Start the same command by the daemon and by hand, in turn."""
    for number in range(rounds + 2):
        begun = time.perf_counter()
        pid = daemon.call("process.spawn", runtime="command", argv=COMMAND)["pid"]
        took = (time.perf_counter() - begun) * 1000
        begun = time.perf_counter()
        child = subprocess.Popen(COMMAND, env={"PATH": os.defpath})
        bare = (time.perf_counter() - begun) * 1000
        child.kill()
        child.wait()
        daemon.kill_agent(pid)
        daemon.call("process.wait", pid=pid, timeout_s=10)  # its end is not the next one's beginning
        if number >= 2:  # the first ones warm up
            found.setdefault("command", []).append(took)
            found.setdefault("command by hand", []).append(bare)


class ByHand:
    """Claude Code as a person would start it, with the adapter's own argv, environment and files."""

    def __init__(self, daemon: Daemon, api: ModelApi, place: Path, number: int) -> None:
        home, config = place / f"{number}" / "home", place / f"{number}" / "config"
        for folder in (home / "work", config):
            folder.mkdir(parents=True)
        door = {"AETHER_SOCKET": str(daemon.home / "run" / "aetherd.sock"), "AETHER_TOKEN": daemon.token}
        door |= {"AETHER_AGENT": "by-hand", "AETHER_PID": "0"}
        adapter = ClaudeCode()
        spawn = Spawn(
            pid=number + 1,
            agent="by-hand",
            name="by-hand",
            goal=f"by hand {number}",
            argv=(),
            home=home,
            config=config,
            cwd=home / "work",
            env=environment(api),
            door=Door(relay().command, door),
        )
        self.launch: Launch = adapter.launch(spawn)
        self.decoder: Decoder = adapter.decoder(spawn)
        for file in self.launch.files:
            file.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.path.write_text(file.content)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, goal: str) -> float:
        """Start it with its goal on standard input; return when (wall clock)."""
        begun = time.time()
        self.process = subprocess.Popen(
            self.launch.argv,
            env=dict(self.launch.env),
            cwd=self.launch.cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self.say(goal)
        return begun

    def say(self, text: str) -> float:
        """Tell it something; return when (wall clock)."""
        assert self.process is not None
        assert self.process.stdin is not None
        begun = time.time()
        line = self.decoder.encode(Say(str(uuid.uuid4()), text))
        assert line is not None
        self.process.stdin.write(line)
        return begun

    def end(self) -> None:
        """Kill it."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()


def environment(api: ModelApi) -> dict[str, str]:
    """Return what points Claude Code at the double."""
    return {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": "not-a-real-key"}


def asked(api: ModelApi, text: str, timeout: float = 60) -> Request:
    """Wait for the model request that carries this text freshly said."""
    found: list[Request] = []

    def met(requests: list[Request]) -> bool:
        found[:] = [request for request in requests if text in request.said]
        return bool(found)

    api.wait_for(met, timeout)
    return found[0]


def ended(api: ModelApi, request: Request) -> float:
    """Wait until a request is answered; return when (wall clock)."""
    api.wait_for(lambda _: request.ended_at is not None, 30)
    assert request.ended_at is not None
    return request.ended_at


def phase(pid: int, name: str) -> Any:
    """Return what recognizes a phase of a process."""

    def met(event: Event) -> bool:
        return bool(event["type"] == "process.phase_changed" and event["pid"] == pid and event["data"]["to"] == name)

    return met


def state(pid: int, name: str) -> Any:
    """Return what recognizes a state of a process."""

    def met(event: Event) -> bool:
        return bool(event["type"] == "process.state_changed" and event["pid"] == pid and event["data"]["to"] == name)

    return met


def claude_starts(daemon: Daemon, api: ModelApi, rounds: int, found: Found, place: Path) -> None:
    """Time spawn to first model request, ours and by hand, in turn."""
    for number in range(rounds + 1):
        goal = f"first words {number:04} of ours"
        begun = time.time()
        pid = daemon.call("process.spawn", runtime="claude-code", goal=goal, env=environment(api))["pid"]
        answered = time.time()
        took = (asked(api, goal).at - begun) * 1000
        daemon.kill_agent(pid)
        hand = ByHand(daemon, api, place, number)
        goal = f"first words {number:04} by hand"
        begun_bare = hand.start(goal)
        bare = (asked(api, goal).at - begun_bare) * 1000
        hand.end()
        if number:
            found.setdefault("claude", []).append(took)
            found.setdefault("claude answered", []).append((answered - begun) * 1000)
            found.setdefault("claude by hand", []).append(bare)


def claude_talks(daemon: Daemon, api: ModelApi, rounds: int, found: Found, place: Path) -> None:
    """Time a message to an idle agent until the next model request, and the events of what is true."""
    hand = ByHand(daemon, api, place, 9999)
    hand.start("idle by hand")
    ended(api, asked(api, "idle by hand"))
    with Stream(daemon) as stream:
        pid = daemon.call("process.spawn", runtime="claude-code", goal="idle of ours", env=environment(api))["pid"]
        stream.first(phase(pid, "completed"), timeout=60)
        for number in range(rounds + 1):
            place_in_stream = len(stream.received)
            text = f"message {number:04} of ours"
            begun = time.time()
            daemon.call("process.send", pid=pid, text=text)
            request = asked(api, text)
            done = ended(api, request)
            _, thinking, _ = stream.first(phase(pid, "thinking"), place_in_stream)
            _, completed, _ = stream.first(phase(pid, "completed"), place_in_stream)
            text = f"message {number:04} by hand"
            begun_bare = hand.say(text)
            bare = asked(api, text)
            ended(api, bare)
            time.sleep(0.1)  # noqa: TID251 - let it become idle: nothing here tells
            if number:
                found.setdefault("message", []).append((request.at - begun) * 1000)
                found.setdefault("message by hand", []).append((bare.at - begun_bare) * 1000)
                found.setdefault("thinking", []).append((thinking - request.at) * 1000)
                found.setdefault("completed", []).append((completed - done) * 1000)
        for number in range(max(3, rounds // 2)):
            place_in_stream = len(stream.received)
            text = f"ask first {number:04}"
            daemon.call("process.send", pid=pid, text=text)
            done = ended(api, asked(api, text))
            _, waiting, _ = stream.first(phase(pid, "waiting_approval"), place_in_stream)
            found.setdefault("waiting_approval", []).append((waiting - done) * 1000)
            question = daemon.call("approval.list", pid=pid, state="pending")["approvals"][0]
            daemon.call("approval.decide", id=question["id"], decision="allow_once")
            stream.first(phase(pid, "completed"), place_in_stream)
    hand.end()
    daemon.kill_agent(pid)


def claude_lives(daemon: Daemon, api: ModelApi, rounds: int, found: Found) -> None:
    """Time the events of a start, an interrupt and a death by a foreign hand, each from the moment it is caused."""
    with Stream(daemon) as stream:
        for number in range(max(3, rounds // 2)):
            begin = len(stream.received)
            begun = time.time()
            text = f"stop halfway {number:04}"
            pid = daemon.call("process.spawn", runtime="claude-code", goal=text, env=environment(api))["pid"]
            _, starting, _ = stream.first(state(pid, "starting"), begin)
            asked(api, text)
            stream.first(phase(pid, "thinking"), begin)
            told = time.time()
            daemon.call("process.interrupt", pid=pid)
            _, waiting, _ = stream.first(phase(pid, "waiting_input"), begin)
            died = time.time()
            os.kill(daemon.call("process.get", pid=pid)["os_pid"], signal.SIGKILL)
            _, dead, _ = stream.first(state(pid, "exited"), begin)
            found.setdefault("starting", []).append((starting - begun) * 1000)
            found.setdefault("interrupted", []).append((waiting - told) * 1000)
            found.setdefault("dead", []).append((dead - died) * 1000)


def main() -> None:
    """Print the table."""
    parser, read = arguments(__doc__, 15, 5)
    parser.add_argument("--no-claude", action="store_true", help="only `command`")
    options = read()
    found: Found = {}
    notes = []
    with Daemon("max_running = 200\n") as daemon:
        commands(daemon, options.rounds * 3, found)
        report_ = ClaudeCode().check()
        if report_.available and not options.no_claude:
            notes.append(f"Claude Code {report_.version}; the model is a scripted double on loopback")
            with ModelApi(SCRIPT) as api, tempfile.TemporaryDirectory(prefix="aether-bench-") as place:
                claude_starts(daemon, api, options.rounds, found, Path(place))
                claude_talks(daemon, api, options.rounds, found, Path(place))
                claude_lives(daemon, api, options.rounds, found)
        elif not report_.available:
            notes.append(f"no Claude Code: {report_.missing}")
    rows = table(found)
    notes.append(
        "quoted peers, same Claude Code, measured apart: spawn +3,200 ms (omnigent) and +6,800 ms (CAO); "
        "message 629 and 2,600 ms"
    )
    report("Hosting, in time", rows, options, *notes, packages=("claude-agent-sdk",))


def table(found: Found) -> list[Row]:
    """Return the rows of what was measured."""

    def over(name: str) -> float:
        return median([one - other for one, other in zip(found[name], found[f"{name} by hand"], strict=True)])

    def row(title: str, name: str, target: float | None = None) -> Row:
        bare = f"{name} by hand"
        if bare in found:
            return Row(title, median(found[name]), "ms", median(found[bare]), "by hand", target)
        return Row(title, median(found[name]), "ms", target=target, note=f"p99 {p99(found[name]):.0f} ms")

    rows = [
        row("spawn `command` until it runs, p50", "command"),
        Row("spawn `command`, over by hand", over("command"), "ms", target=25),
    ]
    if "claude" in found:
        rows += [
            row("spawn Claude Code to its first model request, p50", "claude"),
            Row("spawn Claude Code to its first model request, over by hand", over("claude"), "ms", target=60),
            row("spawn Claude Code, answered after", "claude answered"),
        ]
    if "message" in found:
        rows.append(row("message to the next model request, p50", "message", 150))
        for name in ("starting", "thinking", "waiting_approval", "completed", "interrupted", "dead"):
            rows.append(row(f"truth to a subscriber: {name}, p50", name, 300))
    return rows


if __name__ == "__main__":
    main()
