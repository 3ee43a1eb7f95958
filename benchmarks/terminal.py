"""Measure the terminal a person sees: program -> PTY -> shim -> log -> daemon -> WebSocket, with acks.

    python benchmarks/terminal.py [--rounds 5] [--megabytes 100] [--quick]

The client is hand-written on a plain socket and acknowledges every 64 KB it has taken, as the console does.
Compared, in the same run, with a bare PTY read by this process, and with a plain `websockets` server (no PTY,
no log) read by the same client. Ctrl-C is typed into an endless flood while the client shows 20 MB/s, about
what xterm.js can; the time is until the prompt is there. For the echo a key is typed every 5 ms.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import pty
import select
import shutil
import socket
import struct
import subprocess
import sys
import time
import tty
from collections.abc import Callable
from typing import Any

from lab import Daemon, Row, arguments, median, p99, report

BARE = [sys.executable, "-I", "-S", "-c"]
ECHO = [*BARE, "import os, tty; tty.setraw(0); os.write(1, b'!')\nwhile True: os.write(1, os.read(0, 100))"]
FLOOD_CODE = """
import os, sys, tty
tty.setraw(0)
os.write(1, b"!")
os.read(0, 1)
block, left = b"x" * 65535 + b"\\n", int(sys.argv[1])
while left > 0: left -= os.write(1, block[:left])
os.read(0, 1)
"""
PROMPT = b"ready-now> "
SHELL = ["/bin/bash", "--norc", "--noprofile", "-i"]
ACK = 65536
SHOWN_PER_S = 20e6  # bytes a terminal in a browser can show
FRAME = 64 * 1024
KEY_S = 0.005  # between two keys


class Socket:
    """A WebSocket client of the least kind: binary frames in, masked frames out."""

    def __init__(self, port: int, path: str, token: str = "") -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        head += f"Authorization: Bearer {token}\r\n\r\n" if token else "\r\n"
        self.sock.sendall(head.encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.sock.recv(4096)
        head_, _, rest = answer.partition(b"\r\n\r\n")
        if b" 101 " not in head_.partition(b"\r\n")[0]:
            raise ConnectionError(head_.decode(errors="replace"))
        self.rest = bytearray(rest)

    def send(self, data: bytes, kind: int = 2) -> None:
        """Send a short frame (2 binary, 1 text)."""
        assert len(data) < 126
        self.sock.sendall(bytes((0x80 | kind, 0x80 | len(data))) + b"\0\0\0\0" + data)

    def ack(self, count: int) -> None:
        """Say that so much was shown."""
        self.send(json.dumps({"t": "a", "n": count}).encode(), 1)

    def take(self, timeout: float = 30) -> tuple[int, bytes]:
        """Return the next frame: its kind and what it holds."""
        while True:
            if (found := self._frame()) is not None:
                return found
            if not select.select([self.sock], [], [], timeout)[0]:
                raise TimeoutError("nothing came over the WebSocket")
            data = self.sock.recv(1 << 18)
            if not data:
                raise EOFError
            self.rest += data

    def output(self) -> bytes:
        """Return the next binary frame."""
        while True:
            kind, data = self.take()
            if kind == 2:
                return data
            if kind == 8:
                raise EOFError

    def _frame(self) -> tuple[int, bytes] | None:
        rest = self.rest
        if len(rest) < 2:
            return None
        size, at = rest[1] & 127, 2
        if size >= 126:
            wide = "!H" if size == 126 else "!Q"
            if len(rest) < at + struct.calcsize(wide):
                return None
            (size,) = struct.unpack_from(wide, rest, at)
            at += struct.calcsize(wide)
        if len(rest) < at + size:
            return None
        kind, data = rest[0] & 15, bytes(rest[at : at + size])
        del rest[: at + size]
        return kind, data

    def close(self) -> None:
        """Leave as one should."""
        with contextlib.suppress(OSError):
            self.send(struct.pack("!H", 1000), 8)
            self.sock.settimeout(1)
            while self.sock.recv(1 << 18):
                pass
        self.sock.close()


class Ours:
    """A `command` agent, attached to as the console does."""

    def __init__(self, daemon: Daemon, argv: list[str], env: dict[str, str] | None = None) -> None:
        self.daemon = daemon
        self.pid = daemon.call("process.spawn", runtime="command", argv=argv, env=env or {})["pid"]
        ticket = daemon.call("terminal.attach", terminal=str(self.pid))
        assert ticket["writable"], ticket
        self.socket = Socket(daemon.port, ticket["url"])
        self.unacked = 0

    def read(self) -> bytes:
        """Return the next output; acknowledge now and then."""
        data = self.socket.output()
        self.unacked += len(data)
        if self.unacked >= ACK:
            self.socket.ack(self.unacked)
            self.unacked = 0
        return data

    def write(self, data: bytes) -> None:
        """Type."""
        self.socket.send(data)

    def close(self) -> None:
        """Leave, and end it."""
        self.socket.close()
        self.daemon.kill_agent(self.pid)


class Terminal:
    """A program on a terminal of ours: the floor."""

    def __init__(self, argv: list[str], env: dict[str, str] | None = None) -> None:
        self.master, slave = pty.openpty()
        if env is None:
            tty.setraw(slave)
        self.child = subprocess.Popen(
            argv,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={"PATH": os.defpath, **(env or {})},
            start_new_session=True,
        )
        os.close(slave)

    def read(self) -> bytes:
        """Return the next output."""
        return os.read(self.master, 65536)

    def write(self, data: bytes) -> None:
        """Type."""
        os.write(self.master, data)

    def close(self) -> None:
        """End it."""
        self.child.kill()
        self.child.wait()
        os.close(self.master)


class Plain(Ours):
    """The plain WebSocket server."""

    def __init__(self, port: int, path: str) -> None:
        self.socket, self.unacked = Socket(port, path), 0

    def read(self) -> bytes:
        """Return the next output."""
        return self.socket.output()

    def close(self) -> None:
        """Leave."""
        self.socket.close()


async def serve() -> None:
    """Run the plain server: /echo gives back, /N sends N bytes when asked."""
    from websockets.asyncio.server import ServerConnection
    from websockets.asyncio.server import serve as listen

    async def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        wish = connection.request.path[1:]
        await connection.send(b"!")
        if wish == "echo":
            async for message in connection:
                await connection.send(message)
            return
        await connection.recv()
        block, left = b"x" * FRAME, int(wish)
        while left > 0:
            await connection.send(block[:left])
            left -= FRAME
        await connection.wait_closed()

    async with listen(handle, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


def begin(way: Any) -> None:
    """Wait for the program's sign; what comes before it resets the terminal."""
    seen = b""
    while not seen.endswith(b"!"):
        seen += way.read()


