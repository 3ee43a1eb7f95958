"""Measure the daemon alone: exec to ready on a cold and on a used home, and its memory when idle.

    python benchmarks/daemon.py [--rounds 7] [--quick]

Compared with a bare interpreter that imports the same stack (MCP SDK, starlette, uvicorn, SQLModel) and does
nothing. Rounds are interleaved, medians shown.
"""

from __future__ import annotations

import subprocess
import sys
import time

from lab import AETHERD, Daemon, Row, arguments, cpu, median, memory, report, rest

STACK = "import mcp.server, starlette.applications, starlette.routing, uvicorn, sqlmodel, anyio, pydantic_settings"
HOLD = f"{STACK}\nimport sys\nprint('up', flush=True)\nsys.stdin.read()"
SETTLE_S = 1.5
PARTS = (
    ("settings and models (pydantic)", "import pydantic_settings"),
    ("database (SQLModel)", "import sqlmodel"),
    ("MCP SDK", "import mcp.server"),
    ("HTTP (starlette, uvicorn)", "import starlette.applications, uvicorn"),
    ("rooms and all below", "import aetherd.daemon.app"),
)


def bare() -> tuple[float, float, float, float]:
    """Return the seconds a bare interpreter takes to import the stack, its CPU seconds, RSS and PSS."""
    begun = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    took = time.perf_counter() - begun
    found = took, cpu(child.pid), memory(child.pid, "Rss"), memory(child.pid)
    child.communicate(b"")
    return found


def imports(code: str) -> float:
    """Return the milliseconds an interpreter spends on this beyond its own start."""
    times = []
    for line in ("pass", code):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", line], check=True)
        times.append((time.perf_counter() - begun) * 1000)
    return times[1] - times[0]


def main() -> None:
    """Print the table."""
    _, read = arguments(__doc__, 7, 3)
    options = read()
    found: dict[str, list[float]] = {}

    def keep(**values: float) -> None:
        for name, value in values.items():
            found.setdefault(name, []).append(value)

    subprocess.run([str(AETHERD), "--version"], check=True, capture_output=True)  # files into the page cache
    for _ in range(options.rounds):
        took, computed, rss, pss = bare()
        keep(bare=took, bare_cpu=computed, bare_rss=rss, bare_pss=pss)
        daemon = Daemon()
        try:
            keep(cold=daemon.start())
            assert daemon.process is not None
            daemon.process.terminate()
            begun = time.perf_counter()
            daemon.process.wait(20)
            keep(stop=time.perf_counter() - begun)
            keep(warm=daemon.start())
            keep(cpu=cpu(daemon.os_pid))
            daemon.call("system.status")
            rest(SETTLE_S)
            keep(rss=memory(daemon.os_pid, "Rss"), pss=memory(daemon.os_pid))
        finally:
            daemon.__exit__()
    for name, code in PARTS:
        keep(**{name: imports(code)})
        keep(**{name: imports(code)})

    def one(name: str) -> float:
        return median(found[name])

    peers = (
        "quoted, measured apart on a like machine: omnigent 4.9 s and 340 MiB PSS in 3 processes, CAO 1.1 s and 110 MiB"
    )
    rows = [
        Row("start to ready, used home", one("warm"), "s", one("bare"), "imports alone", 2.5),
        Row("start to ready, CPU time", one("cpu"), "s", one("bare_cpu"), "imports alone"),
        Row("start to ready, cold home (migrations)", one("cold"), "s", one("bare"), "imports alone", 2.5),
        Row("idle RSS", one("rss"), "MB", one("bare_rss"), "imports alone", 160),
        Row("idle PSS", one("pss"), "MB", one("bare_pss"), "imports alone"),
        Row("SIGTERM to gone", one("stop"), "s"),
    ]
    hint = "import time beyond a bare interpreter, each alone: " + ", ".join(
        f"{name} {one(name):.0f} ms" for name, _ in PARTS
    )
    report(
        "The daemon alone", rows, options, hint, peers, packages=("mcp", "starlette", "uvicorn", "sqlmodel", "pydantic")
    )


if __name__ == "__main__":
    main()
