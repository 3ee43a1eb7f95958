"""A house that goes down in the middle of flows: the next one goes on, and does nothing twice."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from aetherd.core.errors import Exhausted, StorageFull
from aetherd.kernel.flow.ledger import Ledger
from fakes import Estate
from tests.kernel.flow.conftest import Flows, shell

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def opened(estate: Estate) -> AsyncIterator[Flows]:
    """Bring the house up; what goes wrong in it is told without the task groups around it."""
    try:
        async with estate.open() as lab:
            yield Flows(lab)
    except BaseExceptionGroup as exc:
        inner: BaseException = exc
        while isinstance(inner, BaseExceptionGroup):
            inner = inner.exceptions[0]
        raise inner from None


def leaving(square: Path, name: str, then: str) -> dict[str, Any]:
    """Return a command that leaves a mark each time it is started."""
    return shell(f"echo x >> {square}/{name}; {then}")


async def test_a_thousand_steps_in_a_second_and_half_of_them_known_again_after_a_restart(estate: Estate) -> None:
    steps: list[Any] = [{"name": f"s{n}", "set": n} for n in range(1000)]
    steps[500] = {"name": "hold", "ask": "go on?"}
    async with opened(estate) as flows:
        flow = await flows.run(*steps)
        approval = await flows.asked(flow, "hold")
    async with opened(estate) as flows:
        begun = time.monotonic()
        await flows.lab("approval.decide", id=approval, decision="allow_once")
        found = await flows.ended(flow)
        assert (found.state, found.outputs) == ("completed", 999)
        assert time.monotonic() - begun < 10  # a bound for a starved machine; the figure is in benchmarks/flows.py
        finished = [one["data"]["step"] for one in flows.lab.events if one["type"] == "flow.step_finished"]
        assert len(finished) == len(set(finished)) == 1000


async def test_agents_are_found_again_and_started_once(estate: Estate, square: Path) -> None:
    wait = f"while [ ! -e {square}/go ]; do sleep 0.02; done; echo done"
    branches = {key: {"agent": leaving(square, key, wait)} for key in ("a", "b")}
    first = {"name": "first", "agent": leaving(square, "first", "echo one")}
    async with opened(estate) as flows:
        flow = await flows.run(first, {"name": "p", "parallel": {"branches": branches}})
        for key in branches:
            await flows.lab.event("flow.step_started", flow=flow.id, step=f"p/{key}/agent1")
    (square / "go").touch()
    async with opened(estate) as flows:
        found = await flows.ended(flow)
        assert (found.state, found.outputs) == ("completed", {"a": "done", "b": "done"})
        assert [(square / name).read_text() for name in ("first", "a", "b")] == ["x\n"] * 3
        assert len(flows.spawned(flow)) == 3


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"decision": "allow_once"}, ("completed", None, 1)),
        ({"decision": "deny", "reason": "it was done"}, ("completed", "it was done", 0)),
        ({"decision": "deny"}, ("failed", None, 0)),
    ],
)
async def test_of_a_call_that_was_under_way_a_person_is_asked(
    estate: Estate, answer: dict[str, Any], outcome: tuple[str, str | None, int]
) -> None:
    begun = anyio.Event()
    call = {"operation": "memory.remember", "input": {"content": "the sky is blue"}}
    steps = ({"name": "c", "call": call}, {"set": "{{ steps.c.output }}"})
    async with opened(estate) as flows:

        async def hang(**_: Any) -> None:
            begun.set()
            await anyio.sleep_forever()

        known = flows.lab.running.house.registry._operations
        known["memory.remember"] = replace(known["memory.remember"], handler=hang)
        flow = await flows.run(*steps)
        await begun.wait()
    async with opened(estate) as flows:
        approval = await flows.asked(flow, "c")
        assert (await flows.step(flow, "c")).state == "unknown"
        await flows.lab("approval.decide", id=approval, **answer)
        found = await flows.ended(flow)
        kept = len((await flows.lab("memory.list")).memories)
        said = found.outputs if isinstance(found.outputs, str) else None
        assert (found.state, said, kept) == outcome


async def test_a_call_that_waits_for_leave_is_found_by_its_question_and_made_once(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(estate) as flows:
        agent = flows.lab.running.agent_call((await flows.lab("agent.create", name="forgetful")).id)
        kept = await flows.lab("memory.remember", agent, content="to be forgotten")
        with monkeypatch.context() as patch:  # as if aetherd was killed after the question, before the step knew of it
            patch.setattr(Ledger, "waits", lambda *_: anyio.sleep_forever())
            call = {"operation": "memory.forget", "input": {"id": kept.id}}
            flow = await flows.run({"name": "gone", "call": call}, call=agent)
            await flows.lab.event("approval.requested", tool="memory.forget")
            await anyio.wait_all_tasks_blocked()
    async with opened(estate) as flows:
        approval = await flows.asked(flow, "gone")
        (only,) = (await flows.lab("approval.list", state="pending")).approvals
        assert (only.id, only.kind) == (approval, "operation")
        await flows.lab("approval.decide", id=approval, decision="allow_once")
        assert (await flows.ended(flow)).state == "completed"


async def test_what_was_to_be_stopped_is_stopped_after_a_restart(estate: Estate) -> None:
    async with opened(estate) as flows:
        flow = await flows.run({"name": "s", "agent": shell("sleep 1000")})
        pid = (await flows.lab.event("flow.step_started", flow=flow.id))["pid"]
        stopping = flows.lab.kernel.rooms["flow"]._stopping
        stopping._wake = lambda: None  # as if aetherd was killed right after the commit
        await flows.lab("flow.cancel", id=flow.id)
        assert (await flows.lab("process.get", pid=pid)).ended_by is None
    async with opened(estate) as flows:
        assert (await flows.gone(pid)).outcome == "killed"


async def test_a_full_disk_holds_a_flow_up_and_fails_nothing(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(estate) as flows:
        flow = await flows.run({"name": "hold", "ask": "go on?"}, {"name": "a", "set": 1})
        approval = await flows.asked(flow, "hold")
        store, full = flows.lab.kernel.store, [3]
        write = store.write

        async def refuse(work: Any) -> Any:
            if full[0] and "flow" in work.__module__:
                full[0] -= 1
                raise StorageFull("the disk is full")
            return await write(work)

        await flows.lab("approval.decide", id=approval, decision="allow_once")
        monkeypatch.setattr(store, "write", refuse)
        with anyio.fail_after(20):
            while (await flows.lab("flow.get", id=flow.id)).state != "completed":
                flows.lab.clock.advance(2)
                await anyio.sleep(0.02)
        assert full == [0]


async def test_one_user_has_so_many_flows_and_no_more(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aetherd.kernel.flow.service.MOST_OPEN", 2)
    async with opened(estate) as flows:
        for _ in range(2):
            await flows.run({"ask": "?"})
        with pytest.raises(Exhausted, match="2 flows have not ended"):
            await flows.run({"set": 1})
