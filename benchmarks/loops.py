"""Measure what serves MCP on the unix sockets, ours and the SDK's loop, in one daemon; and tools/list as bytes.

    python benchmarks/loops.py [--rounds 15] [--quick]

One process serves the same house, with all its guards, on two sockets: one by our loop, one by the SDK's
(`mcp_loop = "sdk"`). Rounds alternate between them, so read the ratios. CPU is the daemon's per call, all threads.
A call is timed from its first byte written to its last byte read; the client does not parse what it gets.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
from calls import CLIENT, Bearer, cpu
from lab import Row, arguments, median, report
from relay import PROTOCOL, Direct, Program

HERE = Path(__file__).resolve()
RELAY = str(HERE.parents[1] / "bin" / "aether-mcp")
MENUS = (140, 180)
CALLS, LISTS = 200, 40  # a round
WHOAMI: dict[str, Any] = {"name": "aether_process_whoami", "arguments": {}}


# --- the daemon, run as `loops.py serve HOME TOOLS` in a process of its own ---


async def serve(home: Path, count: int) -> None:
    """Serve a house of so many tools on `lean.sock`, `sdk.sock` and HTTP."""
    from aetherd.core.config import load
    from aetherd.daemon.kernel import Kernel, make_home
    from aetherd.daemon.rooms import ROOMS
    from aetherd.operations.operation import Call
    from aetherd.web.app import Web
    from aetherd.web.server import Server, bind_tcp
    from aetherd_mcp.http import McpHttp
    from aetherd_mcp.server import ToolServer
    from aetherd_mcp.sockets import Sockets

    settings = load(home=home, port=0)
    make_home(settings)
    async with Kernel(settings, ROOMS, {}).running() as house:
        real = sorted(house.registry, key=lambda op: op.name)
        assert len(real) <= count
        for number in range(count - len(real)):  # as long as the real ones, one after the other
            op = real[number % len(real)]
            house.registry.add(dataclasses.replace(op, name=f"{op.name}_{number}"))
        tools = ToolServer(house)
        mcp = McpHttp(house, tools)
        web = Web(house, mcp=mcp)
        sock = bind_tcp("127.0.0.1", 0)
        port = sock.getsockname()[1]
        web.address = f"http://127.0.0.1:{port}"
        owner = Call(id="bench", actor="user:owner", scopes=frozenset({"*"}), face="internal")
        raw = {"name": "bench", "scopes": ["*"], "toolset": "all"}
        token: Any = await house.dispatcher.invoke("token.create", raw, owner)
        server = Server(web)
        async with tools.running(), mcp.running(), anyio.create_task_group() as group:
            for loop in ("lean", "sdk"):
                changed = settings.model_copy(update={"mcp_loop": loop})
                one = Sockets(dataclasses.replace(house, settings=changed), tools, group)
                await one._listen(home / f"{loop}.sock", None, None, 0o600)
            house.ready = True
            (home / "ready").write_text(f"{port} {token.secret}")
            await server.serve(sockets=[sock])


@contextlib.contextmanager
def running(home: Path, count: int) -> Iterator[tuple[int, int, str]]:
    """Keep that daemon running; give its os pid, port and token."""
    command = [sys.executable, str(HERE), "serve", str(home), str(count)]
    with (home / "said").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not (home / "ready").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)  # noqa: TID251 - another program: nothing to wait for
        if not (home / "ready").exists():
            raise RuntimeError((home / "said").read_text())
        port, token = (home / "ready").read_text().split()
        yield process.pid, int(port), token
    finally:
        process.kill()
        process.wait()


# --- the measuring ---


class Way:
    """One way in, in one era."""

    def __init__(self, peer: Program | Bearer, modern: bool) -> None:
        self.peer, self.modern = peer, modern
        self.times: list[float] = []
        self.computed: list[float] = []
        if not modern:
            hello = {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": {"name": "b", "version": "1"}}
            assert "result" in peer.ask("initialize", hello)
            peer.tell("notifications/initialized")

    def round(self, pid: int, method: str, params: dict[str, Any], calls: int) -> None:
        """Ask so many times; keep the median in milliseconds and the daemon's CPU in microseconds."""
        params = params | ({"_meta": CLIENT} if self.modern else {})
        times, before = [], cpu(pid)
        for id in range(calls):
            message = {"jsonrpc": "2.0", "id": f"m{id}", "method": method, "params": params}
            line = json.dumps(message).encode() + b"\n"
            begun = time.perf_counter()
            if isinstance(self.peer, Program):
                self.peer.write(line)
                self.peer.flush()
                answer = self.peer.lines.readline()
            else:
                answer = self.peer.post(message)
            times.append((time.perf_counter() - begun) * 1000)
            assert b'"result"' in answer, answer[:500]
            assert b'"isError":true' not in answer, answer[:500]
        self.times.append(median(times))
        self.computed.append((cpu(pid) - before) / calls * 1e6)


