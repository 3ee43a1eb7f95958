"""What is counted and timed: of processes, calls, tools and money, for people only, and as the dashboard draws it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import anyio
import pytest

from aetherd.core.errors import Forbidden, NotFound
from aetherd.kernel.metric.gauges import GAUGES
from aetherd.operations.metrics import MODELS, OTHER, SERIES, Metrics
from fakes import PATIENCE_S, Lab

pytestmark = pytest.mark.anyio

DASHBOARD = Path(__file__).parents[3] / "deploy" / "grafana.json"
ROOMS = {"aetherd_open_streams", "aetherd_terminals_alive", "aetherd_desktops_alive", "aetherd_browsers_alive"}


async def values(lab: Lab) -> dict[str, float]:
    """Return every sample by its name and labels."""
    found = await lab("metric.query")
    return {
        " ".join((one.name, *(f"{key}={value}" for key, value in sorted(one.labels.items())))): one.value
        for family in found.families
        for one in family.samples
    }


async def reached(lab: Lab, **least: float) -> dict[str, float]:
    """Return the samples once these are there, which are heard of a moment after they are written."""
    with anyio.fail_after(PATIENCE_S):
        while True:
            found = await values(lab)
            if all(found.get(name, 0) >= value for name, value in least.items()):
                return found
            await anyio.sleep(0.02)


async def test_processes_their_tools_and_their_money_are_counted(lab: Lab) -> None:
    before = await values(lab)
    used = {"type": "used", "input_tokens": 70, "output_tokens": 7, "cost_usd": 0.25, "model": "m-1"}
    called = {"type": "called", "id": "t1", "tool": "Bash", "input": {}}
    returned = {"type": "returned", "id": "t1", "text": "ok"}
    lines = " ;; ".join("print " + json.dumps(line) for line in (called, returned, used))
    made = await lab.spawn(goal=f"{lines} ;; say done")
    await lab.result(made.pid)
    await lab("process.kill", pid=made.pid)
    found = await reached(
        lab,
        **{
            "aetherd_runs_ended_total outcome=killed runtime=puppet": 1,
            "aetherd_spawns_total runtime=puppet": 1,
            "aetherd_tool_calls_total runtime=puppet": 1,
            "aetherd_tool_call_seconds_count runtime=puppet": 1,
            "aetherd_tokens_total kind=input model=m-1 source=runtime": 70,
            "aetherd_cost_usd_total model=m-1 source=runtime": 0.25,
            "aetherd_events_total type=process.exited": 1,
        },
    )
    assert found["aetherd_calls_total face=http operation=process.spawn outcome=ok"] >= 1
    assert found["aetherd_write_seconds_count"] > before.get("aetherd_write_seconds_count", 0)
    assert not [name for name in found if "pid=" in name]


async def test_what_stands_is_shown_by_state_and_tier(lab: Lab) -> None:
    made = await lab.ready(await lab.spawn())
    limit = json.dumps({"type": "ended", "outcome": "limited"})
    parked = await lab.spawn(goal=f"print {limit} ;; work")
    asks = await lab.spawn(goal="ask Bash ls")
    await lab.event("agent.limit_reached", pid=parked.pid)
    await lab.event("agent.permission_requested", pid=asks.pid)
    found = await values(lab)
    assert found["aetherd_processes state=running"] >= 2
    assert (found["aetherd_processes_limited"], found["aetherd_approvals_waiting"]) == (1, 1)
    assert found[f"aetherd_sandboxes tier={made.sandbox['tier']}"] >= 2
    assert (found["aetherd_event_subscribers"] >= 1, found["aetherd_writes_waiting"] >= 0) == (True, True)
    for one in (made, parked, asks):
        await lab("process.kill", pid=one.pid)


async def test_a_call_that_is_refused_is_counted_by_its_code(lab: Lab) -> None:
    with pytest.raises(NotFound):
        await lab("process.get", pid=1 << 40)
    assert (await values(lab))["aetherd_calls_total face=http operation=process.get outcome=not_found"] == 1


async def test_only_people_with_the_scope_see_them(lab: Lab) -> None:
    text: Any = lab.running.house.metrics
    assert b"# TYPE aetherd_processes gauge" in await text(lab.running.call(scopes=frozenset({"metric:read"})), {})
    assert b"\naetherd_open_streams 3.0" in await text(lab.running.call(), {"aetherd_open_streams": 3})
    agent = lab.running.agent_call("agent_x", pid=1)
    for call in (agent, lab.running.call(scopes=frozenset({"token:read"}))):
        with pytest.raises(Forbidden):
            await text(call, {})
        with pytest.raises(Forbidden):
            await lab("metric.query", call)


def test_models_that_nobody_knows_do_not_make_series_without_end() -> None:
    metrics = Metrics()
    names = {metrics.model(f"model-{number}") for number in range(MODELS * 2)}
    assert len(names) == MODELS + 1
    assert {OTHER, metrics.model("model-0")} <= names


def test_every_metric_of_the_dashboard_exists() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    drawn = {name for panel in panels for one in panel["targets"] for name in re.findall(r"\baetherd_\w+", one["expr"])}
    known = {name if one.buckets is None else f"{name}_bucket" for name, one in SERIES.items()}
    known = {f"{name}_total" if not name.endswith("_bucket") else name for name in known} | set(GAUGES) | ROOMS
    assert drawn <= known, drawn - known
    missing = {name.removesuffix("_bucket") for name in (known - ROOMS) - drawn}
    assert not missing, f"counted and never drawn: {missing}"