def echoes(way: Any, count: int) -> tuple[float, float]:
    """Return p50 and p99 in milliseconds from a key to its echo."""
    begin(way)
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        way.write(b"k")
        way.read()
        times.append((time.perf_counter() - begun) * 1000)
        time.sleep(KEY_S)  # noqa: TID251 - a person's pace, and more
    way.close()
    return median(times), p99(times)


def flood(way: Any, size: int) -> float:
    """Return MB/s of a flood."""
    begin(way)
    way.write(b"g")
    begun, came = time.perf_counter(), 0
    while came < size:
        came += len(way.read())
    rate = came / 1e6 / (time.perf_counter() - begun)
    way.close()
    return rate


def interrupt(open: Callable[[], Any]) -> float:
    """Return the milliseconds from Ctrl-C, typed into a flood shown at a browser's pace, to the prompt."""
    way = open()
    seen = b""
    while PROMPT not in seen:
        seen += way.read()
    way.write(b"yes 0123456789012345678901234567890123456789\n")
    began, shown = time.perf_counter(), 0
    typed = 0.0
    seen = b""
    while True:
        data = way.read()
        shown += len(data)
        ahead = shown / SHOWN_PER_S - (time.perf_counter() - began)
        if ahead > 0.001:
            time.sleep(ahead)  # noqa: TID251 - a browser takes its time
        seen = seen[-64:] + data
        if not typed and time.perf_counter() - began > 1:
            way.write(b"\x03")
            typed = time.perf_counter()
            seen = b""
        if typed and PROMPT in seen:
            took = (time.perf_counter() - typed) * 1000
            way.close()
            return took


def main() -> None:
    """Print the table."""
    parser, read = arguments(__doc__, 5, 2)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--echoes", type=int, default=500)
    parser.add_argument("--serve", action="store_true", help="be the plain server")
    options = read()
    if options.serve:
        asyncio.run(serve())
        return
    size = options.megabytes * 1_000_000
    program = [*BARE, FLOOD_CODE, str(size)]
    prompt = {"PS1": PROMPT.decode(), "TERM": "dumb"}
    found: dict[str, list[float]] = {}

    def keep(name: str, value: float) -> None:
        found.setdefault(name, []).append(value)

    server = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        with Daemon("max_running = 200\n") as daemon:
            for number in range(options.rounds):
                keep("flood", flood(Ours(daemon, program), size))
                keep("flood pty", flood(Terminal(program), size))
                keep("flood ws", flood(Plain(port, f"/{size}"), size))
                for name, open in (
                    ("echo", lambda: Ours(daemon, ECHO)),
                    ("echo pty", lambda: Terminal(ECHO)),
                    ("echo ws", lambda: Plain(port, "/echo")),
                ):
                    middle, tail = echoes(open(), options.echoes)
                    keep(name, middle)
                    keep(f"{name} p99", tail)
                if number < 3:
                    keep("ctrl-c", interrupt(lambda: Ours(daemon, SHELL, prompt)))
                    keep("ctrl-c pty", interrupt(lambda: Terminal(SHELL, prompt)))
    finally:
        server.kill()
        server.communicate()

    def one(name: str) -> float:
        return median(found[name])

    rows = [
        Row(
            f"{options.megabytes} MB to the client",
            one("flood"),
            "MB/s",
            one("flood pty"),
            "bare PTY",
            30,
            at_least=True,
        ),
        Row(
            f"{options.megabytes} MB, against a plain server", one("flood"), "MB/s", one("flood ws"), "plain WebSocket"
        ),
        Row("echo p50", one("echo"), "ms", one("echo pty"), "bare PTY", 1.5),
        Row("echo p50, against a plain server", one("echo"), "ms", one("echo ws"), "plain WebSocket"),
        Row("echo p99", one("echo p99"), "ms", one("echo pty p99"), "bare PTY"),
        Row("Ctrl-C in a flood to the prompt, p50", one("ctrl-c"), "ms", one("ctrl-c pty"), "bare PTY", 300),
    ]
    ttyd = "ttyd: Debian 12 has no package of it, so it was not in this run"
    if shutil.which("ttyd"):
        ttyd = "ttyd is installed here, but this benchmark does not drive it"
    quoted = "quoted, measured apart (built from source): 67 to 87 MB/s, echo 0.34 to 0.48 ms"
    report("A terminal over the WebSocket", rows, options, f"{ttyd}; {quoted}", packages=("uvicorn", "websockets"))


if __name__ == "__main__":
    main()
