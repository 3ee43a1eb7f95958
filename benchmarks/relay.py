"""Measure the relay against its peers: start to tools/list answered, memory of the tree, time per call.

    python benchmarks/relay.py [--rounds 9] [--calls 500] [--only WORD] [--no-npm]
    python benchmarks/relay.py --socket PATH --token-env NAME [--tool NAME --arguments JSON]

The fixture servers offer the same 100 tools (a list of about 75 KB); with --socket the daemon behind that
socket is measured as well. Rounds are interleaved and medians shown, so read the ratios: they stand first.
"""

import argparse
import asyncio
import contextlib
import http.client
import json
import logging
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Protocol

HERE = Path(__file__).resolve()
RELAY = HERE.parents[1] / "mcp_tools/aetherd_mcp/relay.py"
SCRIPT = HERE.parents[1] / "bin/aether-mcp"
MCP_REMOTE = "0.15.1"
TOOLS = 100
TOKEN = "benchmark"
PROTOCOL = "2025-11-25"
Message = dict[str, Any]


# --- the servers, each run as `relay.py serve KIND WHERE` in a process of its own ---


def fixture() -> Any:
    """Build an SDK server of 100 tools."""
    from mcp.server import MCPServer
    from pydantic import Field

    def tool(
        text: Annotated[str, Field(description="What to echo, exactly as it should come back to the caller.")],
        limit: Annotated[int, Field(description="How many results at most.")] = 10,
        tags: Annotated[list[str] | None, Field(description="Only what carries all of these tags.")] = None,
    ) -> str:
        return text

    server = MCPServer("fixture")
    for number in range(TOOLS):
        name = "echo" if number == 0 else f"aether_room_verb_{number:03}"
        server.add_tool(tool, name=name, description="Echo a text. " + "It says when to use it and why. " * 2)
    return server


