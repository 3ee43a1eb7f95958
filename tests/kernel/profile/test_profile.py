"""Profiles: figures that aetherd counted itself, and beside them what people say."""

from __future__ import annotations

from typing import Any

import pytest

from aetherd.core.errors import Forbidden, Invalid, NotFound
from aetherd.core.ids import new_id
from aetherd.kernel.process.events import AgentToolCalled
from aetherd.kernel.process.queries import Run
from aetherd.kernel.process.tables import ProcessRow
from aetherd.kernel.profile import service
from aetherd.kernel.profile.counting import figures
from aetherd.store import Tx
from fakes import Estate, Lab

pytestmark = pytest.mark.anyio


async def agent(lab: Lab, **raw: Any) -> Any:
    return await lab("agent.create", name=new_id("name"), **raw)


async def run(lab: Lab, agent: str, goal: str) -> Any:
    process = await lab.spawn(agent=agent, goal=goal, session="new")
    return await lab.ended(process.pid)


async def test_a_profile_counts_runs_outcomes_tools_and_thumbs(lab: Lab) -> None:
    made = await agent(lab, role="sweeper")
    empty = await lab("profile.get", agent=made.id)
    assert (empty.runs, empty.success_rate, empty.durations, empty.last_run, empty.tools) == (0, None, None, None, [])
    for goal in ("ask Bash ls ;; exit 0", "say done ;; exit 0", "exit 3"):
        await run(lab, made.id, goal)
    last = await run(lab, made.id, "say done ;; exit 0")
    await lab("feedback.submit", pid=last.pid, verdict="up")
    found = await lab("profile.get", agent=made.name)
    assert (found.agent, found.role, found.runs, found.running) == (made.id, "sweeper", 4, 0)
    results = [(await lab("process.get", pid=pid)).outcome for pid in range(last.pid - 3, last.pid + 1)]
    assert found.outcomes == {word: results.count(word) for word in dict.fromkeys(found.outcomes)}
    assert sum(found.outcomes.values()) == 4
    assert found.outcomes["failed"] >= 1
    assert found.success_rate == results.count("completed") / 4
    assert (found.runtimes, found.models) == ({"puppet": 4}, {"puppet-1": 4})
    assert (found.last_run.pid, found.last_run.state) == (last.pid, "exited")
    assert [(one.tool, one.calls) for one in found.tools] == [("Bash", 1)]
    assert (found.thumbs_up, found.thumbs_down) == (1, 0)
    assert 0 < found.durations.p50_s <= found.durations.p90_s < 60


def test_figures_are_those_of_the_runs() -> None:
    def one(pid: int, outcome: str, seconds: int | None, cost: float = 0.0) -> Run:
        at = [f"2026-01-01T00:{pid:02}:00.000Z", f"2026-01-01T00:{pid:02}:{seconds or 0:02}.000Z"]
        ended = None if seconds is None else at[1]
        state = "running" if ended is None else "exited"
        return Run(pid, "builtin", None, state, outcome, at[0], at[0], ended, cost, 10, 1)

    runs = [one(4, "running", None), one(3, "completed", 30, 0.25), one(2, "killed", 2, 0.5), one(1, "completed", 4)]
    found = figures(runs)
    assert (found["runs"], found["running"], found["outcomes"]) == (4, 1, {"completed": 2, "killed": 1})
    assert (found["success_rate"], found["cost_usd"], found["input_tokens"]) == (0.6667, 0.75, 40)
    assert (found["durations"].p50_s, found["durations"].p90_s) == (4.0, 30.0)
    assert found["last_run"].pid == 4


async def test_expertise_comes_from_a_person_from_tasks_done_and_from_memories(lab: Lab) -> None:
    made, queue = await agent(lab), new_id("q").replace("_", "-")
    call = lab.running.agent_call(made.id)
    for tags in (["brooms", "cellar"], ["brooms", "reflection"], ["demo", "completed"]):  # the house's own say nothing
        await lab("memory.remember", call, content=f"a broom {tags}", tags=tags)
    for end in ("complete", "complete", "fail"):
        task = await lab("task.create", title="sweep", queue=queue)
        await lab("task.claim", call, id=task.id)
        await lab(f"task.{end}", call, id=task.id, **({"reason": "tired"} if end == "fail" else {}))
    await lab("profile.update", agent=made.id, expertise=["Sweeping", "sweeping", " "])
    found = await lab("profile.get", call)
    assert [(one.source, one.topic, one.count) for one in found.expertise] == [
        ("person", "sweeping", None),
        ("task", queue, 2),
        ("memory", "brooms", 2),
        ("memory", "cellar", 1),
    ]


