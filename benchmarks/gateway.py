"""The model gateway: what it adds to the time to a first byte, and how many chunks a second it passes.

    python benchmarks/gateway.py [--quick] [--rounds N] [--peer DIR]

A provider of our own on loopback answers at once (it is no model); it is asked straight, through aetherd with the
ledger on a real disk, and through the LiteLLM proxy, in turn. LiteLLM is installed once, from PyPI, into a virtual
environment of its own (--peer, default below the temporary directory); `--peer ""` leaves it out.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lab import Daemon, Row, arguments, cpu, median, report, until

PEER = "litellm[proxy]==1.106.2"
KEY = "sk-bench"
MODEL = "gpt-5.6-luna"
# Kinds of streams, told by max_tokens, which every proxy passes on: chunks, and seconds between them.
KINDS = {"short": (20, 0.0), "long": (50, 0.02), "flood": (4_000, 0.0), "rush": (200, 0.0)}
MOST = {"short": 4_001, "long": 4_002, "flood": 4_003, "rush": 4_004}
SPEEDS = 32


def request(most: int) -> bytes:
    """Return a request of 48 kB, as a coding agent sends."""
    more = {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": most}
    return json.dumps({"model": MODEL, **more, "messages": [{"role": "user", "content": "word " * 9_600}]}).encode()


# --- a provider that answers at once ---------------------------------------------------------------------


def chunk(text: str, usage: bool = False) -> bytes:
    """Return one event of a stream, framed."""
    event = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    event |= {"choices": [] if usage else [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
    event |= {"usage": {"prompt_tokens": 9_600, "completion_tokens": 20, "total_tokens": 9_620}} if usage else {}
    return framed(f"data: {json.dumps(event)}\n\n".encode())


def framed(data: bytes) -> bytes:
    """Return a chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


WORD, FIGURES, END = chunk("a word "), chunk("", usage=True), framed(b"data: [DONE]\n\n") + b"0\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


async def provider(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one connection."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            body = await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or 0))
            kind = next((kind for kind, most in MOST.items() if str(most).encode() in body), "short")
            count, pace = KINDS[kind]
            writer.write(HEAD)
            for _ in range(count):
                writer.write(WORD)
                await writer.drain()
                await asyncio.sleep(pace)
            writer.write(FIGURES + END)
            await writer.drain()
    writer.close()


def serve() -> None:
    """Be the provider: print the port, and answer for ever."""

    async def run() -> None:
        server = await asyncio.start_server(provider, "127.0.0.1", 0, backlog=512)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    asyncio.run(run())


BODIES = {kind: request(most) for kind, most in MOST.items()}


# --- a client --------------------------------------------------------------------------------------------


class Client:
    """One connection that is kept."""

    def __init__(self, port: int, path: str, token: str) -> None:
        self._port, self._path, self._token = port, path, token
        self._reader: asyncio.StreamReader | None = None

    async def ask(self, kind: str = "short") -> tuple[float, int]:
        """Ask once; return the seconds to the first byte of the body, and the events that came."""
        if self._reader is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 22)
        lines = [
            f"POST {self._path} HTTP/1.1",
            "host: localhost",
            f"authorization: Bearer {self._token}",
            "content-type: application/json",
            f"content-length: {len(BODIES[kind])}",
        ]
        begun = time.perf_counter()
        self._writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + BODIES[kind])
        head = await self._reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise RuntimeError((head + await self._reader.read(2000)).decode(errors="replace"))
        first, events, tail = 0.0, 0, b""
        while not (tail.endswith(b"0\r\n\r\n")):
            data = await self._reader.read(1 << 18)
            if not data:
                raise RuntimeError("the answer was cut")
            first = first or time.perf_counter() - begun
            events += data.count(b"data: {")
            tail = (tail + data)[-7:]
        return first, events

    def close(self) -> None:
        """Hang up."""
        if self._reader is not None:
            self._writer.close()


