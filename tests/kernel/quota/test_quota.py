"""Quotas bound runs as they start, disk at once; what is shown was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from aetherd.core.errors import Exhausted, Forbidden, Invalid, NotFound
from aetherd.kernel.fs import quota
from aetherd.kernel.quota import disk
from fakes import Estate, Lab

pytestmark = pytest.mark.anyio


async def limits(lab: Lab, made: Any) -> dict[str, float]:
    """Return the limits that are in force for a run."""
    usage = await lab("quota.usage", agent=made.agent)
    return next(run.limits for run in usage.runs if run.pid == made.pid)


async def test_a_run_starts_within_the_quotas_of_its_agent_and_of_all(lab: Lab) -> None:
    agent = await lab("agent.create", name="bounded")
    await lab("quota.set", wall_s=3600, pids=60)
    found = await lab("quota.set", agent="bounded", pids=80, cpu=0.5)
    assert (found.agent, found.own.pids, found.everyone.wall_s) == (agent.id, 80, 3600)
    assert found.effective.model_dump(exclude_none=True) == {"pids": 60, "cpu": 0.5, "wall_s": 3600}
    told = await lab.event("quota.set", limits={"pids": 80, "cpu": 0.5})
    assert (told["agent"], told["data"]["by"]) == (agent.id, "user:owner")
    made = await lab.sh("read line", agent="bounded", limits={"pids": 30, "open_files": 64})
    assert await limits(lab, made) == {"pids": 30, "cpu": 0.5, "wall_s": 3600, "open_files": 64}
    with pytest.raises(Exhausted, match=r"limits\.cpu 2 is more than the quota of 0\.5"):
        await lab.sh("true", agent="bounded", limits={"cpu": 2})
    found = await lab("quota.set", pids=None, wall_s=None)
    assert found.everyone.model_dump(exclude_none=True) == {}
    assert (await lab("quota.get", agent="bounded")).effective.pids == 80


async def test_usage_is_measured_and_a_summary_has_every_agent(lab: Lab) -> None:
    made = await lab.sh("echo begun; read line", limits={"memory_mb": 128, "pids": 20})
    await lab.printed(made.pid, "begun")
    await lab("fs.write", agent=made.agent, path="work/big", content="x" * 300_000)
    usage = await lab("quota.usage", agent=made.agent)
    assert usage.disk_bytes >= 300_000
    (run,) = usage.runs
    assert (run.pid, run.state, run.limits) == (made.pid, "running", {"memory_mb": 128, "pids": 20})
    assert run.processes == 1
    assert 0 < run.memory_bytes < 128 << 20
    assert run.cpu_s >= 0
    summary = await lab("quota.summary", limit=1)
    assert (summary.agents[0].agent, summary.agents[0].runs[0].pid) == (made.agent, made.pid)
    assert summary.cores >= 1
    rest = await lab("quota.summary", cursor=summary.cursor)
    assert made.agent not in {one.agent for one in rest.agents}


async def test_an_agent_reads_its_own_quota_and_sets_none(lab: Lab) -> None:
    made, other = await lab.sh("read line"), await lab.sh("read line")
    call = lab.agent_of(made)
    assert (await lab("quota.get", call)).agent == made.agent
    assert (await lab("quota.usage", call)).runs[0].pid == made.pid
    assert [one.agent for one in (await lab("quota.summary", call)).agents] == [made.agent]
    with pytest.raises(Forbidden):
        await lab("quota.set", call, pids=5000)
    with pytest.raises(Forbidden):
        await lab("quota.get", call, agent=other.agent)


@pytest.mark.parametrize(
    ("raw", "error", "told"),
    [
        ({}, Invalid, "what shall change"),
        ({"agent": "nobody-there", "pids": 9}, NotFound, "nobody-there"),
        ({"pids": 0}, Invalid, "pids"),
        ({"of": "user", "pids": 5}, Invalid, "pids cannot be set for all agents together"),
        ({"pid": 1, "cpu": 1}, Invalid, "cpu cannot be set for run 1"),
    ],
)
async def test_a_quota_that_cannot_be_kept_is_refused(lab: Lab, raw: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        await lab("quota.set", **raw)


async def test_a_home_over_its_bound_pauses_its_run_and_refuses_its_files(estate: Estate) -> None:
    async with estate.open() as lab:
        fill = "read line; head -c 3000000 /dev/zero > filling; echo full; read line"
        made = await lab.sh(fill, limits={"disk_mb": 2})
        terminal = await lab("terminal.open", pid=made.pid)
        for beat in range(2):  # within the bound nothing happens
            await lab.kernel.rooms["quota"].disk.look()
            await lab("terminal.send", terminal=terminal.terminal, text="" if beat else ": > begun\n")
        await lab("terminal.send", terminal=terminal.terminal, text="head -c 3000000 /dev/zero > $HOME/filling\n")
        with anyio.fail_after(15):
            while (await lab("quota.usage", agent=made.agent)).disk_bytes < 3_000_000:
                await anyio.sleep(0.05)
        lab.clock.advance(60)
        exceeded = await lab.event("quota.exceeded", pid=made.pid)
        assert (exceeded["data"]["resource"], exceeded["data"]["bound"]) == ("disk", 2 << 20)
        found = await lab("process.get", pid=made.pid)
        assert found.state == "paused"
        assert "more than its limit of 2.1 MB" in found.reason
        letters = (await lab("message.inbox")).messages
        assert any(f"process {made.pid}" in letter.text and letter.sender == "aetherd" for letter in letters)
        with pytest.raises(Exhausted, match="the bound is 2,097,152"):
            await lab("fs.write", agent=made.agent, path="more", content="x")
        await lab("fs.remove", agent=made.agent, path="filling")
        await lab("process.resume", pid=made.pid)
        await lab("fs.write", agent=made.agent, path="more", content="x")
        lab.clock.advance(60)
        await lab.kernel.rooms["quota"].disk.look()
        assert (await lab("process.get", pid=made.pid)).state == "running"


async def test_a_home_of_too_many_small_files_pauses_its_run_and_refuses_more(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (disk, quota):
        monkeypatch.setattr(place, "FILES", 500)
    async with estate.open() as lab:
        many = "mkdir many; i=0; while [ $i -lt 700 ]; do : > many/$i; i=$((i+1)); done; echo full; read line"
        made = await lab.sh(many, limits={"disk_mb": 2000})
        await lab.printed(made.pid, "full")
        lab.clock.advance(60)
        await lab.kernel.rooms["quota"].disk.look()
        found = await lab("process.get", pid=made.pid)
        assert (found.state, "more than 500 files" in found.reason) == ("paused", True)
        space = await lab("workspace.create", name="crowded")
        for number in range(700):
            (Path(space.path) / str(number)).touch()
        for where in ({"agent": made.agent}, {"workspace": space.id}):
            with pytest.raises(Exhausted, match="remove something first"):
                await lab("fs.write", **where, path="more", content="x")
