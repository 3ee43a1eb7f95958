"""Measure how soon tool calls work again after kill -9: the real Claude Code and plain relays, same processes.

    python benchmarks/comeback.py [--rounds 10] [--relays 10] [--quick]     (`restart.py` prints these rows too)

Each client has a call in flight when the daemon is killed; its relay answers it with an error, and the client
calls again at once, while there is no daemon: that is the `waiting` call. The return is the first answer of
/healthz by the new daemon; at the return every client also makes a `fresh` call. Measured is the time from the
return to the answer; a call answered before /healthz counts as 0. Claude Code's answer is timed at its next
model request, so its own work on the result is in it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from typing import Any

from lab import ROOT, Daemon, Row, arguments, median, report, rest

sys.path.append(str(ROOT))

from aetherd.daemon.discovery import relay
from aetherd_runtimes.claude_code import ClaudeCode
from tests.model_api import ModelApi, Request

LIMIT_S = 30.0
Found = dict[str, list[float]]


def tool(name: str, **input: Any) -> dict[str, Any]:
    """Script a call of one of our tools."""
    return {"tool_use": {"name": f"mcp__aether__aether_{name}", "input": input}}


def script(own: int) -> dict[str, Any]:
    """`round`: a call that waits (for its own end), and after its error another; `fresh`: one call."""
    again = {"when": {"tool_result": "went away"}, "reply": [tool("process_whoami")]}
    done = {"when": {"tool_result": True}, "reply": [{"text": "done"}]}
    begin = {"when": {"said": "round"}, "reply": [tool("process_wait", pid=own, until="exit", timeout_s=300)]}
    fresh = {"when": {"said": "fresh"}, "reply": [tool("process_whoami")]}
    return {"rules": [again, done, begin, fresh], "default": {"reply": [{"text": "done"}]}}


class Client:
    """A plain MCP client of the 2025 handshake behind a relay of its own; times are of the wall clock."""

    def __init__(self, daemon: Daemon) -> None:
        env = {"AETHER_SOCKET": str(daemon.home / "run" / "aetherd.sock"), "AETHER_TOKEN": daemon.token}
        self.process = subprocess.Popen(
            relay().command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self._answers: dict[str, tuple[float, bool]] = {}
        self._changed = threading.Condition()
        self._again = ""
        threading.Thread(target=self._read, daemon=True).start()
        client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "b", "version": "1"}}
        self.ask("hello", "initialize", client)
        self.answered("hello")
        self.say({"method": "notifications/initialized"})

    def say(self, message: dict[str, Any]) -> None:
        """Write one message."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def ask(self, id: str, method: str, params: dict[str, Any]) -> None:
        """Make a request."""
        self.say({"id": id, "method": method, "params": params})

    def call(self, id: str, name: str, **input: Any) -> None:
        """Call a tool."""
        self.ask(id, "tools/call", {"name": f"aether_{name}", "arguments": input})

    def hang(self, number: int, sleeper: int) -> None:
        """Have a call in flight; when it fails, `again` is made at once."""
        self._again = f"again {number}"
        self.call(f"flight {number}", "process_wait", pid=sleeper, timeout_s=300)

    def answered(self, id: str) -> float:
        """Wait for an answer that is no error; return when it came."""
        with self._changed:
            if not self._changed.wait_for(lambda: id in self._answers, LIMIT_S):
                raise TimeoutError(f"no answer to {id!r}")
            at, good = self._answers[id]
        if not good:
            raise RuntimeError(f"{id!r} failed")
        return at

    def end(self) -> None:
        """Close it."""
        self.process.kill()
        self.process.communicate()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            if "id" not in message or "method" in message:
                continue
            good = "result" in message and not message["result"].get("isError")
            with self._changed:
                self._answers[str(message["id"])] = (time.time(), good)
                self._changed.notify_all()
            if str(message["id"]).startswith("flight") and not good:
                self.call(self._again, "system_status")


