"""Measure how soon a subscriber knows what a runtime does: from the line it writes to the event over HTTP.

    python benchmarks/state.py [--rounds 300] [--quick]

The runtime is a double in the place of Claude Code's binary that speaks its stream-json: each tool call carries the
moment at which it was written. On the way lie the pipe, the shim's file, the decoder, one durable commit and the hub.
By hand: the same double, its lines read from a pipe.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lab import Daemon, Row, Stream, arguments, median, p99, report

PACE_S = 0.02  # between two changes: a runtime never does more
DOUBLE = f"""#!{sys.executable} -IS
import json, sys, time
def tell(**line): print(json.dumps(line), flush=True)
if "--version" in sys.argv: sys.exit(print("2.1.327 (Claude Code)"))
for line in sys.stdin:
    told = json.loads(line)
    if told["type"] == "control_request":
        tell(type="control_response", response=dict(subtype="success", request_id=told["request_id"], response={{}}))
    if told["type"] != "user":
        continue
    tell(type="system", subtype="init", session_id="s", model="double", tools=[], mcp_servers=[], permissionMode="m")
    for number in range(int(told["message"]["content"].split()[-1])):
        call = dict(type="tool_use", id=f"t{{number}}", name="Bash", input=dict(at=time.time()))
        tell(type="assistant", message=dict(role="assistant", content=[call]), session_id="s")
        time.sleep({PACE_S})
        back = dict(type="tool_result", tool_use_id=f"t{{number}}", content="ok")
        tell(type="user", message=dict(role="user", content=[back]), session_id="s")
        time.sleep({PACE_S})
    tell(type="result", subtype="success", is_error=False, result="done", session_id="s", terminal_reason="completed")
"""


def by_hand(double: Path, rounds: int) -> list[float]:
    """Return the ms from a line's writing to its reading through a pipe."""
    goal = {"type": "user", "message": {"role": "user", "content": f"do {rounds}"}}
    child = subprocess.Popen([double], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(json.dumps(goal) + "\n")
    child.stdin.close()
    found = []
    for line in child.stdout:
        now, said = time.time(), json.loads(line)
        if said["type"] == "assistant":
            found.append((now - said["message"]["content"][0]["input"]["at"]) * 1000)
    child.wait()
    return found


def hosted(double: Path, rounds: int) -> list[float]:
    """Return the ms from a line's writing to the event of the phase at a subscriber."""
    with Daemon(f'claude_path = "{double}"\nsandbox = "host"\n') as daemon, Stream(daemon) as stream:
        env = {"ANTHROPIC_API_KEY": "not-a-real-key"}
        pid = daemon.call("process.spawn", runtime="claude-code", goal=f"do {rounds}", env=env)["pid"]
        stream.first(lambda event: event["pid"] == pid and event["type"] == "agent.turn_ended", timeout=120)
        found: list[float] = []
        written: Any = None
        for _, arrived, event in stream.received:
            if event["type"] == "agent.tool_call":
                written = event["data"]["input"]["at"]
            elif event["type"] == "process.phase_changed" and event["data"]["to"] == "executing" and written:
                found.append((arrived - written) * 1000)
        return found


def main() -> None:
    """Print the table."""
    _, read = arguments(__doc__, 300, 100)
    options = read()
    with tempfile.TemporaryDirectory(prefix="aether-bench-") as place:
        double = Path(place) / "claude"
        double.write_text(DOUBLE)
        double.chmod(0o755)
        Path(place).chmod(0o755)
        bare, ours = by_hand(double, options.rounds), hosted(double, options.rounds)
    rows = [
        Row(
            "a runtime's change of state -> event at a subscriber, p50", median(ours), "ms", median(bare), "a pipe", 10
        ),
        Row("a runtime's change of state -> event at a subscriber, p99", p99(ours), "ms", p99(bare), "a pipe", 50),
    ]
    report("How soon a state is known", rows, options, f"{len(ours)} changes; the runtime is a double that stamps them")


if __name__ == "__main__":
    main()
