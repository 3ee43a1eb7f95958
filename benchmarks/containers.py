"""Measure a spawn into tier docker against `docker run` with the same flags and the same warm image, in turn.

    python benchmarks/containers.py [--rounds 15] [--quick]

Both on a Docker engine of their own (tests/docker_engine.py), whose image base is built once and kept. Ours: the
call process.spawn until it answers that the command runs, with keeper, door and limits. The other: `docker run -d`
until it answers; it starts one process where ours starts two.
"""

from __future__ import annotations

import sys
import time

import pytest
from lab import ROOT, Daemon, Row, arguments, median, p99, report

sys.path.append(str(ROOT))

from tests.docker_engine import DockerEngine, running_engine

COMMAND = ["/bin/sleep", "600"]
FLAGS = [
    *("--init", "--network", "none", "--user", "20001:20001", "--hostname", "agent", "--read-only"),
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    *("--tmpfs", "/tmp:exec,nosuid,nodev,size=512m,mode=1777", "--tmpfs", "/run:nosuid,nodev,size=1m,mode=755"),
    *("--tmpfs", "/run/user:nosuid,nodev,size=16m,mode=1777"),
    *("--memory", "4g", "--memory-swap", "4g", "--pids-limit", "1024"),
]


def ours(daemon: Daemon) -> float:
    """Spawn one and end it; return the milliseconds until it ran."""
    begun = time.perf_counter()
    pid = daemon.call("process.spawn", runtime="command", argv=COMMAND, sandbox={"tier": "docker"})["pid"]
    took = (time.perf_counter() - begun) * 1000
    daemon.kill_agent(pid)
    daemon.call("process.wait", pid=pid, until="exit", timeout_s=30)  # its end is not the next one's beginning
    return took


def theirs(engine: DockerEngine, daemon: Daemon, image: str) -> float:
    """Run one by docker's own command line and remove it; return the milliseconds until it ran."""
    places = [part for name in ("a", "b", "c", "d") for part in ("-v", f"{daemon.home}/bench/{name}:/mnt/{name}")]
    begun = time.perf_counter()
    name = engine.docker("run", "-d", *FLAGS, *places, image, *COMMAND)
    took = (time.perf_counter() - begun) * 1000
    engine.docker("rm", "-f", name)
    return took


def main() -> None:
    """Print the table."""
    _, read = arguments(__doc__, 15, 5)
    options = read()
    try:
        with running_engine() as engine:
            image = engine.have("base")
            with Daemon(f'docker_host = "{engine.host}"\n') as daemon:
                pairs = [(ours(daemon), theirs(engine, daemon, image)) for _ in range(options.rounds + 2)][2:]
    except pytest.skip.Exception as exc:
        report("Docker", [], options, f"not run: {exc}")
        return
    own, other = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    rows = [
        Row("docker: spawn to running, p50", median(own), "ms", median(other), "docker run -d", 1.15 * median(other)),
        Row("docker: spawn to running, p99", p99(own), "ms", p99(other), "docker run -d"),
    ]
    report("A spawn into tier docker", rows, options, "The target is 1.15 x docker run of this very run.")


if __name__ == "__main__":
    main()
