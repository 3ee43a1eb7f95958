"""Measure the memory of hosting: shim, relay and the daemon's growth per agent, beside the runtime itself.

    python benchmarks/footprint.py [--agents 10] [--rounds 1] [--no-claude]

PSS by smaps_rollup: shared pages are divided among those who share them. `all ours` is what there would not be
without us for one more agent: its shim, its MCP relay, the daemon's growth since it was idle. The daemon at
rest and the zygote are there once and told apart; the runtime's own memory stands beside for scale.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
from typing import Any

from lab import ROOT, Daemon, Row, Stream, arguments, median, memory, report, rest, words

sys.path.append(str(ROOT))

from aetherd_runtimes.claude_code import ClaudeCode
from tests.model_api import ModelApi

SETTLE_S = 2.0
TURN = ("agent.turn_ended", "agent.text")
Found = dict[str, float]


def measure(runtime: str, agents: int, **input: Any) -> Found:
    """Return the MB of everything with so many agents of a runtime, idle after a first turn."""
    with Daemon(f"max_running = {agents + 10}\n") as daemon:
        daemon.call("process.spawn", runtime="command", argv=["/bin/true"])  # what is imported late
        rest(SETTLE_S)
        idle = memory(daemon.os_pid)
        with Stream(daemon) as stream:
            pids = []
            for number in range(agents):
                goal = input.get("goal")
                named = {"goal": goal.format(number=number)} if goal else {}
                pids.append(daemon.call("process.spawn", runtime=runtime, **(input | named))["pid"])
            if runtime != "command":
                for pid in pids:
                    stream.first(
                        lambda event, pid=pid: event["pid"] == pid and event["type"] in TURN,
                        timeout=120,
                    )
        rest(SETTLE_S)
        shims = {daemon.shim(pid) for pid in pids}
        relays, runtimes = [], []
        for pid in pids:
            for os_pid in daemon.tree(pid):
                if os_pid in shims:
                    continue
                line = " ".join(words(os_pid))
                if "relay.main" in line or "aether-mcp" in line:
                    relays.append(memory(os_pid))
                else:
                    runtimes.append(memory(os_pid))
        found = {
            "shim": sum(memory(shim) for shim in shims) / agents,
            "shim most": max(memory(shim) for shim in shims),
            "relay": sum(relays) / agents,
            "relays": float(len(relays)),
            "daemon": max(0.0, memory(daemon.os_pid) - idle) / agents,
            "runtime": sum(runtimes) / agents,
            "zygote": sum(memory(one) for one in daemon.zygotes()),
            "idle": idle,
        }
        found["ours"] = found["shim"] + found["relay"] + found["daemon"]
        return found


def bare_shim() -> float:
    """Return the PSS of a bare interpreter that only waits: what a shim of its own interpreter would be."""
    code = "import sys; print(1, flush=True); sys.stdin.read()"
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    found = memory(child.pid)
    child.communicate(b"")
    return found


def all_runtimes(options: argparse.Namespace) -> tuple[dict[str, list[Found]], list[str]]:
    """Return what was measured per runtime, and what there is to say."""
    notes = []
    with contextlib.ExitStack() as stack:
        wishes: dict[str, dict[str, Any]] = {
            "command": {"argv": ["/bin/sleep", "600"]},
            "builtin": {"goal": "demo:\ncall aether_process_whoami {{}}\nsay agent {number}\nwait message 600"},
        }
        claude = ClaudeCode().check()
        if options.no_claude or not claude.available:
            notes.append(f"without Claude Code{'' if claude.available else f': {claude.missing}'}")
        else:
            api = stack.enter_context(ModelApi({"default": {"reply": [{"text": "done"}]}}))
            env = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": "not-a-real-key"}
            wishes["claude-code"] = {"goal": "agent {number}", "env": env}
            notes.append(f"Claude Code {claude.version}, idle after its first turn, its model a scripted double")
        found: dict[str, list[Found]] = {}
        for _ in range(options.rounds):
            for runtime, wish in wishes.items():
                found.setdefault(runtime, []).append(measure(runtime, options.agents, **wish))
    return found, notes


def main() -> None:
    """Print the table."""
    parser, read = arguments(__doc__, 1, 1)
    parser.add_argument("--agents", type=int, default=10)
    parser.add_argument("--no-claude", action="store_true")
    options = read()
    found, notes = all_runtimes(options)
    bare = bare_shim()
    rows = []
    for runtime, rounds in found.items():

        def one(name: str, rounds: list[Found] = rounds) -> float:
            return median([found[name] for found in rounds])

        rows += [
            Row(f"{runtime}: shim, each", one("shim"), "MB", bare, "a bare interpreter", 2),
            *([Row(f"{runtime}: MCP relay", one("relay"), "MB", target=4)] if one("relays") else []),
            Row(f"{runtime}: daemon's growth per agent", one("daemon"), "MB"),
            Row(f"{runtime}: all ours per agent", one("ours"), "MB", one("runtime"), "the runtime itself", 15),
        ]
    last = found["command"][0]
    notes.append(f"once, not per agent: daemon at rest {last['idle']:.0f} MB, zygote {last['zygote']:.1f} MB")
    notes.append("quoted peers, same Claude Code, measured apart: 161 MiB (omnigent) and 109 MiB (CAO) per agent")
    report(f"Memory with {options.agents} agents of each kind (PSS)", rows, options, *notes)


if __name__ == "__main__":
    main()
