"""Measure what the way out of a sandbox costs: time it adds to a request, and bytes through a tunnel.

    python benchmarks/proxy.py [--rounds 300] [--quick]

A real daemon and a process in bubblewrap whose policy names one service on loopback. A request is a connection, one
line of HTTP and its answer: straight to the service, through the process's proxy at its socket `x`, and from inside
the sandbox through its keeper, each in plain HTTP and in a tunnel. Bytes: 256 MiB into a tunnel from outside and from
inside, and through socat that relays the same from a unix socket.
"""

from __future__ import annotations

import inspect
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from lab import Daemon, Row, arguments, median, report, until

BYTES = 256 << 20


def visit(given: dict[str, Any]) -> dict[str, Any]:
    """Visit the service as is asked; returns milliseconds and MB/s. Needs nothing of ours: it also runs inside."""
    import socket
    import time

    def connected(tunnel: bool) -> Any:
        family = socket.AF_UNIX if isinstance(given["place"], str) else socket.AF_INET
        sock = socket.socket(family)
        sock.connect(given["place"] if isinstance(given["place"], str) else tuple(given["place"]))
        if tunnel:
            sock.sendall(b"CONNECT %b HTTP/1.1\r\nHost: x\r\n\r\n" % given["service"].encode())
            while not answer(sock).endswith(b"\r\n\r\n"):
                pass
        return sock

    def answer(sock: Any) -> bytes:
        said = sock.recv(65536)
        assert b" 200 " in said, said
        return bytes(said)

    def request(way: str) -> float:
        begun = time.perf_counter()
        sock = connected(way == "tunnel")
        where = b"http://%b/" % given["service"].encode() if way == "plain" else b"/"
        sock.sendall(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % where)
        said = answer(sock)
        while not said.endswith(b"hello"):
            said += sock.recv(65536)
        took = (time.perf_counter() - begun) * 1000
        sock.close()
        return took

    def flow(tunnel: bool) -> float:
        block = b"x" * (256 << 10)
        sock = connected(tunnel)
        begun = time.perf_counter()
        for _ in range(given["bytes"] // len(block)):
            sock.sendall(block)
        sock.shutdown(socket.SHUT_WR)
        assert int(sock.recv(100)) == given["bytes"]
        return float(given["bytes"] / (time.perf_counter() - begun) / 1e6)

    found: dict[str, Any] = {way: [request(way) for _ in range(given["rounds"])] for way in given["ways"]}
    found["flow"] = [flow(given["tunnel"]) for _ in range(given["flows"])]
    return found


def serve(listener: socket.socket) -> None:
    """Answer GET with a word; of all else count the bytes and say how many."""

    def one(sock: socket.socket) -> None:
        buffer, count = bytearray(1 << 20), 0
        with sock:
            while size := sock.recv_into(buffer):
                if not count and buffer[:3] == b"GET":
                    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
                    return
                count += size
            sock.sendall(b"%d" % count)

    while True:
        threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()


def inside(daemon: Daemon, pid: int, given: dict[str, Any]) -> dict[str, Any]:
    """Visit from inside the sandbox."""
    text = f"from typing import Any\nimport json\n{inspect.getsource(visit)}"
    text += f"print(json.dumps(visit(json.loads({json.dumps(given)!r}))))"
    text = f"from __future__ import annotations\n{text}"
    done = daemon.call(
        "sandbox.exec", pid=pid, argv=["/usr/bin/python3", "-I", "-c", text], timeout_s=120, limit=200_000
    )
    if done["code"] != 0:
        raise RuntimeError(done["stderr"][-500:])
    found: dict[str, Any] = json.loads(done["stdout"])
    return found


def measured(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return what was found straight, at the socket, from inside and through socat, in turn."""
    found: dict[str, dict[str, list[float]]] = {}
    with (
        socket.create_server(("127.0.0.1", 0), backlog=128) as listener,
        Daemon() as daemon,
        tempfile.TemporaryDirectory() as place,
    ):
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        service = f"127.0.0.1:{listener.getsockname()[1]}"
        pid = daemon.call(
            "process.spawn", runtime="command", argv=["sleep", "1000"], sandbox={"tier": "bwrap", "network": service}
        )["pid"]
        until(lambda: daemon.call("process.get", pid=pid)["state"] == "running", 20, "its start")
        socat = subprocess.Popen(
            ["socat", "-b", "65536", f"UNIX-LISTEN:{place}/s,fork", f"TCP:{service}"], stderr=subprocess.DEVNULL
        )
        base = {"service": service, "bytes": BYTES, "tunnel": True, "ways": ["plain", "tunnel"]}
        kinds = {
            "straight": {"place": list(listener.getsockname()), "ways": ["bare"], "tunnel": False},
            "socket": {"place": str(daemon.home / "run" / "p" / str(pid) / "x")},
            "inside": {"place": ["127.0.0.1", 3002]},
            "socat": {"place": f"{place}/s", "ways": ["bare"], "tunnel": False},
        }
        try:
            until(lambda: (Path(place) / "s").exists(), 5, "socat")
            for turn in range(3):
                for kind, more in kinds.items():
                    given = base | more | {"rounds": max(rounds // 3, 10), "flows": 1}
                    got = inside(daemon, pid, given) if kind == "inside" else visit(given)
                    if turn or rounds < 30:  # the first warms up
                        for way, values in got.items():
                            found.setdefault(kind, {}).setdefault(way, []).extend(values)
        finally:
            socat.kill()
            socat.wait()
    return found


def main() -> None:
    """Print the table."""
    _, read = arguments(__doc__, 300, 90)
    options = read()
    if not all(map(shutil.which, ("bwrap", "socat"))):
        raise SystemExit("needs bubblewrap and socat")
    found = measured(options.rounds)
    bare, relayed = median(found["straight"]["bare"]), median(found["socat"]["flow"])
    rows = []
    for kind, name in (("socket", "at the socket x"), ("inside", "from inside, through the keeper")):
        rows += [
            Row(f"proxy {name}: added to a {way} request, p50", median(found[kind][way]) - bare, "ms", target=2)
            for way in ("plain", "tunnel")
        ]
        speed = median(found[kind]["flow"])
        rows.append(
            Row(f"proxy {name}: bytes in a tunnel", speed, "MB/s", relayed, "socat", 0.6 * relayed, at_least=True)
        )
    rows.append(Row("a request straight to the service, p50", bare, "ms"))
    report("The way out of a sandbox", rows, options, "Each request on a connection of its own.")


if __name__ == "__main__":
    sys.exit(main())
