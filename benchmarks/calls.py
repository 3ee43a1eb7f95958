"""Measure a tool call into a real daemon with all its guards: by the relay, by its socket, by HTTP.

    python benchmarks/calls.py [--rounds 7] [--calls 300]

The daemon is started on a temporary home. Rounds are interleaved and medians shown, so read the ratios: they
stand first. `2026` marks the stateless era; all else is the 2025 handshake. CPU is the daemon's, per call.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from relay import PROTOCOL, Direct, Http, Peer, Program

ROOT = Path(__file__).resolve().parents[1]
MODERN = "2026-07-28"
Message = dict[str, Any]

TOOLS: dict[str, tuple[str, Message]] = {
    "whoami": ("aether_process_whoami", {}),
    "recall": ("aether_memory_recall", {"query": "where the deployment keys are"}),
    "status": ("aether_system_status", {}),
    "remember (write)": ("aether_memory_remember", {"content": "the staging host is named otter"}),
}
CLIENT = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Bearer(Http):
    """Streamable HTTP with a token; answers come as server-sent events."""

    def __init__(self, port: int, token: str) -> None:
        super().__init__(port)
        self.headers |= {"Authorization": f"Bearer {token}"}

    def post(self, message: Message) -> bytes:
        """Post one message; return the data of its last event."""
        if self.modern(message):
            self.headers |= {"MCP-Protocol-Version": MODERN, "Mcp-Method": message["method"]}
            self.headers["Mcp-Name"] = message.get("params", {}).get("name", "")
        body = super().post(message)
        data = [line[5:] for line in body.splitlines() if line.startswith(b"data:") and len(line) > 6]
        return data[-1] if data else body

    @staticmethod
    def modern(message: Message) -> bool:
        """Tell whether a message is of the stateless era."""
        return "_meta" in message.get("params", {})


@contextlib.contextmanager
def daemon(home: Path) -> Iterator[tuple[int, int, str]]:
    """Keep a daemon running; give its os pid, its port and the owner's token."""
    command = [sys.executable, "-m", "aetherd.daemon.app", "--home", str(home), "--port", "0"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("AETHER_")}
    process = subprocess.Popen(command, env=env, stderr=(home / "calls.log").open("wb"), cwd=ROOT)
    try:
        address, deadline = home / "run" / "address", time.monotonic() + 60
        while not address.exists() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.05)  # noqa: TID251  (another program: nothing to wait for)
        port = int(address.read_text().rpartition(":")[2])
        yield process.pid, port, (home / "secrets" / "owner.token").read_text().strip()
    finally:
        process.terminate()
        process.wait(20)


class Way:
    """One row of the table."""

    def __init__(self, name: str, open: Callable[[], Peer], modern: bool = False) -> None:
        self.name, self.modern = name, modern
        self.peer = open()
        self.samples: dict[str, list[float]] = {}
        if not modern:
            hello = {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": {"name": "b", "version": "1"}}
            assert "result" in (answer := self.peer.ask("initialize", hello)), answer
            self.peer.tell("notifications/initialized")

    def round(self, pid: int, calls: int) -> None:
        """Measure each tool once."""
        for label, (tool, arguments) in TOOLS.items():
            params: Message = {"name": tool, "arguments": arguments}
            if self.modern:
                params["_meta"] = CLIENT
            times, before = [], cpu(pid)
            for _ in range(calls):
                start = time.perf_counter()
                answer = self.peer.ask("tools/call", params)
                times.append((time.perf_counter() - start) * 1000)
                assert not answer["result"].get("isError"), answer
            self.samples.setdefault(label, []).append(statistics.median(times))
            self.samples.setdefault(label + " p99", []).append(statistics.quantiles(times, n=100)[98])
            self.samples.setdefault(label + " cpu", []).append((cpu(pid) - before) / calls * 1e6)

    def median(self, what: str) -> float:
        """Return the middle of the samples."""
        return statistics.median(self.samples[what])


def cpu(pid: int) -> float:
    """Return the seconds a process has computed, all threads."""
    nanoseconds = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            nanoseconds += int((task / "schedstat").read_text().split()[0])
    return nanoseconds / 1e9


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--tools", nargs="*", default=list(TOOLS), choices=TOOLS, help="only these")
    options = parser.parse_args()
    for label in set(TOOLS) - set(options.tools):
        del TOOLS[label]
    with tempfile.TemporaryDirectory(prefix="aether-calls-") as place:
        home = Path(place)
        with daemon(home) as (pid, port, token):
            path = str(home / "run" / "aetherd.sock")
            relay = [str(ROOT / "bin" / "aether-mcp")]
            env = {"AETHER_SOCKET": path, "AETHER_TOKEN": token}
            ways = [
                Way("relay", lambda: Program(relay, env)),
                Way("relay, 2026", lambda: Program(relay, env), modern=True),
                Way("unix socket", lambda: Direct(path, token)),
                Way("unix socket, 2026", lambda: Direct(path, token), modern=True),
                Way("HTTP /mcp", lambda: Bearer(port, token)),
                Way("HTTP /mcp, 2026", lambda: Bearer(port, token), modern=True),
            ]
            for number in range(options.rounds + 1):
                for way in ways:
                    way.round(pid, options.calls if number else 20)
                    if not number:
                        way.samples.clear()  # the first is for warming up
            for way in ways:
                way.peer.close()
        show(ways)


def show(ways: list[Way]) -> None:
    """Print ratios to HTTP, then milliseconds and microseconds."""
    base = next(way for way in ways if way.name == "HTTP /mcp")
    print(f"p50 in ms, p99, daemon CPU in us per call; load {os.getloadavg()[0]:.1f}\n")
    print(f"| {'way':18} | " + " | ".join(f"{label:^38}" for label in TOOLS) + " |")
    print(f"| {'':18} | " + " | ".join(f"{'x HTTP':>8} {'p50':>8} {'p99':>8} {'CPU':>8}   " for _ in TOOLS) + " |")
    for way in ways:
        cells = []
        for label in TOOLS:
            p50 = way.median(label)
            ratio = p50 / base.median(label)
            cells.append(
                f"{ratio:8.2f} {p50:8.3f} {way.median(label + ' p99'):8.2f} {way.median(label + ' cpu'):8.0f}   "
            )
        print(f"| {way.name:18} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