async def serve_cached(path: str) -> None:
    """Serve a unix socket as the daemon should: own loop, and tools/list from bytes made once."""
    import orjson

    tools = [tool.model_dump(by_alias=True, exclude_none=True) for tool in await fixture().list_tools()]
    listed = orjson.dumps({"tools": tools})
    capabilities = {"tools": {"listChanged": True}}
    greeting = {
        "protocolVersion": PROTOCOL,
        "capabilities": capabilities,
        "serverInfo": {"name": "c", "version": "1"},
    }

    class Session(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport, self.rest, self.known = transport, b"", False

        def data_received(self, data: bytes) -> None:
            *lines, self.rest = (self.rest + data).split(b"\n")
            for line in lines:
                if self.known:
                    self.answer(orjson.loads(line))
                else:
                    self.known = line == TOKEN.encode()
                    assert self.known

        def answer(self, message: Message) -> None:
            if (id := message.get("id")) is None:
                return
            if message["method"] == "tools/call":
                text = message["params"]["arguments"]["text"]
                result = orjson.dumps({"content": [{"type": "text", "text": text}], "isError": False})
            else:
                result = listed if message["method"] == "tools/list" else orjson.dumps(greeting)
            self.transport.write(b'{"jsonrpc":"2.0","id":%s,"result":%s}\n' % (orjson.dumps(id), result))

    server = await asyncio.get_running_loop().create_unix_server(Session, path)
    await server.serve_forever()


async def serve_sdk(path: str) -> None:
    """Serve a unix socket with the SDK's own stream loop."""
    import anyio
    import mcp_types
    from anyio.streams.buffered import BufferedByteReceiveStream
    from mcp.shared.message import SessionMessage

    server = fixture()._lowlevel_server

    async def session(stream: anyio.abc.SocketStream) -> None:
        lines = BufferedByteReceiveStream(stream)
        to_server, server_reads = anyio.create_memory_object_stream[SessionMessage | Exception]()
        server_writes, from_server = anyio.create_memory_object_stream[SessionMessage](16)

        async def read() -> None:
            async with to_server:
                with contextlib.suppress(anyio.IncompleteRead, anyio.ClosedResourceError, anyio.BrokenResourceError):
                    while True:
                        line = await lines.receive_until(b"\n", 1 << 24)
                        await to_server.send(SessionMessage(mcp_types.jsonrpc_message_adapter.validate_json(line)))

        async def write() -> None:
            async for message in from_server:
                await stream.send(message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")

        async with (
            stream,
            to_server,
            server_reads,
            server_writes,
            from_server,
            anyio.create_task_group() as tasks,
        ):
            try:
                assert await lines.receive_until(b"\n", 4096) == TOKEN.encode()
            except anyio.IncompleteRead:
                return  # somebody only looked whether we run
            tasks.start_soon(read)
            tasks.start_soon(write)
            await server.run(server_reads, server_writes, server.create_initialization_options())
            tasks.cancel_scope.cancel()

    async with await anyio.create_unix_listener(path) as listener:
        await listener.serve(session)


def serve(kind: str, where: str) -> None:
    """Run one fixture server until killed."""
    logging.disable(logging.INFO)
    if kind == "stdio":
        fixture().run("stdio")
    elif kind == "http":
        import uvicorn

        app = fixture().streamable_http_app(json_response=True)
        uvicorn.run(app, port=int(where), http="h11", log_level="error")
    else:
        asyncio.run(serve_cached(where) if kind == "cached" else serve_sdk(where))


@contextlib.contextmanager
def running(kind: str, where: str) -> Iterator[None]:
    """Keep a fixture server running."""
    server = subprocess.Popen([sys.executable, str(HERE), "serve", kind, where])
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), contextlib.closing(connected(kind, where)):
                break
            time.sleep(0.05)  # noqa: TID251  (a foreign server: nothing to wait for)
        else:
            raise TimeoutError(f"the {kind} server did not start")
        yield
    finally:
        server.kill()
        server.wait()


def connected(kind: str, where: str) -> socket.socket:
    """Connect to a fixture server."""
    if kind == "http":
        return socket.create_connection(("127.0.0.1", int(where)))
    client = socket.socket(socket.AF_UNIX)
    client.connect(where)
    return client


# --- the clients: all hand-written, so that what is measured is the way and not the client ---


class Peer(Protocol):
    """A way to an MCP server."""

    def ask(self, method: str, params: Message) -> Message:
        """Make a request and wait for its answer."""

    def tell(self, method: str) -> None:
        """Send a notification."""

    def memory(self) -> float:
        """Return the megabytes (PSS) this way costs on the client's side."""

    def close(self) -> float:
        """Leave; return how many milliseconds the process took to exit."""


class Program:
    """A bridge or server spoken to by stdio."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | env,
        )
        assert self.process.stdin
        assert self.process.stdout
        self.write, self.flush, self.lines = (
            self.process.stdin.write,
            self.process.stdin.flush,
            self.process.stdout,
        )
        self.id = 0

    def ask(self, method: str, params: Message) -> Message:
        """Make a request and wait for its answer."""
        self.id += 1
        self.write(json.dumps({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params}).encode() + b"\n")
        self.flush()
        while line := self.lines.readline():
            answer: Message = json.loads(line)
            if answer.get("id") == self.id and "method" not in answer:
                return answer
        raise EOFError(f"{self.process.args!r} ended")

    def tell(self, method: str) -> None:
        """Send a notification."""
        self.write(json.dumps({"jsonrpc": "2.0", "method": method}).encode() + b"\n")
        self.flush()

    def memory(self) -> float:
        """Return the megabytes (PSS) of the process and all its children."""
        return sum(pss(pid) for pid in tree(self.process.pid)) / 1024

    def close(self) -> float:
        """Close stdin and wait."""
        assert self.process.stdin
        start = time.perf_counter()
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.lines.close()
        return (time.perf_counter() - start) * 1000


class Direct(Program):
    """The unix socket itself, without a relay: the floor."""

    def __init__(self, path: str, token: str) -> None:
        self.socket = connected("unix", path)
        file: Any = self.socket.makefile("rwb")
        self.write, self.flush, self.lines, self.id = file.write, file.flush, file, 0
        self.write(token.encode() + b"\n")

    def memory(self) -> float:
        """Cost nothing."""
        return 0.0

    def close(self) -> float:
        """Close the socket."""
        self.lines.close()
        self.socket.close()
        return 0.0


class Http:
    """Streamable HTTP on one kept-alive connection."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        self.id = 0

    def post(self, message: Message) -> bytes:
        """Post one message."""
        self.connection.request("POST", "/mcp", json.dumps({"jsonrpc": "2.0", **message}), self.headers)
        response = self.connection.getresponse()
        if session := response.headers.get("Mcp-Session-Id"):
            self.headers |= {"Mcp-Session-Id": session, "MCP-Protocol-Version": PROTOCOL}
        return response.read()

    def ask(self, method: str, params: Message) -> Message:
        """Make a request and wait for its answer."""
        self.id += 1
        answer: Message = json.loads(self.post({"id": self.id, "method": method, "params": params}))
        return answer

    def tell(self, method: str) -> None:
        """Send a notification."""
        self.post({"method": method})

    def memory(self) -> float:
        """Cost nothing."""
        return 0.0

    def close(self) -> float:
        """Close the connection."""
        self.connection.close()
        return 0.0


def tree(pid: int) -> list[int]:
    """List a process and its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(below for child in children for below in tree(int(child)))]


def pss(pid: int) -> int:
    """Return the kilobytes a process is charged for."""
    return next(
        int(line.split()[1])
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        if line.startswith("Pss:")
    )


# --- measuring ---


class Way:
    """One row of the table."""

    def __init__(self, name: str, open: Callable[[], Peer], tool: str = "echo", arguments: str = "") -> None:
        self.name, self.open, self.tool = name, open, tool
        self.arguments: Message = json.loads(arguments) if arguments else {"text": "hello"}
        self.samples: dict[str, list[float]] = {"start": [], "memory": [], "call": [], "p99": [], "exit": []}
        self.listed = ""

    def round(self, calls: int) -> None:
        """Measure once."""
        start = time.perf_counter()
        peer = self.open()
        hello = {
            "protocolVersion": PROTOCOL,
            "capabilities": {},
            "clientInfo": {"name": "bench", "version": "1"},
        }
        assert "result" in (answer := peer.ask("initialize", hello)), answer
        peer.tell("notifications/initialized")
        tools = peer.ask("tools/list", {})["result"]["tools"]
        self.add("start", (time.perf_counter() - start) * 1000)
        self.listed = f"{len(tools)} tools, {len(json.dumps(tools)) // 1000} KB"
        self.add("memory", peer.memory())
        times = []
        for _ in range(calls):
            start = time.perf_counter()
            answer = peer.ask("tools/call", {"name": self.tool, "arguments": self.arguments})
            times.append((time.perf_counter() - start) * 1000)
            assert "result" in answer, answer
        self.add("call", statistics.median(times))
        self.add("p99", statistics.quantiles(times, n=100)[98])
        self.add("exit", peer.close())

    def add(self, what: str, value: float) -> None:
        """Keep a sample."""
        self.samples[what].append(value)

    def median(self, what: str) -> float:
        """Return the middle of the samples."""
        return statistics.median(self.samples[what])


def mcp_remote() -> Path | str:
    """Return where the pinned mcp-remote lies, installing it the first time, or why there is none."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return "node and npm are not installed"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / f"aetherd-bench/mcp-remote-{MCP_REMOTE}"
    proxy = cache / "node_modules/mcp-remote/dist/proxy.js"
    if not proxy.exists():
        cache.mkdir(parents=True, exist_ok=True)
        command = [
            npm,
            "install",
            "--no-audit",
            "--no-fund",
            "--prefix",
            str(cache),
            f"mcp-remote@{MCP_REMOTE}",
        ]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=300)
        except (subprocess.SubprocessError, OSError) as error:
            return f"npm install failed: {error}"
    return proxy if proxy.exists() else "it has no dist/proxy.js"


