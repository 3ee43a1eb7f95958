"""Limits bound everything of a process together, change while it runs, and what they end is told."""

from __future__ import annotations

import sys
from typing import Any

import anyio
import pytest

from aetherd.core.errors import Conflict, Exhausted, Invalid, NotFound
from aetherd.kernel.process.bounds import MEMORY_MB, PIDS, limits_of, pool_of
from aetherd.kernel.process.tables import ProcessRow
from fakes import Estate, Lab

pytestmark = pytest.mark.anyio
HOST = {"tier": "host"}  # the tests' own interpreter need not be anywhere else
HOG = "kept = []\nwhile True: kept.append(bytearray(b'x' * (16 << 20)))"
BOMB = "import os, time\nwhile True:\n    try: os.fork()\n    except OSError: time.sleep(1)"


def bounds_of(lab: Lab) -> Any:
    found = lab.kernel.rooms["process"].bounds
    if found.enforced[1]:
        pytest.skip(f"not every limit can be enforced here: {found.enforced[1]}")
    return found


def row(**more: Any) -> ProcessRow:
    base = {"agent": "a", "user": "u", "org": "o", "name": "n", "runtime": "command", "cwd": "/", "secret": "s"}
    rest = {"toolset": "all", "rows": 2, "cols": 2, "state": "running", "created_at": ""}
    return ProcessRow(pid=7, **base, **rest, **more)


def test_a_sandbox_is_never_without_bounds_and_the_host_has_those_asked_for() -> None:
    assert pool_of(row(tier="host")).caps == pool_of(row(tier="host", limits='{"wall_s": 5}')).caps
    assert not pool_of(row(tier="host")).caps
    inside = limits_of(row(tier="bwrap", limits='{"pids": 7}'))
    assert (inside.pids, inside.cpu) == (7, None)
    assert inside.memory_mb is not None
    assert 16 <= inside.memory_mb <= MEMORY_MB
    assert limits_of(row(tier="docker")).pids == PIDS
    assert pool_of(row(tier="docker")).fenced


async def test_a_hog_is_killed_inside_and_that_is_told_once(estate: Estate) -> None:
    told: list[tuple[int, str, int]] = []
    async with estate.open() as lab:
        bounds_of(lab)
        lab.kernel.rooms["process"].oom_hooks.append(lambda tx, pid, agent, kills: told.append((pid, agent, kills)))
        script = f'{sys.executable} -I -S -c "{HOG}"; echo its end: $?; read line'
        made = await lab.sh(script, sandbox=HOST, limits={"memory_mb": 64})
        await lab.printed(made.pid, "its end: 137")
        with anyio.fail_after(10):
            while not told:
                await anyio.sleep(0.05)
        assert told == [(made.pid, made.agent, 1)]
        assert (await lab("process.get", pid=made.pid)).state == "running"  # its shell lives
    async with estate.open() as lab:
        lab.kernel.rooms["process"].oom_hooks.append(lambda tx, pid, agent, kills: told.append((pid, agent, kills)))
        await lab.kernel.rooms["process"].bounds.look()
        assert len(told) == 1
        direct = await lab.spawn(
            "command", argv=[sys.executable, "-I", "-S", "-c", HOG], sandbox=HOST, limits={"memory_mb": 64}
        )
        await lab.ended(direct.pid)
        assert told[1:] == [(direct.pid, direct.agent, 1)]  # at the latest with its end


async def test_limits_change_while_it_runs_and_are_refused_when_they_cannot(lab: Lab) -> None:
    bounds = bounds_of(lab)
    made = await lab.sh("read line", sandbox=HOST)  # a sandbox is bounded from its start
    assert (await bounds.usage(made.pid)).source == "processes"
    assert await bounds.set_limits(made.pid, {"pids": 20, "memory_mb": 256}, "user:owner") == {
        "pids": 20,
        "memory_mb": 256,
    }
    changed = await lab.event("process.limits_changed", pid=made.pid)
    assert changed["data"] == {"limits": {"pids": 20, "memory_mb": 256}, "by": "user:owner"}
    usage = await bounds.usage(made.pid)
    assert (usage.source, usage.processes) == ("cgroup", 1)
    terminal = await lab("terminal.open", pid=made.pid, argv=["sleep", "60"])
    assert (await bounds.usage(made.pid)).processes == 2  # a terminal is bounded with its process
    await lab("terminal.close", terminal=terminal.terminal)
    for error, pid, changes in (
        (NotFound, 10**6, {"pids": 9}),
        (Invalid, made.pid, {"pids": 0}),
        (Invalid, made.pid, {"wall_s": 9}),
    ):
        with pytest.raises(error):
            await bounds.set_limits(pid, changes, "user:owner")
    await lab("process.kill", pid=made.pid)
    with pytest.raises(Conflict, match="has ended"):
        await bounds.set_limits(made.pid, {"pids": 9}, "user:owner")
    assert f"p{made.pid}" not in bounds._w.host.limiter.names()


async def test_a_fork_loop_stays_below_its_bound_and_can_be_ended(lab: Lab) -> None:
    bounds = bounds_of(lab)
    argv = [sys.executable, "-I", "-S", "-c", BOMB]
    made = await lab.spawn("command", argv=argv, sandbox=HOST, limits={"pids": 24})
    with anyio.fail_after(10):
        while ((await bounds.usage(made.pid)).processes or 0) < 24:
            await anyio.sleep(0.02)
    assert (await lab("process.kill", pid=made.pid)).state == "exited"


async def test_an_agents_run_has_no_more_than_the_run_that_starts_it(lab: Lab) -> None:
    bounds_of(lab)
    parent = await lab.sh("read line", limits={"pids": 50, "memory_mb": 200})
    child = await lab("process.spawn", lab.agent_of(parent), runtime="command", argv=["true"], limits={"pids": 500})
    found = await lab.kernel.rooms["process"].row_of(child.pid)
    assert (limits_of(found).pids, limits_of(found).memory_mb) == (50, 200)


async def test_a_quota_bounds_a_wish_and_refuses_a_person_more(estate: Estate) -> None:
    class Double:
        """Stands for the quota room."""

        async def ceilings(self, agent: str | None, user: str, org: str) -> dict[str, float]:
            return {"pids": 30, "cpu": 0.5}

    async with estate.open() as lab:
        lab.kernel.rooms["process"].quotas[:] = [Double()]
        made = await lab.sh("read line", limits={"pids": 10})
        found = limits_of(await lab.kernel.rooms["process"].row_of(made.pid))
        assert (found.pids, found.cpu) == (10, 0.5)
        with pytest.raises(Exhausted, match="quota of 30"):
            await lab.sh("true", limits={"pids": 31})