async def first_bytes(where: tuple[int, str, str], streams: int, rounds: int) -> list[float]:
    """Return the milliseconds to the first byte of so many rounds, with so many streams at once."""
    found: list[float] = []
    kind = "short" if streams == 1 else "long"

    async def one() -> None:
        client = Client(*where)
        await client.ask()
        await asyncio.sleep(random.random() if streams > 1 else 0)  # not all in the same moment
        found.extend([(await client.ask(kind))[0] * 1000 for _ in range(max(rounds // streams, 3))])
        client.close()

    await asyncio.gather(*(one() for _ in range(streams)))
    return found


async def flood(where: tuple[int, str, str], streams: int, kind: str) -> float:
    """Return the chunks a second that come through so many streams at once."""
    clients = [Client(*where) for _ in range(streams)]
    await asyncio.gather(*(client.ask() for client in clients))
    begun = time.perf_counter()
    counts = await asyncio.gather(*(client.ask(kind) for client in clients))
    took = time.perf_counter() - begun
    for client in clients:
        client.close()
    return sum(count for _, count in counts) / took


# --- the three ways --------------------------------------------------------------------------------------


@contextmanager
def program(command: list[str], **more: object) -> Iterator[subprocess.Popen[str]]:
    """Run something beside, until the end."""
    made = subprocess.Popen(command, text=True, start_new_session=True, stdin=subprocess.DEVNULL, **more)  # type: ignore[call-overload]
    try:
        yield made
    finally:
        made.terminate()
        with suppress(subprocess.TimeoutExpired):
            made.wait(10)
        if made.poll() is None:
            made.kill()


def aetherd(daemon: Daemon, provider: int) -> tuple[int, str, str]:
    """Have the daemon use the provider; return where a process of its own asks."""
    daemon.call("model.configure", provider="openai", base_url=f"http://127.0.0.1:{provider}/v1", api_key=KEY)
    line = ["sh", "-c", "echo token=$AETHER_TOKEN; exec sleep 100000"]
    pid = daemon.call("process.spawn", runtime="command", argv=line, sandbox={"tier": "host"})["pid"]

    def token() -> str:
        text = json.dumps(daemon.call("process.output", pid=pid))
        return text.partition("token=")[2].partition("\\")[0]

    until(token, 20, "the token")
    return daemon.port, "/llm/openai/v1/chat/completions", token()


@contextmanager
def litellm(place: Path, provider: int) -> Iterator[tuple[int, str, str]]:
    """Run the LiteLLM proxy, one worker, nothing but passing on."""
    if not (place / "bin" / "litellm").exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        subprocess.run([str(place / "bin" / "python"), "-m", "pip", "install", "-q", PEER], check=True)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        base = f"http://127.0.0.1:{provider}/v1"
        lines = [
            "model_list:",
            f"  - model_name: {MODEL}",
            f"    litellm_params: {{model: openai/{MODEL}, api_base: '{base}', api_key: {KEY}}}",
            "general_settings: {master_key: sk-own}",
        ]
        config.write_text("\n".join(lines))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [str(place / "bin" / "python"), str(place / "bin" / "litellm"), "--config", str(config)]
        command += ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1", "--telemetry", "False"]
        env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
        with program(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env, cwd=folder):
            until(lambda: answers(port), 120, "LiteLLM", pace=0.2)
            yield port, "/v1/chat/completions", "sk-own"


def answers(port: int) -> bool:
    """Tell whether somebody takes connections and answers."""
    with suppress(OSError, http.client.HTTPException):
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        line.request("GET", "/health/liveliness")
        return line.getresponse().status == 200
    return False


def main() -> None:
    """Print the table."""
    parser, read = arguments(__doc__, 600, 200)
    parser.add_argument("--peer", default=str(Path(tempfile.gettempdir()) / "aether-litellm"))
    parser.add_argument("--serve", action="store_true", help="be the provider")
    options = read()
    if options.serve:
        serve()
        return
    found: dict[str, dict[str, list[float]]] = {}
    with program([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE) as made, Daemon() as daemon:
        assert made.stdout is not None
        port = int(made.stdout.readline())
        ways = {"straight": (port, "/v1/chat/completions", KEY), "aetherd": aetherd(daemon, port)}

        def measure(rounds: int, turns: int) -> None:
            for _ in range(turns):
                for name, where in ways.items():
                    seen = found.setdefault(name, {})
                    for streams in (1, 32):
                        values = asyncio.run(first_bytes(where, streams, rounds // turns))
                        seen.setdefault(str(streams), []).extend(values)
                    before = cpu(daemon.os_pid)
                    seen.setdefault("flood", []).append(
                        asyncio.run(flood(where, SPEEDS, "rush" if name == "litellm" else "flood"))
                    )
                    if name == "aetherd":
                        used = (cpu(daemon.os_pid) - before) / (KINDS["flood"][0] * SPEEDS) * 1e6
                        seen.setdefault("cpu", []).append(used)

        if options.peer:
            with litellm(Path(options.peer), port) as where:
                ways["litellm"] = where
                measure(options.rounds, 3)
        else:
            measure(options.rounds, 3)
    rows = []
    for streams, target in ((1, 3.0), (32, 10.0)):
        straight, own = (median(found[name][str(streams)]) for name in ("straight", "aetherd"))
        peer = median(found["litellm"][str(streams)]) - straight if "litellm" in found else None
        name = f"gateway: added time to first byte, {streams} stream{'s' if streams > 1 else ''}, p50"
        rows.append(Row(name, own - straight, "ms", peer, "LiteLLM proxy", target))
    peer = median(found["litellm"]["flood"]) if "litellm" in found else None
    rows.append(
        Row(
            "gateway: chunks a second",
            median(found["aetherd"]["flood"]),
            "/s",
            peer,
            "LiteLLM proxy",
            20_000,
            at_least=True,
        )
    )
    rows.append(Row("gateway: processor time for a chunk", median(found["aetherd"]["cpu"]), "us"))
    rows.append(Row("the provider straight: time to first byte, p50", median(found["straight"]["1"]), "ms"))
    rows.append(Row("the provider straight: chunks a second", median(found["straight"]["flood"]), "/s"))
    report(
        "The model gateway",
        rows,
        options,
        "48 kB a request, each reserved and settled on disk. Many streams: 50 chunks, one in 20 ms. Chunks a second:"
        f" {SPEEDS} streams of {KINDS['flood'][0]:,}, each chunk written by itself; what came together goes together.",
        packages=("aiohttp", "uvicorn"),
    )


if __name__ == "__main__":
    sys.exit(main())
