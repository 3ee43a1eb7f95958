"""Measure the shims: spawn, memory, echo and throughput, each against the bare thing in the same run.

Run it with the interpreter of the project: `python benchmarks/shim.py`. Ratios come first: the absolute
figures depend on the machine and on who else uses it.
"""

import asyncio
import contextlib
import os
import pty
import statistics
import subprocess
import sys
import tempfile
import time
import tty
from pathlib import Path

from aetherd.shim.client import Exit, Output, Remains, Shim, SpawnRequest, Zygote, open_shim

SPAWNS = 40
SHIMS = 20
ECHOES = 500
BYTES = 100_000_000
ENV = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
BARE = [sys.executable, "-I", "-S", "-c"]
ECHO = [*BARE, "import os, tty; tty.setraw(0); os.write(1, b'!')\nwhile True: os.write(1, os.read(0, 100))"]
FLOOD_CODE = f"""
import os, sys, tty
if os.isatty(1): tty.setraw(1)
block, left = b"x" * 65535 + b"\\n", {BYTES}
while left > 0: left -= os.write(1, block[:left])
"""
FLOOD = [*BARE, FLOOD_CODE]


class Bench:
    """Start processes under one zygote in a directory that goes away."""

    def __init__(self, root: Path, zygote: Zygote) -> None:
        self.root = root
        self.zygote = zygote
        self.count = 0
        self.pids: list[int] = []

    async def spawn(self, argv: list[str], **options: object) -> tuple[Path, int]:
        """Start a process; return its directory and its shim's pid."""
        self.count += 1
        place = self.root / str(self.count)
        place.mkdir(mode=0o700)
        spawned = await self.zygote.spawn(SpawnRequest(str(place), argv, ENV, "/", **options))  # type: ignore[arg-type]
        self.pids.append(spawned.os_pid)
        return place, spawned.shim_pid

    def kill(self) -> None:
        """Kill what was started."""
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        self.pids.clear()


async def next_output(shim: Shim | Remains) -> bytes:
    """Return the next output."""
    while not isinstance(item := await shim.read(), Output):
        pass
    return item.data


async def spawn_time(bench: Bench) -> tuple[float, float]:
    """Return p50 seconds of a spawn through the zygote, and of a bare subprocess."""
    ours, bare = [], []
    for _ in range(SPAWNS):
        start = time.perf_counter()
        await bench.spawn(["/bin/sleep", "100"], stdio="pty")
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        child = subprocess.Popen(["/bin/sleep", "100"], env=ENV)
        bare.append(time.perf_counter() - start)
        child.kill()
        child.wait()
    bench.kill()
    return statistics.median(ours), statistics.median(bare)


def memory_of(pid: int) -> dict[str, int]:
    """Return the kB figures of smaps_rollup."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) for line in lines}


async def memory(bench: Bench) -> tuple[float, float]:
    """Return the mean PSS of a shim and of the zygote in MB, with all shims in use."""
    found = []
    for number in range(SHIMS):
        place, pid = await bench.spawn(["/bin/cat"], stdio="pty" if number % 2 else "pipes")
        shim = await open_shim(place)
        await shim.attach(0)
        await shim.send(1, b"hello\n")
        await next_output(shim)
        await shim.aclose()
        found.append(pid)
    shims = [memory_of(pid)["Pss"] / 1024 for pid in found]
    assert bench.zygote.os_pid is not None
    zygote = memory_of(bench.zygote.os_pid)["Pss"] / 1024
    bench.kill()
    return statistics.mean(shims), zygote


async def echo_time(bench: Bench) -> tuple[float, float]:
    """Return p50 seconds from key to echo: through shim and client, and of the bare terminal."""
    place, _ = await bench.spawn(ECHO, stdio="pty")
    shim = await open_shim(place)
    await shim.attach(0)
    await next_output(shim)
    master, child = bare_terminal(ECHO)
    os.read(master, 10)
    ours, bare = [], []
    for number in range(1, ECHOES + 1):
        start = time.perf_counter()
        await shim.send(number, b"k")
        await next_output(shim)
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        os.write(master, b"k")
        os.read(master, 10)
        bare.append(time.perf_counter() - start)
    await shim.aclose()
    child.kill()
    child.wait()
    os.close(master)
    bench.kill()
    return statistics.median(ours), statistics.median(bare)


async def throughput(bench: Bench) -> tuple[float, float, float]:
    """Return MB/s of terminal -> shim -> client, of pipes -> shim -> client, and of the bare terminal."""
    rates = []
    for stdio in ("pty", "pipes"):
        place, _ = await bench.spawn(FLOOD, stdio=stdio)
        shim = await open_shim(place)
        start, size = time.perf_counter(), 0
        await shim.attach(0)
        while not isinstance(item := await shim.read(), Exit):
            if isinstance(item, Output):
                size = item.offset + len(item.data)
                await shim.ack(size)
        rates.append(size / 1e6 / (time.perf_counter() - start))
        assert size == BYTES
        await shim.aclose()
    master, child = bare_terminal(FLOOD)
    start, size = time.perf_counter(), 0
    try:
        while data := os.read(master, 65536):
            size += len(data)
    except OSError:  # EIO: the end of a terminal
        pass
    bare = size / 1e6 / (time.perf_counter() - start)
    assert size == BYTES
    child.wait()
    os.close(master)
    return rates[0], rates[1], bare


def bare_terminal(argv: list[str]) -> tuple[int, "subprocess.Popen[bytes]"]:
    """Start a process on a terminal of ours; return the terminal's master and the process."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    child = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=ENV, start_new_session=True)
    os.close(slave)
    return master, child


async def main() -> None:
    """Print one row for each measure."""
    with tempfile.TemporaryDirectory(prefix="shim-bench-") as name:
        root = Path(name)
        zygote = await Zygote.start(root, name="bench", lease=0.1)
        bench = Bench(root, zygote)
        spawn, bare_spawn = await spawn_time(bench)
        shim, mother = await memory(bench)
        echo, bare_echo = await echo_time(bench)
        flood, pipes, bare_flood = await throughput(bench)
        await zygote.aclose()
        rows = [
            (
                "spawn p50",
                f"{spawn / bare_spawn:.1f} x",
                f"{spawn * 1e3:.1f} ms",
                f"{bare_spawn * 1e3:.1f} ms",
            ),
            ("echo p50", f"{echo / bare_echo:.1f} x", f"{echo * 1e3:.3f} ms", f"{bare_echo * 1e3:.3f} ms"),
            ("terminal 100 MB", f"{flood / bare_flood:.2f} x", f"{flood:.0f} MB/s", f"{bare_flood:.0f} MB/s"),
            ("pipes 100 MB", "", f"{pipes:.0f} MB/s", ""),
            (f"PSS of {SHIMS} shims", "", f"{shim:.2f} MB each", f"zygote {mother:.2f} MB"),
        ]
        print(f"load {os.getloadavg()[0]:.1f}\n{'':18}{'ratio':>10}{'shim':>16}{'bare':>16}")
        for what, ratio, ours, bare in rows:
            print(f"{what:18}{ratio:>10}{ours:>16}{bare:>16}")
        bench.kill()


if __name__ == "__main__":
    asyncio.run(main())
