"""Feedback: a person's word on a run or a step reaches who looks, and the agent when it runs again."""

from __future__ import annotations

from typing import Any

import pytest

from aetherd.core.errors import AetherError, Forbidden, Invalid, NotFound
from fakes import Estate, Lab

pytestmark = pytest.mark.anyio


async def ran(lab: Lab, goal: str = "sweep the floor", **raw: Any) -> Any:
    """Return a run that has ended."""
    process = await lab.spawn(goal=goal, **raw)
    await lab.result(process.pid)
    await lab("process.kill", pid=process.pid)
    return await lab.ended(process.pid)


async def told(lab: Lab, agent: str) -> str:
    """Return what an agent is told at its next start."""
    process = await lab.spawn(agent=agent, goal="go on", session="new")
    await lab("process.kill", pid=process.pid)
    await lab.ended(process.pid)
    return lab.puppet.launched[-1].context


async def step_of(lab: Lab, pid: int, kind: str) -> int:
    return int((await lab.event(kind, pid=pid))["id"])


async def test_a_word_on_a_run_is_kept_shown_in_its_timeline_and_listed(lab: Lab) -> None:
    run = await ran(lab)
    made = await lab("feedback.submit", pid=run.pid, verdict="up", comment="it shines")
    assert (made.agent, made.about, made.step, made.created_by) == (run.agent, "sweep the floor", None, "user:owner")
    last = (await lab("process.timeline", pid=run.pid)).events[-1]
    assert last["type"] == "feedback.submitted"
    assert last["data"] == {"feedback": made.id, "verdict": "up", "step": None, "comment": "it shines"}
    assert (await lab("feedback.list", pid=run.pid)).feedback == [made]


async def test_a_word_on_a_step_says_what_the_step_was(lab: Lab) -> None:
    run = await ran(lab, "say I am done")
    made = await lab("feedback.submit", pid=run.pid, step=await step_of(lab, run.pid, "agent.text"), verdict="down")
    assert made.about == "agent.text I am done"


async def test_a_second_word_on_the_same_thing_takes_the_place_of_the_first(lab: Lab) -> None:
    run = await ran(lab)
    step = await step_of(lab, run.pid, "process.spawned")
    first = await lab("feedback.submit", pid=run.pid, verdict="up", comment="fine")
    await lab("feedback.submit", pid=run.pid, verdict="up", step=step)
    second = await lab("feedback.submit", pid=run.pid, verdict="down")
    found = {one.step: (one.verdict, one.comment) for one in (await lab("feedback.list", pid=run.pid)).feedback}
    assert (second.id, found) == (first.id, {None: ("down", ""), step: ("up", "")})


async def test_the_agent_is_told_at_its_next_start_in_few_words(lab: Lab) -> None:
    run = await ran(lab)
    assert "said about your runs" not in await told(lab, run.agent)
    step = await step_of(lab, run.pid, "agent.told")
    await lab("feedback.submit", pid=run.pid, verdict="down", comment="you\nforgot the corners " + "x" * 900)
    await lab("feedback.submit", pid=run.pid, verdict="up", step=step)
    context = await told(lab, run.agent)
    assert f"- good: run {run.pid}, step {step} (agent.told sweep the floor)" in context
    assert f"- bad: run {run.pid} (sweep the floor): you forgot the corners xxx" in context
    for one in (await lab("process.timeline", pid=run.pid, limit=20)).events:
        await lab("feedback.submit", pid=run.pid, verdict="down", step=one["id"], comment="y" * 2000)
    assert len(await told(lab, run.agent)) < 2000
    assert "said about your runs" not in await told(lab, (await ran(lab)).agent)


async def test_an_agent_reads_what_was_said_of_itself_alone_and_says_nothing(lab: Lab) -> None:
    one, other = await ran(lab), await ran(lab)
    for run in (one, other):
        await lab("feedback.submit", pid=run.pid, verdict="up", comment=f"to {run.pid}")
    call = lab.agent_of(one)
    assert [each.comment for each in (await lab("feedback.list", call)).feedback] == [f"to {one.pid}"]
    assert (await lab("feedback.list", call, pid=other.pid)).feedback == []
    assert (await lab("feedback.list", lab.running.call(user="stranger"))).feedback == []
    with pytest.raises(Forbidden):
        await lab("feedback.submit", call, pid=one.pid, verdict="up")


async def test_lists_come_page_by_page_and_by_verdict(lab: Lab) -> None:
    run = await ran(lab)
    steps = [one["id"] for one in (await lab("process.timeline", pid=run.pid)).events[:3]]
    for step, verdict in zip(steps, ("up", "down", "up"), strict=True):
        await lab("feedback.submit", pid=run.pid, step=step, verdict=verdict)
    page = await lab("feedback.list", agent=run.agent, limit=2)
    rest = await lab("feedback.list", agent=run.agent, limit=2, cursor=page.cursor)
    assert [one.step for one in [*page.feedback, *rest.feedback]] == steps[::-1]
    assert rest.cursor is None
    assert [one.step for one in (await lab("feedback.list", agent=run.agent, verdict="down")).feedback] == [steps[1]]


@pytest.mark.parametrize(
    ("raw", "error", "told"),
    [
        ({"pid": 999_999}, NotFound, "no process 999999"),
        ({"pid": 0}, Invalid, "pid"),
        ({"step": 10**9}, NotFound, r"has no step 1000000000; process\.timeline shows"),
        ({"step": 0}, Invalid, "step"),
        ({"step": 10**30}, Invalid, "step"),
        ({"verdict": "sideways"}, Invalid, "verdict"),
        ({"comment": "x" * 2001}, Invalid, "comment"),
    ],
)
async def test_a_word_on_nothing_is_refused_with_the_reason(
    lab: Lab, raw: dict[str, Any], error: type[AetherError], told: str
) -> None:
    run = await ran(lab)
    with pytest.raises(error, match=told):
        await lab("feedback.submit", **{"pid": run.pid, "verdict": "up", **raw})
    assert (await lab("feedback.list", pid=run.pid)).feedback == []


async def test_a_step_of_another_run_and_a_run_of_another_person_are_refused(lab: Lab) -> None:
    one, other = await ran(lab), await ran(lab)
    with pytest.raises(NotFound, match=f"process {one.pid} has no step"):
        await lab("feedback.submit", pid=one.pid, verdict="up", step=await step_of(lab, other.pid, "process.spawned"))
    with pytest.raises(Forbidden, match="belongs to somebody else"):
        await lab("feedback.submit", lab.running.call(user="stranger"), pid=one.pid, verdict="up")


async def test_feedback_lives_through_a_restart(estate: Estate) -> None:
    async with estate.open() as one:
        run = await ran(one)
        made = await one("feedback.submit", pid=run.pid, verdict="down", comment="the corners")
    async with estate.open() as two:
        assert (await two("feedback.list")).feedback == [made]
        assert "the corners" in await told(two, run.agent)
