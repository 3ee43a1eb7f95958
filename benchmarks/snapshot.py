"""Measure snapshots: a home of 1 GB, again with 1 % of it changed, and brought back; beside tar.gz.

    python benchmarks/snapshot.py [--rounds 3] [--quick]

The home holds 1,000 files of 1 MB, half of it source-like text and half random. Its agent runs, and stands still while
what has changed is read. All are whole calls over HTTP.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

from lab import Daemon, Row, arguments, median, report

FILES, SIZE, CHANGED = 1_000, 1_000_000, 10


def content(number: int) -> bytes:
    """Return a file: random, or lines of something like source code."""
    if number % 2:
        return os.urandom(SIZE)
    seeded = random.Random(number)
    lines = (f"    value_{seeded.randrange(999)} = compute({seeded.randrange(10**6)}, 'name')\n" for _ in range(30_000))
    return "".join(lines).encode()[:SIZE]


def put(work: Path, number: int) -> None:
    """Write a file as its agent would."""
    owner = work.stat()
    path = work / f"d{number % 20}" / f"{number}"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content(number) if number >= 0 else b"")
    os.chown(path.parent, owner.st_uid, owner.st_gid)
    os.chown(path, owner.st_uid, owner.st_gid)


def main() -> None:
    """Print the table."""
    _, read = arguments(__doc__, 3, 1)
    options = read()
    firsts, seconds, frozen, tars, restores = [], [], [], [], []
    with Daemon() as daemon:
        for _ in range(options.rounds):
            process = daemon.call("process.spawn", runtime="command", argv=["sleep", "100000"])
            agent = process["agent"]
            work = daemon.home / "agents" / agent / "home" / "work"
            for number in range(FILES):
                put(work, number)
            os.sync()
            begun = time.perf_counter()
            daemon.call("snapshot.create", agent=agent)
            firsts.append(time.perf_counter() - begun)
            for number in range(CHANGED):
                put(work, number * 101 % FILES)
                with open(work / f"d{number * 101 % FILES % 20}" / f"{number * 101 % FILES}", "ab") as file:
                    file.write(os.urandom(1000))
            begun = time.perf_counter()
            made = daemon.call("snapshot.create", agent=agent)
            seconds.append(time.perf_counter() - begun)
            frozen.append(made["frozen_ms"])
            begun = time.perf_counter()
            target = daemon.home / "peer.tar.gz"
            subprocess.run(["tar", "-C", work.parent, "-czf", target, "."], check=True)
            tars.append(time.perf_counter() - begun)
            target.unlink()
            daemon.call("process.kill", pid=process["pid"])
            subprocess.run(["rm", "-rf", *work.iterdir()], check=True)
            begun = time.perf_counter()
            done = daemon.call("snapshot.restore", snapshot=made["id"])
            restores.append(time.perf_counter() - begun)
            assert sum(path.is_file() for path in work.rglob("*")) == FILES
            daemon.call("process.kill", pid=done["pid"])
    second = median(seconds)
    rows = [
        Row("snapshot of a 1 GB home, the first", median(firsts), "s", median(tars), "tar.gz"),
        Row("  the second, 1 % of it changed", second, "s", median(tars), "tar.gz", target=2),
        Row("  the second: times faster than tar.gz", median(tars) / second, "x", target=5, at_least=True),
        Row("  the agent stood still for", median(frozen), "ms"),
        Row("restore of 1 GB: files back and a new process running", median(restores), "s", target=4),
    ]
    report("Snapshots", rows, options, packages=("zstandard",))


if __name__ == "__main__":
    main()
