"""Flows and steps as they are shown; a caller as it is kept."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from aetherd.core.ids import new_id
from aetherd.core.model import position
from aetherd.kernel.flow.models import SHOWN, Flow, FlowGet, FlowStep, Plan
from aetherd.kernel.flow.record import Row
from aetherd.operations.operation import Call
from aetherd.store.rows import fetch

KEPT = ("actor", "user", "org", "agent", "pid", "toolset", "token", "client", "confirm")


def stored(call: Call) -> str:
    """Return who runs a flow as it is kept for its steps."""
    lists = {"scopes": sorted(call.scopes), "chain": list(call.chain)}
    tools = None if call.tools is None else sorted(call.tools)
    return json.dumps({**{field: getattr(call, field) for field in KEPT}, **lists, "tools": tools})


def restored(text: str) -> Call:
    """Return a call of whoever runs a flow."""
    kept = json.loads(text)
    scopes, chain, tools = kept.pop("scopes"), kept.pop("chain"), kept.pop("tools")
    limited = None if tools is None else frozenset(tools)
    return Call(new_id("call"), face="internal", scopes=frozenset(scopes), chain=tuple(chain), tools=limited, **kept)


def page(cursor: sqlite3.Cursor, input: FlowGet) -> list[Row]:
    """Return the steps that are asked for, and one more when there are."""
    where, values = ["flow = ?"], [input.id]
    if input.step is not None:
        where, values = [*where, "path = ?"], [*values, input.step]
    if input.states:
        where.append(f"state IN ({','.join('?' * len(input.states))})")
        values += input.states
    return fetch(
        cursor.execute(
            f"SELECT * FROM flow_step WHERE {' AND '.join(where)} AND seq > ? ORDER BY seq LIMIT ?",
            (*values, position(input.cursor, 0), input.limit + 1),
        )
    )


def flow(
    row: Row, steps: list[Row] | None = None, input: FlowGet | None = None, costs: Mapping[str, float] | None = None
) -> Flow:
    """Return a flow as it is shown; `costs` are those of its steps so far."""
    steps, limit, costs = steps or [], 0 if input is None else input.limit, costs or {}
    more, steps = len(steps) > limit, steps[:limit]
    whole = input is not None and input.step is not None
    return Flow(
        id=row["id"],
        name=row["name"],
        state=row["state"],
        reason=row["error"],
        steps=[_step(one, whole, costs) for one in steps],
        cursor=str(steps[-1]["seq"]) if more else None,
        outputs=None if row["outputs"] is None else json.loads(row["outputs"]),
        cost_usd=round(sum(costs.values()), 6) if row["ended_at"] is None else row["cost_usd"],
        budget=row["budget"],
        agent=row["agent"],
        created_at=row["created_at"],
        ended_at=row["ended_at"],
    )


def planned(name: str, plan: Plan, agent: str | None) -> Flow:
    """Return a flow that was only planned."""
    nothing: dict[str, Any] = {"id": None, "reason": None, "cursor": None, "outputs": None}
    return Flow(
        name=name,
        state="planned",
        steps=[],
        cost_usd=0,
        budget=plan.budget,
        agent=agent,
        created_at=None,
        ended_at=None,
        plan=plan,
        **nothing,
    )


def _step(row: Row, whole: bool, costs: Mapping[str, float]) -> FlowStep:
    output = row["output"]
    if output is not None and output.startswith('"'):
        output = json.loads(output)
    if output is not None and not whole and len(output) > SHOWN:
        output = f"{output[:SHOWN]}…"
    return FlowStep(
        name=row["path"],
        output=output,
        **{field: row[field] for field in ("kind", "state", "attempt", "pid", "approval", "error")},
        cost_usd=round(costs.get(row["path"], 0.0), 6) if row["ended_at"] is None else row["cost_usd"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        due=row["due"],
    )