def returned(daemon: Daemon) -> float:
    """Wait until /healthz answers; return when (wall clock)."""
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        line = daemon.connect()
        try:
            line.request("GET", "/healthz")
            if line.getresponse().status == 200:
                return time.time()
        except OSError:
            time.sleep(0.001)  # noqa: TID251 - a socket that is not there sends no event
        finally:
            line.close()
    raise TimeoutError("the daemon did not come back")


def resulted(api: ModelApi, begin: int, number: int = 1) -> Request:
    """Wait for the model request that brings the n-th result of `whoami` since a place in the log."""

    def good(requests: list[Request]) -> list[Request]:
        return [one for one in requests[begin:] if any('"toolset":"all"' in result for result in one.tool_results)]

    return good(api.wait_for(lambda requests: len(good(requests)) >= number, LIMIT_S))[number - 1]


def measure(rounds: int, relays: int) -> tuple[list[Row], str]:
    """Return the rows, and what there is to say about Claude Code."""
    found: Found = {"waiting": [], "fresh": [], "claude waiting": [], "claude fresh": []}
    report_ = ClaudeCode().check()
    with Daemon("max_running = 20\n") as daemon:
        sleeper = daemon.call("process.spawn", runtime="command", argv=["/bin/sleep", "86400"])["pid"]
        clients = [Client(daemon) for _ in range(relays)]
        with ModelApi() as api:
            claude = None
            if report_.available:
                env = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": "not-a-real-key"}
                goal = {"goal": "begin", "toolset": "all", "env": env}
                claude = daemon.call("process.spawn", runtime="claude-code", **goal)["pid"]
                daemon.call("process.wait", pid=claude, timeout_s=60)
                api.use(script(claude))
            for number in range(rounds):
                one_round(daemon, clients, api, claude, sleeper, number, found)
        for client in clients:
            client.end()
    return rows(found, relays), f"Claude Code {report_.version}" if report_.available else f"{report_.missing}"


def one_round(
    daemon: Daemon,
    clients: list[Client],
    api: ModelApi,
    claude: int | None,
    sleeper: int,
    number: int,
    found: Found,
) -> None:
    """Kill with calls in flight, start, and time the answers from the return."""
    begin = len(api.requests)
    for client in clients:
        client.hang(number, sleeper)
    if claude is not None:
        daemon.call("process.send", pid=claude, text=f"round {number}")
        api.wait_for(lambda requests: len(requests) > begin and requests[-1].ended_at is not None, LIMIT_S)
    rest(0.5)  # the calls are on their way: nothing tells when the last has arrived
    daemon.kill()
    daemon.begin()
    back = returned(daemon)
    for client in clients:
        client.call(f"fresh {number}", "system_status")
    found["waiting"] += [max(0.0, client.answered(f"again {number}") - back) for client in clients]
    found["fresh"] += [max(0.0, client.answered(f"fresh {number}") - back) for client in clients]
    if claude is not None:
        found["claude waiting"].append(max(0.0, resulted(api, begin).at - back))
        while not daemon._ready():
            rest(0.001)
        begun = time.time()
        daemon.call("process.send", pid=claude, text=f"fresh {number}")
        found["claude fresh"].append(resulted(api, begin, 2).at - begun)
        daemon.call("process.wait", pid=claude, timeout_s=60)


def rows(found: Found, relays: int) -> list[Row]:
    """Return p50 and the slowest of each kind."""
    titles = {
        "waiting": f"a call made while it was away, of {relays} relays",
        "fresh": f"a call made at its return, of {relays} relays",
        "claude waiting": "Claude Code's call made while it was away, to its next model request",
        "claude fresh": "Claude Code told something at once: message, model, call, model",
    }
    return [
        Row(
            f"return to answer, the slowest: {title}",
            max(found[name]),
            "s",
            target=1,
            note=f"p50 {median(found[name]):.3f}",
        )
        for name, title in titles.items()
        if found[name]
    ]


def main() -> None:
    """Print the table."""
    parser, read = arguments(__doc__, 10, 5)
    parser.add_argument("--relays", type=int, default=10)
    options = read()
    found, note = measure(options.rounds, options.relays)
    report(f"{options.rounds} times kill -9: tool calls again after the return", found, options, note)


if __name__ == "__main__":
    main()
