"""Money: set aside before a call to a model, settled after, never past a budget, never lost."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import anyio
import pytest

from aetherd.core.errors import Conflict, Exhausted, Invalid
from aetherd.operations.spending import NANO, ModelCall, Money, Spent
from fakes import Estate, Lab

pytestmark = pytest.mark.anyio


def money(lab: Lab) -> Money:
    """Return the ledger as the model room has it."""
    found: Money = lab.kernel.rooms["quota"].money
    return found


def a_call(pid: int, usd: float | None, tokens: int = 1000) -> ModelCall:
    """Return a call that can cost so much."""
    return ModelCall(pid, "anthropic", "claude-test", tokens, None if usd is None else round(usd * NANO))


def paid(usd: float, tokens: int = 10) -> Spent:
    """Return what a call did cost."""
    return Spent("done", model="claude-test-1", input_tokens=tokens, nano_usd=round(usd * NANO), status=200)


def middle_of_next_month(now: datetime) -> datetime:
    """Return a day that has a tomorrow in its month."""
    return (now.replace(day=1, hour=12) + timedelta(days=32)).replace(day=15)


async def rows(lab: Lab, sql: str, *values: Any) -> list[Any]:
    """Read the ledger's own rows."""
    return await lab.kernel.store.read(lambda s: s.connection().exec_driver_sql(sql, values).all())


