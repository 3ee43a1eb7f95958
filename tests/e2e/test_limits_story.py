"""What an agent does to the machine stays its own: fork bomb, memory hog and hogs of every core behind walls."""

from __future__ import annotations

import os
import shutil
import time
from typing import Any

import pytest

from tests.e2e.daemon_lab import Daemon, dead, until

pytestmark = pytest.mark.skipif(
    shutil.which("bwrap") is None or os.geteuid() != 0, reason="needs bubblewrap and control groups of its own"
)
BOMB = "import os, time\nwhile True:\n    try: os.fork()\n    except OSError: time.sleep(0.05)"
HOG = "kept = []\nwhile True: kept.append(bytearray(b'x' * (16 << 20)))"
BUSY = "import os\nfor _ in range(2 * os.cpu_count()): os.fork()\nwhile True: pass"


def inside(daemon: Daemon, code: str, **limits: Any) -> int:
    """Start a Python program in bwrap; returns its pid."""
    argv = ["/usr/bin/python3", "-I", "-S", "-c", code]
    return int(daemon.spawn("command", argv=argv, sandbox={"tier": "bwrap"}, limits=limits)["pid"])


def slowest_healthz(daemon: Daemon, times: int = 20) -> float:
    """Ask the daemon how it is, and return the seconds of the slowest answer."""
    took = []
    for _ in range(times):
        begun = time.monotonic()
        connection = daemon.connect(timeout=10)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        connection.close()
        took.append(time.monotonic() - begun)
    return max(took)


def test_a_fork_bomb_a_memory_hog_and_busy_cores_leave_the_daemon_answering_and_end_when_told(own: Daemon) -> None:
    bomb = inside(own, BOMB, pids=64)
    until(lambda: len(own.tree(bomb)) >= 50, 20, "the bomb to have grown")
    assert slowest_healthz(own) < 1
    usage = own.call("quota.usage", agent=own.get(bomb)["agent"])["runs"][0]
    assert usage["processes"] <= 64

    with own.stream() as stream:
        hog = inside(own, HOG, memory_mb=100)
        killed = stream.wait(lambda event: event["type"] == "sandbox.oom_killed" and event["pid"] == hog)
        assert killed["agent"] == own.get(hog)["agent"]
    assert own.ended(hog)["exit_signal"] == 9
    assert own.get(bomb)["state"] == "running"  # another process, another pool

    busy = inside(own, BUSY)
    assert slowest_healthz(own) < 1

    own.restart()
    for pid in (bomb, busy):
        members = own.tree(pid)
        begun = time.monotonic()
        assert own.call("process.kill", pid=pid)["state"] == "exited"
        assert time.monotonic() - begun < 5
        until(lambda members=members: all(dead(one) for one in members), 5, "the tree to be gone")  # type: ignore[misc]