async def test_a_person_writes_notes_and_what_is_left_out_stays(lab: Lab) -> None:
    made = await agent(lab)
    await lab("profile.update", agent=made.id, notes="ask before you wake it", expertise=["stairs"])
    found = await lab("profile.update", agent=made.id, notes="wake it gently")
    assert (found.notes, [one.topic for one in found.expertise]) == ("wake it gently", ["stairs"])
    event = await lab.event("profile.updated", notes="wake it gently")
    assert (event["agent"], event["data"]["expertise"]) == (made.id, ["stairs"])


async def test_an_agent_reads_its_own_profile_and_those_of_its_own_and_changes_none(lab: Lab) -> None:
    lead, other = lab.running.agent_call((await agent(lab)).id), lab.running.agent_call((await agent(lab)).id)
    child = await lab("process.spawn", lead, runtime="puppet")
    assert {one.agent for one in (await lab("profile.list", lead)).profiles} == {lead.agent, child.agent}
    assert (await lab("profile.get", lead, agent=child.agent)).runs == 1
    assert {one.agent for one in (await lab("profile.list", other)).profiles} == {other.agent}
    with pytest.raises(Forbidden):
        await lab("profile.get", other, agent=child.agent)
    with pytest.raises(Forbidden):
        await lab("profile.update", lead, agent=lead.agent, notes="I am the best")
    with pytest.raises(NotFound):
        await lab("profile.update", lab.running.call(user="stranger"), agent=child.agent, notes="x")


async def test_profiles_are_listed_page_by_page_newest_agent_first(estate: Estate) -> None:
    async with estate.open() as lab:
        made = [(await agent(lab)).id for _ in range(3)]
        page = await lab("profile.list", limit=2)
        rest = await lab("profile.list", limit=2, cursor=page.cursor)
        assert [one.agent for one in [*page.profiles, *rest.profiles]] == made[::-1]
        assert rest.cursor is None
        await lab("profile.update", agent=made[0], notes="stays")
    async with estate.open() as again:
        assert (await again("profile.get", agent=made[0])).notes == "stays"


async def test_wrong_input_is_refused_with_the_reason(lab: Lab) -> None:
    with pytest.raises(Invalid, match="whose profile"):
        await lab("profile.get")
    for raw in ({"cursor": "x"}, {"limit": 51}):
        with pytest.raises(Invalid, match=next(iter(raw))):
            await lab("profile.list", **raw)
    for operation in ("get", "update"):
        with pytest.raises(NotFound, match="no agent 'nobody'"):
            await lab(f"profile.{operation}", agent="nobody")
    with pytest.raises(Invalid, match="expertise"):
        await lab("profile.update", agent=(await agent(lab)).id, expertise=["x"] * 31)


async def test_only_the_newest_runs_and_calls_are_counted(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "RUNS", 2)
    monkeypatch.setattr(service, "CALLS", 4)
    made = await agent(lab)
    at = "2026-01-01T00:00:00.000Z"

    def fill(tx: Tx) -> None:
        row = {"agent": made.id, "user": "owner", "org": "home", "name": "x", "runtime": "builtin", "cwd": "/"}
        row |= {"secret": "", "toolset": "worker", "rows": 1, "cols": 1, "state": "exited", "created_at": at}
        for outcome in ("failed", "completed", "completed"):
            tx.session.add(ProcessRow(**row, started_at=at, exited_at=at, outcome=outcome))
        for number in range(6):
            tx.emit(AgentToolCalled(agent=made.id, tool_call=str(number), tool=f"tool{number // 3}", input={"x": "y"}))

    await lab.kernel.store.write(fill)
    found = await lab("profile.get", agent=made.id)
    assert (found.runs, found.success_rate) == (2, 1.0)
    assert [(one.tool, one.calls) for one in found.tools] == [("tool1", 3), ("tool0", 1)]