def row(cells: list[str]) -> None:
    """Print one line of the table."""
    sys.stdout.write(f"{cells[0]:44}" + "".join(f"{cell:>11}" for cell in cells[1:]) + "\n")


def report(ways: list[Way], missing: list[str], rounds: int, calls: int) -> None:
    """Print the table, ratios first, and the two differences that are promised."""
    base = ways[0]
    row(["", "x start", "x memory", "x call", "start ms", "min", "PSS MB", "call ms", "p99", "exit ms"])
    for way in ways:
        bridge = way.median("memory") > 0
        ratios = [
            f"{way.median(what) / base.median(what):.1f}" if bridge or what == "call" else "-"
            for what in ("start", "memory", "call")
        ]
        own = [
            f"{way.median('start'):.1f}",
            f"{min(way.samples['start']):.1f}",
            f"{way.median('memory'):.1f}",
        ]
        times = [f"{way.median('call'):.3f}", f"{way.median('p99'):.2f}"]
        leave = f"{way.median('exit'):.0f}"
        row([way.name, *ratios, *(own if bridge else ["-"] * 3), *times, leave if bridge else "-"])
    for name in missing:
        row([name])
    by_name = {way.name: way for way in ways}
    for server in ("cached list", "SDK loop", "your daemon"):
        relayed, direct = by_name.get(f"relay -> {server}"), by_name.get(f"no relay -> {server}")
        if relayed and direct:
            added = statistics.median(
                a - b for a, b in zip(relayed.samples["call"], direct.samples["call"], strict=True)
            )
            sys.stdout.write(f"the relay adds {added:.3f} ms p50 per call to: {server}\n")
    sys.stdout.write(
        f"medians of {rounds} interleaved rounds of {calls} calls; {base.listed}; "
        f"Python {platform.python_version()}, mcp {version('mcp')}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}\n"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--only", default="", help="only rows whose name contains this word (and the first one)")
    parser.add_argument("--no-npm", action="store_true", help="leave mcp-remote out")
    parser.add_argument("--socket", help="also measure the daemon behind this socket")
    parser.add_argument("--token-env", default="AETHER_TOKEN", help="the variable that holds its token")
    parser.add_argument("--tool", default="aether_system_status", help="a tool of that daemon to call")
    parser.add_argument("--arguments", default="{}", help="the JSON arguments of that call")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as servers:
        cached, sdk = f"{folder}/cached", f"{folder}/sdk"
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        url = f"http://127.0.0.1:{port}/mcp"
        for kind, where in (("cached", cached), ("sdk", sdk), ("http", str(port))):
            servers.enter_context(running(kind, where))

        def relay(path: str, token: str = TOKEN, command: list[str] | None = None) -> Callable[[], Peer]:
            start = command or [str(SCRIPT)]
            return lambda: Program([*start, path], {"AETHER_TOKEN": token})

        bare = [sys.executable, "-S", "-E", "-I", str(RELAY)]
        ways = [
            Way("relay -> cached list", relay(cached)),
            Way("relay.py uncompiled -> cached list", relay(cached, command=bare)),
            Way("no relay -> cached list", lambda: Direct(cached, TOKEN)),
            Way("relay -> SDK loop", relay(sdk)),
            Way("no relay -> SDK loop", lambda: Direct(sdk, TOKEN)),
            Way("streamable HTTP, JSON (SDK, uvicorn)", lambda: Http(port)),
            Way(
                "peer: SDK stdio server",
                lambda: Program([sys.executable, str(HERE), "serve", "stdio", "-"], {}),
            ),
        ]
        missing = []
        proxy = "left out" if options.no_npm else mcp_remote()
        name = f"peer: mcp-remote {MCP_REMOTE} -> HTTP"
        if isinstance(proxy, Path):
            remote = ["node", str(proxy), url, "--allow-http", "--transport", "http-only"]
            ways.append(Way(name, lambda: Program(remote, {"MCP_REMOTE_CONFIG_DIR": folder})))
        else:
            missing.append(f"{name}: not available ({proxy})")
        if options.socket:
            token, named = os.environ[options.token_env], (options.tool, options.arguments)
            ways.append(Way("relay -> your daemon", relay(options.socket, token), *named))
            ways.append(Way("no relay -> your daemon", lambda: Direct(options.socket, token), *named))
        ways = ways[:1] + [way for way in ways[1:] if options.only in way.name]
        for _ in range(options.rounds):
            for way in ways:
                way.round(options.calls)
    report(ways, missing, options.rounds, options.calls)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(*sys.argv[2:])
    else:
        main()
