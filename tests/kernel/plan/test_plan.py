"""Plans: a small tree that stays true while the agent works, for its own eyes and those above it."""

from __future__ import annotations

from typing import Any

import pytest

from aetherd.core.errors import Forbidden, Invalid, NotFound
from aetherd.core.ids import new_id
from aetherd.operations.operation import Call
from fakes import Estate, Lab

pytestmark = pytest.mark.anyio
STEPS: list[dict[str, Any]] = [
    {"title": "look", "status": "active"},
    {"title": "change", "steps": [{"title": "the code"}, {"title": "the tests"}]},
    {"title": "tell"},
]


async def agent(lab: Lab) -> Call:
    made = await lab("agent.create", name=new_id("name"))
    call: Call = lab.running.agent_call(made.id)
    return call


async def planner(lab: Lab) -> Call:
    """Return an agent with a plan."""
    call = await agent(lab)
    await lab("plan.create", call, title="mend it", steps=STEPS)
    return call


def shape(steps: list[Any]) -> list[tuple[str, str, str]]:
    """Return number, title and status of every step."""
    found = []
    for step in steps:
        found += [(step.number, step.title, step.status), *shape(step.steps)]
    return found


async def test_steps_are_numbered_by_where_they_stand(lab: Lab) -> None:
    plan = await lab("plan.get", await planner(lab))
    assert shape(plan.steps) == [
        ("1", "look", "active"),
        ("2", "change", "pending"),
        ("2.1", "the code", "pending"),
        ("2.2", "the tests", "pending"),
        ("3", "tell", "pending"),
    ]
    assert (plan.title, plan.done, plan.total, plan.version) == ("mend it", 0, 4, 1)


async def test_steps_move_on_and_new_ones_come_at_the_end(lab: Lab) -> None:
    call = await planner(lab)
    plan = await lab(
        "plan.update",
        call,
        changes=[
            {"step": "1", "status": "done", "note": "it is the cache"},
            {"step": "2.1", "status": "active", "title": "the cache"},
        ],
        add=[{"title": "measure", "under": "2"}, {"title": "rest", "steps": [{"title": "tea"}]}],
    )
    assert shape(plan.steps) == [
        ("1", "look", "done"),
        ("2", "change", "pending"),
        ("2.1", "the cache", "active"),
        ("2.2", "the tests", "pending"),
        ("2.3", "measure", "pending"),
        ("3", "tell", "pending"),
        ("4", "rest", "pending"),
        ("4.1", "tea", "pending"),
    ]
    assert (plan.steps[0].note, plan.done, plan.total, plan.version) == ("it is the cache", 1, 6, 2)
    assert plan == await lab("plan.get", call)


async def test_who_watches_learns_what_changed(lab: Lab) -> None:
    process = await lab.spawn()
    call = lab.agent_of(process)
    made = await lab("plan.create", call, title="mend it", steps=STEPS)
    await lab("plan.update", call, changes=[{"step": "1", "status": "skipped"}], add=[{"title": "rest"}])
    created, updated = await lab.event("plan.created", pid=process.pid), await lab.event("plan.updated", plan=made.id)
    assert (created["agent"], created["data"]["title"], created["data"]["total"]) == (process.agent, "mend it", 4)
    assert updated["data"] == {
        "plan": made.id,
        "version": 2,
        "steps": {"1": "skipped", "4": "pending"},
        "done": 1,
        "total": 5,
    }


async def test_a_new_plan_takes_the_place_of_the_old(lab: Lab) -> None:
    call = await planner(lab)
    old = await lab("plan.get", call)
    new = await lab("plan.create", call, title="start over", steps=[{"title": "think"}])
    assert (await lab("plan.get", call)) == new
    assert new.id != old.id


async def test_its_maker_and_people_see_the_plan_of_an_agent_and_nobody_else_does(lab: Lab) -> None:
    lead, other = await agent(lab), await agent(lab)
    child = lab.agent_of(await lab("process.spawn", lead, runtime="puppet"))
    plan = await lab("plan.create", child, title="mend it", steps=STEPS)
    for call in (lead, None):
        assert await lab("plan.get", call, agent=child.agent) == plan
    for name, raw in (
        ("plan.get", {}),
        ("plan.update", {"changes": [{"step": "1", "status": "done"}]}),
        ("plan.create", {"title": "mine", "steps": STEPS}),
    ):
        with pytest.raises(Forbidden):
            await lab(name, other, agent=child.agent, **raw)
        with pytest.raises(NotFound):
            await lab(name, lab.running.call(user="stranger"), agent=child.agent, **raw)
    await lab("plan.update", agent=child.agent, changes=[{"step": "3", "note": "to me, please"}])
    assert (await lab("plan.get", child)).steps[2].note == "to me, please"


def nested(levels: int) -> list[dict[str, Any]]:
    return [{"title": "deep", "steps": nested(levels - 1) if levels > 1 else []}]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({"steps": []}, "steps"),
        ({"steps": [{"title": ""}]}, "title"),
        ({"steps": [{"title": "x", "status": "perhaps"}]}, "status"),
        ({"steps": [{"title": str(n), "steps": [{"title": "x"}]} for n in range(51)]}, "102 steps, at most 100"),
        ({"steps": nested(5)}, "step 1.1.1.1.1 is on level 5, at most 4"),
        ({"steps": nested(300)}, "plan.create: steps"),
    ],
)
async def test_a_plan_that_cannot_be_followed_is_refused_with_the_reason(
    lab: Lab, raw: dict[str, Any], told: str
) -> None:
    with pytest.raises(Invalid, match=told):
        await lab("plan.create", await agent(lab), title="x", **raw)


@pytest.mark.parametrize(
    ("raw", "error", "told"),
    [
        ({}, Invalid, "nothing to update"),
        ({"changes": [{"step": "1"}]}, Invalid, "give `status`, `title` or `note`"),
        ({"changes": [{"step": "7", "status": "done"}]}, NotFound, "no step '7'; there are: 1, 2, 2.1, 2.2, 3"),
        ({"add": [{"title": "x", "under": "9"}]}, NotFound, "no step '9'"),
        ({"add": [{"title": "x", "steps": nested(4)}]}, Invalid, "level 5"),
        ({"add": [{"title": "x"}] * 96}, Invalid, "101 steps, at most 100"),
    ],
)
async def test_a_wrong_update_changes_nothing(lab: Lab, raw: dict[str, Any], error: type[Exception], told: str) -> None:
    call = await planner(lab)
    before = await lab("plan.get", call)
    with pytest.raises(error, match=told):
        await lab("plan.update", call, **raw)
    assert await lab("plan.get", call) == before


async def test_without_a_plan_there_is_a_word_on_how_to_make_one(lab: Lab) -> None:
    call = await agent(lab)
    for name, raw in (("plan.get", {}), ("plan.update", {"add": [{"title": "x"}]})):
        with pytest.raises(NotFound, match=r"has no plan yet; plan\.create makes one"):
            await lab(name, call, **raw)
        with pytest.raises(Invalid, match="whose plan"):
            await lab(name, **raw)


async def test_a_plan_lives_through_a_restart(estate: Estate) -> None:
    async with estate.open() as one:
        call = await planner(one)
        plan = await one("plan.get", call)
    async with estate.open() as two:
        assert await two("plan.get", call) == plan
