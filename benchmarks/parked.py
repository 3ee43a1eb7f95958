"""Measure what agents cost that wait for a usage limit: memory of all that is there for them, and of the daemon.

    python benchmarks/parked.py [--agents 20]

Real Claude Codes; a scripted API on loopback refuses each with a limit that lifts in the year 2100. They have no
runtime then. Compared with: one Claude Code that waits idle, as a host without parking keeps it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from lab import Daemon, Row, Stream, arguments, memory, report, rest, until

sys.path.append(str(Path(__file__).resolve().parents[1]))

from aetherd_runtimes.claude_code import ClaudeCode
from tests.model_api import ModelApi

SETTLE_S = 3.0
REJECTED = {"status": "rejected", "reset": "4102444800", "representative-claim": "five_hour"}
LIMIT = {
    "status": 429,
    "type": "rate_limit_error",
    "message": "limit reached",
    "headers": {f"anthropic-ratelimit-unified-{name}": value for name, value in REJECTED.items()},
}


def spawn(daemon: Daemon, api: ModelApi, goal: str) -> int:
    """Start a Claude Code that is signed in as with a subscription, which alone is told when a limit lifts."""
    env = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": "", "CLAUDE_CODE_OAUTH_TOKEN": "not-a-real-token"}
    return int(daemon.call("process.spawn", runtime="claude-code", goal=goal, env=env)["pid"])


def alive(daemon: Daemon) -> list[int]:
    """Return the os pids of all that is there for agents: runtimes, relays, shims, keepers, walls."""
    marks = {*daemon.tree()}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(daemon.home).encode() in line and int(entry.name) != daemon.os_pid:
                marks.add(int(entry.name))
    return sorted(marks - set(daemon.zygotes()))


def measure(daemon: Daemon, api: ModelApi, agents: int) -> dict[str, float]:
    """Return MB per parked agent, and of one that idles."""
    with Stream(daemon) as stream:

        def seen(pid: int, kind: str, **data: Any) -> None:
            stream.first(
                lambda event: event["pid"] == pid and event["type"] == kind and data.items() <= event["data"].items(),
                timeout=120,
            )

        for number in range(2):  # what is imported and made at the first ones is there once
            seen(spawn(daemon, api, f"warm {number}"), "process.state_changed", to="queued")
        idle = spawn(daemon, api, "stay idle")
        seen(idle, "agent.turn_ended", outcome="completed")
        rest(SETTLE_S)
        runtime = sum(memory(one) for one in alive(daemon))
        daemon.kill_agent(idle)
        rest(SETTLE_S)
        before, left = memory(daemon.os_pid), alive(daemon)
        outside = sum(memory(one) for one in left)
        for number in range(agents):
            seen(spawn(daemon, api, f"agent {number}"), "process.state_changed", to="queued")
        until(lambda: len(alive(daemon)) <= len(left), 10, "what stood for them to be gone")
        rest(SETTLE_S)
        grown = max(0.0, memory(daemon.os_pid) - before)
        more = max(0.0, sum(memory(one) for one in alive(daemon)) - outside)
        return {"daemon": grown / agents, "outside": more / agents, "runtime": runtime}


def main() -> None:
    """Print the table."""
    parser, read = arguments(__doc__, 1, 1)
    parser.add_argument("--agents", type=int, default=20)
    options = read()
    found = ClaudeCode().check()
    if not found.available:
        report("Parked agents", [], options, f"no Claude Code: {found.missing}")
        return
    script = {"rules": [{"when": {"text": "stay idle"}, "reply": [{"text": "done"}]}, {"error": LIMIT}]}
    with ModelApi({**script, "side": {"reply": [{"text": "t"}]}}) as api, Daemon("max_running = 100\n") as daemon:
        got = measure(daemon, api, options.agents)
    each = got["daemon"] + got["outside"]
    rows = [
        Row(f"{options.agents} parked agents, each", each, "MB", got["runtime"], "an idle one", 1),
        Row("  of it in the daemon", got["daemon"], "MB"),
        Row("  of it outside", got["outside"], "MB"),
    ]
    report("Agents that wait for a usage limit (PSS)", rows, options, f"Claude Code {found.version}")


if __name__ == "__main__":
    main()
