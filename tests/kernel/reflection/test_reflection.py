"""Reflection: what an agent learnt is shown to the person and recalled by whoever does such work next."""

from __future__ import annotations

from typing import Any

import pytest

from aetherd.core.config import Settings
from aetherd.core.errors import Conflict, Forbidden, Invalid, NotFound
from aetherd.core.ids import new_id
from aetherd.daemon.kernel import Kernel
from aetherd.daemon.rooms import ROOMS
from fakes import Estate, Lab
from tests.kernel.template.test_template import own

pytestmark = pytest.mark.anyio


async def run_of(lab: Lab, **raw: Any) -> tuple[Any, Any]:
    """Return a process that runs, and a call of its own."""
    process = await lab.spawn(**{"goal": "sweep the cellar", **raw})
    return process, lab.agent_of(process)


async def test_what_was_learnt_is_shown_listed_and_recalled_as_a_memory_of_how_to(lab: Lab) -> None:
    process, call = await run_of(lab, goal="\n sweep  the cellar\n" + '{"tool": "broom"}\n' * 100)
    made = await lab(
        "reflection.add",
        call,
        rating=3,
        lessons=["wet brooms smear the flagstones", "begin at the far end"],
        differently="dry the broom",
        skill="sweeping, in notes/sweep.md",
        tags=["Brooms"],
    )
    assert (made.pid, made.agent, made.created_by) == (process.pid, process.agent, call.actor)
    event = (await lab.event("reflection.added", reflection=made.id, pid=process.pid))["data"]
    assert (event["rating"], event["lessons"], event["memory"]) == (3, made.lessons, made.memory)
    assert (await lab("reflection.list", call)).reflections == [made]
    other = lab.running.agent_call((await lab("agent.create", name=new_id("name"))).id)
    (memory,) = (await lab("memory.recall", other, query="flagstones broom")).memories
    assert (memory.id, memory.layer, memory.agent) == (made.memory, "procedural", process.agent)
    assert memory.tags == ["reflection", "brooms"]
    assert memory.content == (
        f"Learnt in run {process.pid} (rated 3 of 5), which was to: sweep the cellar\n"
        "- wet brooms smear the flagstones\n- begin at the far end\nNext time: dry the broom\n"
        "Could become a skill: sweeping, in notes/sweep.md"
    )


async def test_a_private_lesson_is_recalled_by_its_agent_alone(lab: Lab) -> None:
    _, call = await run_of(lab)
    made = await lab("reflection.add", call, rating=5, lessons=["the key hangs behind the icebox"], namespace="agent")
    assert [one.id for one in (await lab("memory.recall", call, query="icebox key")).memories] == [made.memory]
    other = lab.running.agent_call((await lab("agent.create", name=new_id("name"))).id)
    assert (await lab("memory.recall", other, query="icebox key")).memories == []


async def test_an_agent_looks_back_on_its_own_runs_alone(lab: Lab) -> None:
    lead = lab.running.agent_call((await lab("agent.create", name=new_id("name"))).id)
    child = await lab("process.spawn", lead, runtime="puppet")
    with pytest.raises(Forbidden, match="another agent's run"):
        await lab("reflection.add", lead, pid=child.pid, rating=1, lessons=["x"])
    with pytest.raises(Invalid, match="on which run"):
        await lab("reflection.add", lead, rating=1, lessons=["x"])
    _, stranger = await run_of(lab)
    with pytest.raises(Forbidden):
        await lab("reflection.add", stranger, pid=child.pid, rating=1, lessons=["x"])
    await lab("reflection.add", lab.agent_of(child), rating=4, lessons=["mine"])
    assert (await lab("reflection.list", stranger)).reflections == []
    assert [one.lessons for one in (await lab("reflection.list", agent=child.agent)).reflections] == [["mine"]]


async def test_one_run_is_looked_back_on_so_often_and_no_more(lab: Lab) -> None:
    process, call = await run_of(lab)
    for number in range(10):
        await lab("reflection.add", call, rating=1, lessons=[str(number)])
    before = (await lab("memory.list", call, tags=["reflection"], agent=process.agent, limit=500)).memories
    with pytest.raises(Conflict, match="10 reflections, that is enough"):
        await lab("reflection.add", call, rating=1, lessons=["again"])
    after = (await lab("memory.list", call, tags=["reflection"], agent=process.agent, limit=500)).memories
    assert [one.id for one in after] == [one.id for one in before]
    pages = await lab("reflection.list", pid=process.pid, limit=6)
    rest = await lab("reflection.list", pid=process.pid, limit=6, cursor=pages.cursor)
    assert [one.lessons for one in [*pages.reflections, *rest.reflections]] == [[str(n)] for n in range(9, -1, -1)]


@pytest.mark.parametrize(
    ("raw", "error", "told"),
    [
        ({"rating": 0}, Invalid, "rating"),
        ({"rating": 6}, Invalid, "rating"),
        ({"lessons": []}, Invalid, "lessons"),
        ({"lessons": [""]}, Invalid, "lessons"),
        ({"lessons": ["x" * 1001]}, Invalid, "lessons"),
        ({"namespace": "team"}, Invalid, "namespace"),
        ({"pid": 999_999}, NotFound, "no process 999999"),
    ],
)
async def test_a_wrong_reflection_leaves_nothing(
    lab: Lab, raw: dict[str, Any], error: type[Exception], told: str
) -> None:
    process, call = await run_of(lab)
    with pytest.raises(error, match=told):
        await lab("reflection.add", call, **{"rating": 3, "lessons": ["x"], **raw})
    assert (await lab("reflection.list", pid=process.pid)).reflections == []
    assert (await lab("memory.list", tags=["reflection"], agent=process.agent)).memories == []


@pytest.mark.parametrize(
    ("tools", "asked"), [(None, True), (["reflection.add", "tool.call"], True), (["memory.recall"], False)]
)
async def test_who_can_look_back_is_asked_to_when_the_setting_says_so(
    estate: Estate, tools: list[str] | None, asked: bool
) -> None:
    async with estate.open(reflection="all") as lab:
        await lab.spawn(goal="sweep", template=(await own(lab, tools=tools, runtime="puppet")).name)
        assert ("reflection.add" in lab.puppet.launched[-1].context) == asked


@pytest.mark.parametrize(
    ("setting", "asked"), [("off", set()), ("builtin", {"builtin"}), ("all", {"builtin", "claude-code"})]
)
def test_which_runtimes_are_asked_is_the_settings_word(settings: Settings, setting: str, asked: set[str]) -> None:
    note = Kernel(settings.model_copy(update={"reflection": setting}), ROOMS, {}).rooms["reflection"].note
    assert {runtime for runtime in ("builtin", "claude-code", "command") if note(runtime, None)} == asked
