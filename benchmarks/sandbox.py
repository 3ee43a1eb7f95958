"""Measure what a bubblewrap sandbox costs: its making, the way in, and bytes through its keeper.

    python benchmarks/sandbox.py [--rounds 40] [--quick]

Start: until the first byte of a shell is read, in a sandbox that is made for it (namespaces, door, filter of system
calls, control group; then the entry), in one that stands, under our shim alone, and by plain fork and exec, in turn.
Bytes: 256 MiB from TCP to a unix socket through the keeper's own code, against socat with 64 KiB blocks.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import anyio
from lab import Row, arguments, median, report, until

from aetherd.core.config import Settings
from aetherd.kernel.sandbox.bwrap import Bwrap
from aetherd.kernel.sandbox.keepers import Keepers
from aetherd.kernel.sandbox.plan import OWN, Inside, Plan
from aetherd.shim.client import Output, SpawnRequest, Zygote, open_shim
from aetherd.shim.loop import Loop
from aetherd.shim.pipes import Ports
from aetherd.shim.tree import Trees

ECHO = ("/bin/sh", "-c", "echo hello; read line")
BYTES = 256 << 20


class Bench:
    """One home, one agent, as many sandboxes as it takes."""

    def __init__(self, home: Path, zygote: Zygote) -> None:
        self.home, self.zygote = home, zygote
        self.uid = 20001 if os.geteuid() == 0 else None
        self.tier = Bwrap(Settings(home=home), Keepers(Settings(home=home)))
        self.trees = Trees("aetherd-benchmark")
        self.number = 0

    def plan(self) -> Plan:
        """Make the places of an agent and return its plan."""
        self.number += 1
        agent, door = self.home / "agents" / "a", self.home / "run" / "p" / str(self.number)
        for place in (agent / "home", agent / "runtime", door, door / OWN):
            place.mkdir(parents=True, exist_ok=True)
            if self.uid is not None:
                os.chown(place, self.uid, self.uid)
        return Plan(self.number, "a", self.uid, agent / "home", agent / "runtime", agent / "home", door)

    async def echo(self, inside: Inside | None) -> None:
        """Run it under a shim and read what it says."""
        self.number += 1
        directory = self.home / "shim" / f"e{self.number}"
        directory.mkdir()
        await self.zygote.spawn(
            SpawnRequest(
                directory=str(directory), argv=ECHO, env={}, cwd="/", uid=self.uid, gid=self.uid,
                cgroups=self.trees.make("bench"),
                enter=None if inside is None else inside.enter,
                seccomp=None if inside is None else inside.seccomp,
            )
        )  # fmt: skip
        shim = await open_shim(directory)
        await shim.attach(0)
        while not isinstance(await shim.read(), Output):
            pass
        await shim.close_stdin(1)
        await shim.aclose()


async def starts(rounds: int) -> dict[str, list[float]]:
    """Return milliseconds by kind of start."""
    found: dict[str, list[float]] = {"plain": [], "shim": [], "made": [], "entered": []}
    home = Path(tempfile.mkdtemp(prefix="aether-bench-"))
    for name, mode in (("", 0o711), ("agents", 0o711), ("run", 0o711), ("run/p", 0o711), ("shim", 0o700)):
        (home / name).mkdir(exist_ok=True)
        (home / name).chmod(mode)
    zygote = await Zygote.start(home / "run", name="bench")
    bench = Bench(home, zygote)
    try:
        for number in range(rounds + 2):
            plan = bench.plan()
            times = [time.perf_counter()]
            with subprocess.Popen(ECHO, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
                assert child.stdout is not None
                child.stdout.read(1)
                times.append(time.perf_counter())
                child.kill()
            await anyio.sleep(0.01)
            times.append(time.perf_counter())
            await bench.echo(None)
            times.append(time.perf_counter())
            inside = await bench.tier.hold(plan)
            await bench.echo(inside)
            times.append(time.perf_counter())
            await bench.echo(inside)
            times.append(time.perf_counter())
            await bench.tier.drop(plan.pid)
            if number >= 2:  # the first ones warm up
                for name, first in (("plain", 0), ("shim", 2), ("made", 3), ("entered", 4)):
                    found[name].append((times[first + 1] - times[first]) * 1000)
    finally:
        bench.trees.kill("bench", "nobody")
        bench.trees.remove("bench")
        await bench.tier._keepers.aclose()
        if zygote.os_pid is not None:
            os.kill(zygote.os_pid, signal.SIGTERM)
        await zygote.aclose()
        shutil.rmtree(home, ignore_errors=True)
    return found


def p90(values: list[float]) -> float:
    """Return the value that nine of ten do not pass."""
    return statistics.quantiles(values, n=10)[-1]


def sink(listener: socket.socket) -> None:
    """Count what comes and answer how much it was."""
    buffer = bytearray(1 << 20)
    while True:
        connection, _ = listener.accept()
        count = 0
        while size := connection.recv_into(buffer):
            count += size
        connection.sendall(b"%d" % count)
        connection.close()


def flow(port: int) -> float:
    """Return MB/s through a port."""
    block = b"x" * (256 << 10)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        begun = time.perf_counter()
        for _ in range(BYTES // len(block)):
            connection.sendall(block)
        connection.shutdown(socket.SHUT_WR)
        assert int(connection.recv(100)) == BYTES
        return BYTES / (time.perf_counter() - begun) / 1e6


def free_port() -> int:
    """Return a port that nobody has now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def flows(rounds: int) -> tuple[list[float], list[float]]:
    """Return MB/s of ours and of socat, in turn."""
    with tempfile.TemporaryDirectory() as place:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{place}/h")
        listener.listen()
        own, other = free_port(), free_port()
        keeper = os.fork()
        if keeper == 0:
            loop = Loop()
            ports = Ports(loop, os.open(place, os.O_PATH))
            ports.listen(own, "h")
            while True:
                loop.turn(ports.timeout())
                ports.tick()
        threading.Thread(target=sink, args=(listener,), daemon=True).start()
        socat = subprocess.Popen(
            ["socat", "-b", "65536", f"TCP-LISTEN:{other},bind=127.0.0.1,fork", f"UNIX-CONNECT:{place}/h"]
        )
        try:
            for port in (own, other):
                until(lambda port=port: _answers(port), 5, f"port {port}")
            pairs = [(flow(own), flow(other)) for _ in range(rounds)]
        finally:
            os.kill(keeper, signal.SIGKILL)
            os.waitpid(keeper, 0)
            socat.kill()
            socat.wait()
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _answers(port: int) -> bool:
    with socket.socket() as sock:
        if sock.connect_ex(("127.0.0.1", port)):
            return False
        sock.shutdown(socket.SHUT_WR)
        return bool(select.select([sock], [], [], 2)[0])


def main() -> None:
    """Print the table."""
    _, read = arguments(__doc__, 40, 10)
    options = read()
    own, other = flows(max(3, options.rounds // 10))
    found = anyio.run(starts, options.rounds)
    plain, plain_90 = median(found["plain"]), p90(found["plain"])
    rows = [
        Row("bwrap: made and entered, over plain fork and exec, p50", median(found["made"]) - plain, "ms", target=20),
        Row("bwrap: made and entered, over plain fork and exec, p90", p90(found["made"]) - plain_90, "ms", target=30),
        Row("bwrap: made and entered, p50", median(found["made"]), "ms", plain, "plain fork and exec"),
        Row(
            "bwrap: entered while it stands, p50",
            median(found["entered"]),
            "ms",
            median(found["shim"]),
            "our shim alone",
        ),
        Row(
            "keeper: TCP to unix socket",
            median(own),
            "MB/s",
            median(other),
            "socat",
            0.6 * median(other),
            at_least=True,
        ),
    ]
    report("A sandbox of bubblewrap", rows, options, "Until the first byte of a shell is read; ours through the shim.")


if __name__ == "__main__":
    sys.exit(main())