async def test_calls_in_flight_never_go_past_a_budget_together(lab: Lab) -> None:
    made = await lab.sh("read line", budget=0.5)
    done, refused = [], []

    async def work() -> None:
        while not refused:
            try:
                reservation = await money(lab).reserve(a_call(made.pid, 0.03))
            except Exhausted as exc:
                refused.append(exc)
                return
            await money(lab).settle(reservation, paid(0.02))
            done.append(0.02)

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(work)
    ((nano, reserved),) = await rows(
        lab, "SELECT nano, reserved_nano FROM quota_spent WHERE kind = 'run' AND of = ?", str(made.pid)
    )
    assert (nano, reserved) == (len(done) * NANO // 50, 0)
    assert 0.5 - 8 * 0.03 <= nano / NANO <= 0.5
    found = await lab("process.get", pid=made.pid)
    assert (found.cost_usd, found.metered, found.budget_usd) == (round(nano / NANO, 6), True, 0.5)
    error = refused[0]
    assert (error.data["budget"], error.data["period"], error.data["limit_usd"]) == ("run", "run", 0.5)
    told = await lab.event("quota.exceeded", pid=made.pid)
    assert (told["data"]["resource"], told["data"]["bound"]) == ("usd", 0.5)


async def test_what_a_child_spends_counts_for_the_run_that_started_it(lab: Lab) -> None:
    parent = await lab.sh("read line", budget=0.1)
    child = await lab("process.spawn", lab.agent_of(parent), runtime="command", argv=["/bin/cat"])
    await money(lab).settle(await money(lab).reserve(a_call(child.pid, 0.08)), paid(0.07, tokens=30))
    with pytest.raises(Exhausted, match=rf"0\.10 USD of process {parent.pid} has 0\.03 USD left") as refused:
        await money(lab).reserve(a_call(parent.pid, 0.04))
    assert (refused.value.data["of"], refused.value.data["spent_usd"]) == (str(parent.pid), 0.07)
    (run,) = (await lab("quota.usage", agent=parent.agent)).runs
    assert (run.money.spent_usd, run.money.own_usd, run.money.spent_tokens, run.money.own_tokens) == (0.07, 0, 30, 0)
    await lab("quota.set", pid=parent.pid, budget=0.2)
    await money(lab).settle(await money(lab).reserve(a_call(parent.pid, 0.04)), Spent("refused"))
    assert (await lab("process.get", pid=parent.pid)).budget_usd == 0.2


async def test_days_and_months_of_agents_and_of_all_together_are_bounded_and_begin_anew(estate: Estate) -> None:
    async with estate.open() as lab:
        lab.clock.advance((middle_of_next_month(lab.clock.now()) - lab.clock.now()).total_seconds())
        one, other = await lab.sh("read line"), await lab.sh("read line")
        await lab("quota.set", agent=one.agent, day_usd=1)
        await lab("quota.set", of="user", month_usd=3, day_tokens=2500)
        found = await lab("quota.set", of="org", month_usd=50)
        assert (found.user.month_usd, found.org.month_usd, found.effective.budget) == (3, 50, None)
        await money(lab).settle(await money(lab).reserve(a_call(one.pid, 1)), paid(0.9, tokens=1000))
        with pytest.raises(Exhausted, match="for this day") as refused:
            await money(lab).reserve(a_call(one.pid, 0.2))
        assert refused.value.data["budget"] == "agent"
        assert refused.value.data["resets_at"] > str(lab.clock.now().date())
        with pytest.raises(Exhausted, match=r"2,500 tokens of all your agents .* has 1,500 tokens left"):
            await money(lab).reserve(a_call(other.pid, 0.2, tokens=1600))
        lab.clock.advance(86400)
        await money(lab).settle(await money(lab).reserve(a_call(one.pid, 1)), paid(1.0, tokens=1000))
        with pytest.raises(Exhausted, match="for this month") as refused:
            await money(lab).reserve(a_call(other.pid, 1.2))
        assert (refused.value.data["budget"], refused.value.data["spent_usd"]) == ("user", 1.9)
        letters = (await lab("message.inbox")).messages
        assert any("0.90 USD of the budget of this day of 1.00 USD are spent (90%)" in one.text for one in letters)
        assert any("I refuse a call to a model of" in one.text for one in letters)
        spending = {(one.budget, one.period): one.spent_usd for one in (await lab("quota.summary")).spending}
        assert spending == {("user", "day"): 1, ("user", "month"): 1.9, ("org", "day"): 1, ("org", "month"): 1.9}
        assert {one.budget for one in (await lab("quota.get", lab.agent_of(one))).spending} == {"agent"}


async def test_what_was_under_way_at_a_crash_is_counted_as_the_most_it_could_cost(estate: Estate) -> None:
    async with estate.open() as lab:
        made = await lab.sh("read line", budget=1)
        await money(lab).reserve(a_call(made.pid, 0.3, tokens=700))
    async with estate.open() as lab:
        assert (await lab("process.get", pid=made.pid)).cost_usd == 0.3
        (run,) = (await lab("quota.usage", agent=made.agent)).runs
        assert (run.money.estimated, run.money.reserved_usd, run.money.spent_tokens) == (1, 0, 700)
        with pytest.raises(Exhausted):
            await money(lab).reserve(a_call(made.pid, 0.71))


async def test_a_model_without_a_price_is_bounded_by_tokens_or_not_called(lab: Lab) -> None:
    made = await lab.sh("read line", budget=1)
    with pytest.raises(Conflict, match="no price is known for model claude-test of anthropic"):
        await money(lab).reserve(a_call(made.pid, None))
    await lab("quota.set", pid=made.pid, tokens=1500)
    await money(lab).settle(await money(lab).reserve(a_call(made.pid, None)), Spent("done", input_tokens=600))
    with pytest.raises(Exhausted, match="900 tokens left"):
        await money(lab).reserve(a_call(made.pid, None))
    (run,) = (await lab("quota.usage", agent=made.agent)).runs
    assert (run.money.unpriced, run.money.own_usd, run.money.own_tokens) == (1, 0, 600)


async def test_a_call_is_settled_once_and_its_price_is_never_forgotten(lab: Lab) -> None:
    made = await lab.sh("read line")
    reservation = await money(lab).reserve(a_call(made.pid, 0.5))
    await money(lab).settle(reservation, Spent("done", input_tokens=5))
    await money(lab).settle(reservation, paid(9))
    (run,) = (await lab("quota.usage", agent=made.agent)).runs
    assert (run.money.own_usd, run.money.own_tokens, run.money.estimated) == (0.5, 5, 1)


async def test_what_a_runtime_tells_of_its_cost_is_kept_beside_what_is_metered(lab: Lab) -> None:
    say = 'print {"type": "used", "cost_usd": 0.25, "input_tokens": 40}'
    made = await lab.ready(await lab.spawn(goal=say))
    await lab.event("agent.usage", pid=made.pid, source="runtime")
    assert (await lab("process.get", pid=made.pid)).cost_usd == 0.25
    await money(lab).settle(await money(lab).reserve(a_call(made.pid, 0.5)), paid(0.2, tokens=50))
    found = await lab("process.get", pid=made.pid)
    assert (found.cost_usd, found.claimed_usd, found.metered) == (0.2, 0.25, True)
    (run,) = (await lab("quota.usage", agent=made.agent)).runs
    assert (run.money.difference_usd, run.money.difference_tokens) == (-0.05, 10)


async def test_a_run_is_ended_when_it_makes_a_step_too_many(lab: Lab) -> None:
    made = await lab.sh("read line", limits={"steps": 2})
    for _ in range(2):
        await money(lab).settle(await money(lab).reserve(a_call(made.pid, 0.1)), paid(0.1))
    with pytest.raises(Exhausted, match=r"limits\.steps"):
        await money(lab).reserve(a_call(made.pid, 0.1))
    found = await lab.ended(made.pid)
    assert (found.outcome, found.ended_by) == ("killed", "its limit of 2 steps")
    tool = 'print {"type": "called", "id": "t", "tool": "Bash", "input": {}}'
    made = await lab.ready(await lab.spawn(goal=f"{tool} ;; {tool} ;; say both", limits={"steps": 1}))
    await lab.event("agent.turn_ended", pid=made.pid)
    lab.clock.advance(60)
    assert (await lab.ended(made.pid)).ended_by == "its limit of 1 steps"


async def test_a_run_with_credentials_of_its_own_has_no_budget(lab: Lab) -> None:
    own = {"ANTHROPIC_API_KEY": "sk-its-own"}
    with pytest.raises(Invalid, match="credentials of its own for anthropic"):
        await lab.sh("true", budget=1, env=own)
    assert (await lab.sh("true", env=own)).budget_usd is None
    parent = await lab.sh("read line", budget=1)
    with pytest.raises(Invalid, match="credentials of its own"):
        await lab("process.spawn", lab.agent_of(parent), runtime="command", argv=["/bin/cat"], env=own)
    used = 'print {"type": "used", "cost_usd": 1.5}'
    around = await lab.ready(await lab.spawn(goal=f"{used} ;; work", budget=1))
    await lab.event("agent.usage", pid=around.pid)
    lab.clock.advance(60)
    paused = await lab.event("process.state_changed", pid=around.pid, to="paused")
    assert "none of it came through the model gateway" in paused["data"]["reason"]


async def test_the_steps_of_a_flow_spend_from_one_budget(lab: Lab) -> None:
    steps = {name: {"agent": {"runtime": "command", "argv": ["/bin/cat"]}} for name in ("a", "b")}
    flow = await lab("flow.run", flow={"steps": [{"name": "two", "parallel": {"branches": steps}}], "budget": 0.5})
    one, other = [
        (await lab.event("flow.step_started", flow=flow.id, step=f"two/{name}/agent1"))["pid"] for name in steps
    ]
    await money(lab).settle(await money(lab).reserve(a_call(one, 0.4)), paid(0.3))
    with pytest.raises(Exhausted, match=r"0\.50 USD of its flow has 0\.20 USD left") as refused:
        await money(lab).reserve(a_call(other, 0.21))
    assert (refused.value.data["budget"], refused.value.data["spent_usd"]) == ("flow", 0.3)
    assert (await lab("flow.get", id=flow.id)).cost_usd == 0.3
    await lab("flow.cancel", id=flow.id)


async def test_a_call_that_asks_for_more_than_can_be_counted_is_counted_as_very_much(lab: Lab) -> None:
    free, bound = await lab.sh("read line"), await lab.sh("read line", budget=1000)
    with pytest.raises(Exhausted):
        await money(lab).reserve(a_call(bound.pid, 1e12, tokens=1 << 80))
    reservation = await money(lab).reserve(a_call(free.pid, 1e12, tokens=1 << 80))
    await money(lab).settle(reservation, paid(0.5))
    (left,) = await rows(lab, "SELECT reserved_nano, reserved_tokens FROM quota_spent WHERE of = ?", str(free.pid))
    assert tuple(left) == (0, 0)
