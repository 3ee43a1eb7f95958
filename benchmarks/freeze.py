"""Measure a pause: a tree of 50 processes frozen and thawed, ours against a loop of SIGSTOP and SIGCONT by hand.

    python benchmarks/freeze.py [--rounds 20] [--quick]

Frozen means that the kernel says so of every process, on both sides. The loop knows the pids beforehand, which a
real one would have to find out; and it misses what a tree forks meanwhile. The tree is one in which every process
sleeps, and one in which four compute.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from lab import ROOT, Row, arguments, median, report

sys.path.append(str(ROOT))

from aetherd.shim import cgroups
from aetherd.shim.tree import Trees

TREE = 50
NAME = f"freeze-{os.getpid()}"
FORKS = """
import os, sys, time
for number in range(int(sys.argv[1]) - 1):
    if os.fork() == 0:
        while number < int(sys.argv[2]): pass
        time.sleep(600)
print("ready", flush=True)
time.sleep(600)
"""


def states(pids: list[int]) -> set[str]:
    """Return the states of processes as /proc tells them."""
    return {Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in pids}


def by_hand(pids: list[int], number: int) -> float:
    """Send a signal to each and wait until the kernel has stopped, or let go, all; milliseconds."""
    begun = time.perf_counter()
    for pid in pids:
        os.kill(pid, number)
    while (found := states(pids)) != {"T"} if number == signal.SIGSTOP else "T" in (found := states(pids)):
        pass
    assert found
    return (time.perf_counter() - begun) * 1000


def measure(trees: Trees, busy: int, rounds: int) -> dict[str, list[float]]:
    """Freeze and thaw one tree in both ways, in turn."""
    found: dict[str, list[float]] = {}
    env = {"PATH": os.environ.get("PATH", os.defpath), "AETHER_PROCESS": NAME}
    groups = trees.make(NAME)

    def join() -> None:
        for group in groups:
            Path(group, "cgroup.procs").write_text("0")

    command = [sys.executable, "-I", "-S", "-c", FORKS, str(TREE), str(busy)]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, preexec_fn=join) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            pids = trees.members(NAME, NAME)
            assert len(pids) == TREE, len(pids)
            for number in range(rounds + 2):
                begun = time.perf_counter()
                trees.freeze(NAME, NAME)
                frozen = time.perf_counter()
                assert trees.frozen(NAME, NAME)
                again = time.perf_counter()
                trees.thaw(NAME, NAME)
                took = {"freeze": (frozen - begun) * 1000, "thaw": (time.perf_counter() - again) * 1000}
                took["stop"], took["cont"] = by_hand(pids, signal.SIGSTOP), by_hand(pids, signal.SIGCONT)
                if number >= 2:  # the first ones warm up
                    for what, value in took.items():
                        found.setdefault(what, []).append(value)
        finally:
            trees.kill(NAME, NAME)
    trees.remove(NAME)
    return found


def main() -> None:
    """Measure and print."""
    _, read = arguments(__doc__, 20, 5)
    options = read()
    trees = Trees(f"aetherd-bench-{os.getpid()}")
    rows = []
    try:
        for busy, name in ((0, "asleep"), (4, "4 computing")):
            found = measure(trees, busy, options.rounds)
            for ours, other in (("freeze", "stop"), ("thaw", "cont")):
                what = f"{ours} a tree of {TREE}, {name}"
                bare = median(found[other])
                rows.append(Row(what, median(found[ours]), "ms", bare, f"SIG{other.upper()} loop", target=20))
    finally:
        if trees._root is not None:
            cgroups.remove(trees._root)
    report("Freeze and thaw", rows, options, f"by {trees.mechanism}")


if __name__ == "__main__":
    main()
