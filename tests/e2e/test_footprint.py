"""What hosting an agent costs in memory: everything of ours beside the runtime, per real Claude Code agent."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.claude_lab import Claude, aether, model, real, says
from tests.e2e.daemon_lab import Daemon

MOST_MIB = 15.0
AGENTS = 4


def pss(os_pid: int) -> float:
    """Return the MiB of a process, pages it shares with others divided among them."""
    for line in Path(f"/proc/{os_pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no Pss")


def worked(daemon: Daemon, count: int) -> list[Claude]:
    """Start agents that call one of our tools, and return them idle after their turn."""
    turn = [says(aether("memory_remember", content="the cellar door sticks")), says("Kept.")]
    found = []
    for _ in range(count):
        with model(*turn) as api:
            found.append(Claude(daemon, api))
            assert found[-1].wait()["text"] == "Kept."
    return found


@real
def test_all_memory_of_ours_per_agent_is_small_beside_claude_code(own: Daemon) -> None:
    assert own.process is not None
    worked(own, 1)  # what the daemon imports at its first agent is there once
    before = pss(own.process.pid)
    ours, theirs = [], []
    for claude in worked(own, AGENTS):
        runtimes = claude.runtimes()
        rest = set(own.tree(claude.pid)) - set(runtimes)
        assert set(claude.relays()) <= rest
        ours.append(sum(map(pss, {*rest, own.shim_pid(claude.pid)})))
        theirs.append(sum(map(pss, runtimes)))
    growth = (pss(own.process.pid) - before) / AGENTS
    assert sum(ours) / AGENTS + growth <= MOST_MIB, (ours, growth)
    assert min(theirs) > MOST_MIB  # it was the runtime that was left out
