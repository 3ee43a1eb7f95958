"""What a flow's agents may start and cost: held where a process is made, not by advice."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import anyio
import pytest

from aetherd.core.errors import Conflict, Exhausted
from aetherd.kernel.flow import service
from aetherd.operations.operation import Call
from fakes import PATIENCE_S
from tests.kernel.flow.conftest import Flows, puppet, shell

pytestmark = pytest.mark.anyio


def spending(usd: float) -> str:
    """Return what has a puppet say that it has cost so much."""
    return f'print {{"type": "used", "cost_usd": {usd}}}'


class Gate:
    """Holds a puppet until it is opened."""

    def __init__(self, square: Path) -> None:
        self.path = square / "gate"
        os.mkfifo(self.path)
        self.path.chmod(0o666)

    def open(self) -> None:
        os.close(os.open(self.path, os.O_WRONLY | os.O_NONBLOCK))


@pytest.fixture
def gate(square: Path) -> Gate:
    return Gate(square)


async def running(flows: Flows, flow: Any, step: str) -> Call:
    """Return a call of the agent that works on a step."""
    told = await flows.lab.event("flow.step_started", flow=flow.id, step=step)
    process = await flows.lab("process.get", pid=told["pid"])
    call: Call = flows.lab.agent_of(await flows.lab.ready(process))
    return call


async def worker(flows: Flows, call: Call, **more: Any) -> Any:
    return await flows.lab("process.spawn", call, runtime="command", argv=["sleep", "1000"], **more)


async def test_a_lead_starts_so_many_workers_so_deep_and_none_outlives_its_step(flows: Flows, gate: Gate) -> None:
    lead = puppet(f"fifo {gate.path} ;; say done", max_workers=2, max_depth=1)
    flow = await flows.run({"name": "lead", "supervise": lead})
    call = await running(flows, flow, "lead")
    one = await worker(flows, call)
    with pytest.raises(Exhausted, match="workers may be 1 deep"):
        await worker(flows, flows.lab.agent_of(one))
    inner = await flows.run({"agent": shell("sleep 1000")}, call=call)  # a flow of the lead's is no way around
    two = await flows.lab.event("flow.step_started", flow=inner.id)
    with pytest.raises(Exhausted, match="may start 2 workers, and has"):
        await worker(flows, call)
    assert [p.pid for p in (await flows.lab("process.list", state="live", limit=500)).processes if p.parent == call.pid]
    gate.open()
    done = await flows.ended(flow)
    assert (done.state, done.outputs.partition("\n")[0]) == ("completed", "done")
    for pid in (one.pid, two["pid"]):
        assert (await flows.gone(pid)).outcome == "killed"
    assert (await flows.gone(call.pid or 0)).outcome == "completed"
    with pytest.raises(Conflict, match=r"step lead of flow .* has ended"):
        await worker(flows, call)


async def test_an_agent_that_costs_more_than_its_budget_is_ended(flows: Flows, gate: Gate) -> None:
    goal = f"{spending(0.5)} ;; fifo {gate.path}"
    flow = await flows.ended(await flows.run({"name": "dear", "agent": puppet(goal, budget=0.4)}))
    assert flow.reason == "step dear: it has cost 0.5 USD of 0.4; this was ended"
    assert (flow.cost_usd, flow.steps[0].cost_usd) == (0.5, 0.5)
    assert (await flows.gone(flow.steps[0].pid)).outcome == "killed"


async def test_nothing_is_started_that_could_cost_a_flow_more_than_it_may(flows: Flows) -> None:
    steps: list[Any] = [{"name": f"s{n}", "agent": puppet(f"{spending(0.3)} ;; say ok", budget=0.5)} for n in range(3)]
    flow = await flows.ended(await flows.run(*steps, budget=1.0))
    assert [step.state for step in flow.steps] == ["completed", "completed", "failed"]
    assert "may cost 1 USD; 0.6 are spent or set aside, this could cost 0.5" in flow.reason
    assert (flow.cost_usd, len(flows.spawned(flow))) == (0.6, 2)


async def test_workers_spend_from_the_budget_of_their_step(flows: Flows, gate: Gate) -> None:
    goal = f"{spending(0.2)} ;; fifo {gate.path} ;; say done"
    flow = await flows.run({"name": "lead", "supervise": puppet(goal, max_workers=9, budget=1.0)}, budget=1.0)
    call = await running(flows, flow, "lead")
    made = await flows.lab("process.spawn", call, runtime="puppet", goal=f"{spending(0.9)} ;; say ok")
    await flows.lab.event("agent.usage", pid=made.pid)
    spent, over = (
        "has spent its 1 USD",
        "has ended; it starts nothing any more",
    )  # whichever the flow is quick enough for
    with pytest.raises((Exhausted, Conflict), match=f"{spent}|{over}"):
        await worker(flows, call)
    assert "has cost 1.1 USD of 1; this was ended" in (await flows.ended(flow)).reason


async def test_a_flow_that_runs_itself_comes_to_an_end(flows: Flows) -> None:
    agent = await flows.lab("agent.create", name="again")
    call = flows.lab.running.agent_call(agent.id)
    itself = "steps: [{name: again, call: {operation: flow.run, input: {file: work/again.yaml}}}]"
    await flows.lab("fs.write", call, path="work/again.yaml", content=itself)
    await flows.lab("flow.run", call, file="work/again.yaml")
    with anyio.fail_after(PATIENCE_S):
        while (found := (await flows.lab("flow.list", call)).flows)[0].state != "failed":
            await flows.lab.event("flow.finished", flow=found[0].id)
    assert len(found) == 8
    assert "at most 8 deep" in str(found[0].reason)


async def test_an_agent_has_so_many_flows_at_once_and_leaves_room_for_others(
    flows: Flows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_OF_ONE", 3)
    ann, bob = [
        flows.lab.running.agent_call((await flows.lab("agent.create", name=name)).id) for name in ("many", "other")
    ]
    asks = {"name": "ask", "ask": "May I?"}
    open_ones = [await flows.run(asks, call=ann) for _ in range(3)]
    with pytest.raises(Exhausted, match="3 flows have not ended"):
        await flows.run(asks, call=ann)
    open_ones.append(await flows.run(asks, call=bob))
    for one in open_ones:
        await flows.lab("flow.cancel", id=one.id)