def measured(ways: dict[str, Way], pid: int, method: str, params: dict[str, Any], calls: int, rounds: int) -> None:
    """Go round the ways; the first round is for warming up."""
    for number in range(rounds + 1):
        for way in ways.values():
            way.round(pid, method, params, calls)
            if not number:
                way.times, way.computed = [], []


def measure_calls(home: Path, pid: int, token: str, rounds: int) -> list[Row]:
    """A READ by both loops: through the relay and on the socket, in both eras."""
    ways: dict[str, Way] = {}
    for modern in (False, True):
        for loop in ("lean", "sdk"):
            path = str(home / f"{loop}.sock")
            env = {"AETHER_SOCKET": path, "AETHER_TOKEN": token}
            ways[f"relay {loop} {modern}"] = Way(Program([RELAY], env), modern)
            ways[f"socket {loop} {modern}"] = Way(Direct(path, token), modern)
    measured(ways, pid, "tools/call", WHOAMI, CALLS, rounds)
    rows = []
    for modern, era in ((False, "2025"), (True, "2026")):
        for name in ("relay", "socket"):
            ours, sdk = ways[f"{name} lean {modern}"], ways[f"{name} sdk {modern}"]
            target = 0.3 if name == "relay" else None
            rows.append(
                Row(f"READ by {name}, {era}, p50", median(ours.times), "ms", median(sdk.times), "SDK loop", target)
            )
        ours, sdk = ways[f"socket lean {modern}"], ways[f"socket sdk {modern}"]
        rows.append(Row(f"  daemon CPU, {era}", median(ours.computed), "us", median(sdk.computed), "SDK loop"))
        ratio = median(ours.computed) / median(sdk.computed)
        rows.append(Row(f"  daemon CPU, {era}, of the SDK loop's", ratio, "x", target=0.5))
    for way in ways.values():
        way.peer.close()
    return rows


def measure_lists(home: Path, pid: int, port: int, token: str, count: int, rounds: int) -> list[Row]:
    """tools/list by both loops and over HTTP."""
    rows = []
    for modern, era in ((False, "2025"), (True, "2026")):
        ways = {loop: Way(Direct(str(home / f"{loop}.sock"), token), modern) for loop in ("lean", "sdk")}
        ways["http"] = Way(Bearer(port, token), modern)
        measured(ways, pid, "tools/list", {}, LISTS, rounds)
        ours, sdk, http = (median(ways[name].times) for name in ("lean", "sdk", "http"))
        rows.append(Row(f"tools/list of {count}, socket, {era}, p50", ours, "ms", sdk, "SDK loop", 0.5))
        rows.append(Row(f"tools/list of {count}, HTTP, {era}, p50", http, "ms"))
        for way in ways.values():
            way.peer.close()
    return rows


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] == ["serve"]:
        anyio.run(serve, Path(sys.argv[2]), int(sys.argv[3]))
        return
    _, read = arguments(__doc__, 15, 5)
    options = read()
    rows: list[Row] = []
    for count in MENUS:
        with tempfile.TemporaryDirectory(prefix="aether-loops-") as place:
            home = Path(place)
            with running(home, count) as (pid, port, token):
                if count == MENUS[0]:
                    rows += measure_calls(home, pid, token, options.rounds)
                rows += measure_lists(home, pid, port, token, count, options.rounds)
    report("MCP on the unix sockets: our loop and the SDK's", rows, options, packages=("mcp", "anyio", "pydantic"))


if __name__ == "__main__":
    main()
