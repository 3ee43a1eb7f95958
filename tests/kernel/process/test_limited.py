"""A usage limit parks an agent: without a runtime, shown with its time, and it goes on when the limit lifts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from aetherd.core.clock import stamp
from aetherd.kernel.process.parking import GO_ON, got_on, park
from aetherd.kernel.process.tables import ProcessRow
from fakes import PATIENCE_S, Estate, Lab

pytestmark = pytest.mark.anyio

PACE_S = 0.02


def limit(lab: Lab, seconds: float | None = None) -> str:
    """Script a turn that ends at a limit, which lifts in so many seconds or at a time nobody tells."""
    at = None if seconds is None else stamp(lab.clock.now() + timedelta(seconds=seconds))
    return "print " + json.dumps({"type": "ended", "outcome": "limited", "error": "enough", "resets_at": at})


async def parked(lab: Lab, seconds: float | None = 3600, **raw: Any) -> Any:
    """Return an agent that hit a limit and whose runtime was let go of."""
    made = await lab.spawn(goal=f"{limit(lab, seconds)} ;; work", **raw)
    await lab.event("process.state_changed", pid=made.pid, to="queued")
    return await lab("process.get", pid=made.pid)


def lifted(lab: Lab) -> list[int]:
    """Return who was told to go on, in their order."""
    return [one["pid"] for one in lab.events if one["type"] == "agent.limit_lifted"]


async def let_pass(lab: Lab, seconds: float, until: int = 1 << 30) -> None:
    """Let time pass in small steps, until so many in all were told to go on."""
    with anyio.fail_after(PATIENCE_S):
        while seconds > 0 and len(lifted(lab)) < until:
            lab.clock.advance(0.25)
            seconds -= 0.25
            await anyio.sleep(PACE_S)


async def test_an_agent_waits_without_a_runtime_and_goes_on_in_its_conversation(estate: Estate) -> None:
    async with estate.open() as lab:
        found = await parked(lab, 600)
        assert (found.state, found.phase, found.os_pid, found.outcome) == ("queued", "limited", None, "running")
        assert found.limited.wakes_at == found.limited.resets_at
        assert (found.limited.times, found.limited.error) == (1, "enough")
        assert found.reason == f"its usage limit lifts at {found.limited.wakes_at}"
        assert (await lab.spawn(goal="say hello")).state == "running"  # it holds nobody up
        lab.clock.advance(590)
        await let_pass(lab, 5)
        assert lifted(lab) == []
        await let_pass(lab, 60, 1)
        assert (await lab.result(found.pid)).text == "heard " + GO_ON
        after = await lab("process.get", pid=found.pid)
        assert (after.session, after.incarnation, after.limited, after.state) == (found.session, 2, None, "running")
        assert estate.puppet.launched[-1].resume


async def test_a_fleet_goes_on_by_priority_and_then_by_who_waited_longest(estate: Estate) -> None:
    async with estate.open() as lab:
        late = stamp(lab.clock.now() + timedelta(hours=1))
        line = "print " + json.dumps({"type": "ended", "outcome": "limited", "error": "enough", "resets_at": late})
        pids = []
        for priority in (0, 5, 0, 9, 5):
            pids.append((await lab.spawn(goal=f"{line} ;; work", priority=priority)).pid)
            await lab.event("process.state_changed", pid=pids[-1], to="queued")
        lab.clock.advance(3590)
        await let_pass(lab, 60, 5)
        assert lifted(lab) == [pids[3], pids[1], pids[4], pids[0], pids[2]]
        assert [(await lab.result(pid)).outcome for pid in pids] == ["completed"] * 5


def test_a_limit_that_is_hit_again_moves_the_next_try_on() -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    row = ProcessRow(limited_times=0)
    waits = []
    for _ in range(7):
        park(row, now, None)
        waits.append((datetime.fromisoformat(row.limited_until or "") - now).total_seconds() / 60)
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    got_on(row)
    soon, never = stamp(now + timedelta(seconds=5)), "when it pleases"
    for told, minutes in ((soon, 5 / 60), (soon, 1), (never, 4), (stamp(now), 8)):
        park(row, now, told)
        assert row.limited_until == stamp(now + timedelta(minutes=minutes)), told


async def test_who_is_paused_or_in_a_persons_hands_is_left_alone_until_that_is_over(estate: Estate) -> None:
    async with estate.open() as lab:
        paused = await lab.spawn(goal=f"{limit(lab, 20)} ;; work")  # soon enough to keep its runtime
        await lab.event("agent.limit_reached", pid=paused.pid)
        await lab("process.pause", pid=paused.pid)
        held, killed = await parked(lab, 300), await parked(lab, 300)
        await lab("control.acquire", pid=held.pid, wait_s=10)
        assert (await lab("process.get", pid=held.pid)).mode == "tui"
        await lab("process.kill", pid=killed.pid)
        lab.clock.advance(300)
        await let_pass(lab, 3)
        assert lifted(lab) == []
        await lab("process.resume", pid=paused.pid)
        await let_pass(lab, 60, 1)
        await lab("control.release", pid=held.pid)
        await let_pass(lab, 60, 2)
        assert lifted(lab) == [paused.pid, held.pid]
        assert [(await lab.result(one.pid)).outcome for one in (paused, held)] == ["completed"] * 2
        assert (await lab("process.get", pid=killed.pid)).outcome == "killed"


async def test_a_person_hands_back_an_agent_that_still_waits_and_it_rests_again(estate: Estate) -> None:
    async with estate.open() as lab:
        held = await parked(lab)
        await lab("control.acquire", pid=held.pid, wait_s=10)
        await lab("control.release", pid=held.pid)
        await lab.event("process.state_changed", pid=held.pid, **{"from": "running", "to": "queued"})
        with anyio.fail_after(PATIENCE_S):
            while (await lab("control.status", pid=held.pid)).step != "free":
                await anyio.sleep(PACE_S)
        assert (await lab("process.get", pid=held.pid)).phase == "limited"


async def test_it_is_told_what_it_was_sent_meanwhile_once_and_a_person_may_try_at_once(estate: Estate) -> None:
    async with estate.open() as lab:
        found = await parked(lab, None)
        assert "nobody said when it lifts" in found.reason
        await lab("process.send", pid=found.pid, text="work")
        assert len(lab.said(found)) == 1
        await lab("process.resume", pid=found.pid)
        assert (await lab.result(found.pid)).text == "heard " + GO_ON
        assert lab.said(found)[1:] == ["work", GO_ON]


async def test_a_reset_time_that_only_the_gateway_was_told_is_believed(estate: Estate) -> None:
    async with estate.open() as lab:
        made = await lab.spawn(goal="say hello")
        lifts = lab.clock.now() + timedelta(seconds=600)
        await lab.kernel.rooms["process"].limit_seen(made.pid, lifts)
        await lab("process.send", pid=made.pid, text=f"{limit(lab)} ;; work")
        await lab.event("process.state_changed", pid=made.pid, to="queued")
        found = (await lab("process.get", pid=made.pid)).limited
        assert (found.resets_at, found.wakes_at) == (stamp(lifts), stamp(lifts))


async def test_one_that_may_go_on_waits_for_room_like_any_other(estate: Estate) -> None:
    async with estate.open(max_running=1) as lab:
        first = await parked(lab, 60)
        other = await lab.spawn(goal="work")
        assert other.state == "running"
        await let_pass(lab, 90, 1)
        waits = await lab("process.get", pid=first.pid)
        assert (waits.state, waits.limited, waits.reason[:26]) == ("queued", None, "its usage limit has lifted")
        assert [one.pid for one in (await lab("process.list", state="live")).processes] == [other.pid, first.pid]
        await lab("process.kill", pid=other.pid)
        assert (await lab.result(first.pid)).text == "heard " + GO_ON


async def test_the_end_of_all_agents_is_the_end_of_parked_ones_too(estate: Estate) -> None:
    async with estate.open() as lab:
        found = await parked(lab)
        assert await lab.kernel.rooms["process"].shutdown_agents("user:owner") == 1
        assert (await lab("process.get", pid=found.pid)).outcome == "killed"


async def test_parked_agents_are_woken_by_the_next_daemon(estate: Estate) -> None:
    async with estate.open() as lab:
        rests = await parked(lab)
        crashed = await lab.spawn(goal=f"{limit(lab, 3600)} ;; exit 3")  # its runtime ends by itself at the limit
        await lab.event("process.state_changed", pid=crashed.pid, to="queued")
    async with estate.open() as lab:
        assert (await lab("process.get", pid=rests.pid)).limited is not None
        lab.clock.advance(3599)
        await let_pass(lab, 60, 2)
        for one in (rests, crashed):
            assert (await lab.result(one.pid)).text == "heard " + GO_ON


async def test_a_runtime_that_waits_for_its_limit_by_itself_is_shown_so_until_it_is_answered(estate: Estate) -> None:
    async with estate.open() as lab:
        made = await lab.ready(await lab.spawn(goal="work"))
        await lab.event("process.phase_changed", pid=made.pid, to="thinking")
        lifts = lab.clock.now() + timedelta(minutes=9)
        process = lab.kernel.rooms["process"]
        await process.limit_seen(made.pid, lifts)
        shown = await lab("process.get", pid=made.pid)
        assert (shown.state, shown.phase, shown.limited) == ("running", "limited", None)
        assert shown.reason == f"its runtime waits for a usage limit, which lifts at {stamp(lifts)}"
        lab.clock.advance(600)
        await let_pass(lab, 2)
        assert lifted(lab) == []  # it is not told to go on, as it does so by itself
        await process.limit_seen(made.pid, None)
        shown = await lab("process.get", pid=made.pid)
        assert (shown.phase, shown.reason) == ("thinking", None)
        assert lab.said(made) == ["work"]
