"""What a flow would do at worst, without doing any of it: order, bounds multiplied out, cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aetherd.core.errors import Invalid
from aetherd.kernel.flow.check import needs_of
from aetherd.kernel.flow.definition import Agent, Definition, Step, Supervise
from aetherd.kernel.flow.expression import Wrong, render, shown
from aetherd.kernel.flow.models import Plan, PlannedStep
from aetherd.kernel.flow.scope import Scope

RUNS = 50_000  # most steps that a flow may come to


@dataclass
class _Sum:
    runs: int = 0
    agents: int = 0
    cost: float = 0.0
    unbounded: list[str] = field(default_factory=list)
    steps: list[PlannedStep] = field(default_factory=list)


def plan_of(definition: Definition, inputs: Mapping[str, Any], budget: float | None) -> Plan:
    """Return the plan; raises `Invalid` when the bounds multiply to more than a flow may run."""
    found = _Sum()
    _steps(found, definition.steps, Scope({"inputs": dict(inputs)}), "", 1)
    if found.runs > RUNS:
        raise Invalid(
            f"flow: its bounds multiply to {found.runs:,} steps, at most {RUNS:,}; lower `max` or `max_items`",
            field="flow",
        )
    worst = None if found.unbounded else round(found.cost, 6)
    if budget is not None:
        worst = budget if worst is None else min(worst, budget)
    return Plan(
        steps=found.steps,
        most_steps=found.runs,
        most_agents=found.agents,
        worst_case_usd=worst,
        unbounded=found.unbounded,
        budget=budget,
    )


def _steps(found: _Sum, steps: Sequence[Step], scope: Scope, place: str, times: int) -> None:
    needs = needs_of(steps, place)
    for step in steps:
        path = f"{place}{step.name}"
        agents = list(_agents(step))
        tries = step.retry.attempts
        count = sum(1 + (one.max_workers if isinstance(one, Supervise) else 0) for one in agents)
        budgets = [one.budget for one in agents]
        bounded = all(one is not None for one in budgets)
        cost = sum(one or 0.0 for one in budgets) * tries * times
        found.runs += times * tries * (1 + (len(agents) if step.vote is not None else 0))
        found.agents += count * tries * times
        found.cost += cost
        if not bounded:
            found.unbounded.append(path)
        inner, parallel = _repeated(step, scope)
        found.steps.append(
            PlannedStep(
                step=path,
                kind=step.kind,
                needs=needs[step.name],
                what=_what(step)[:200],
                times=times * tries,
                max_parallel=parallel,
                worst_case_usd=(round(cost, 6) if bounded else None) if agents else 0.0,
            )
        )
        for branch, within in step.inner().items():
            _steps(found, within, scope, f"{path}/{branch}/" if step.parallel else f"{path}/", times * inner)


def _repeated(step: Step, scope: Scope) -> tuple[int, int | None]:
    """Return how often the steps in it run at most, and how many of them at a time."""
    if step.loop is not None:
        return step.loop.max, 1
    if step.parallel is not None:
        return 1, min(step.parallel.max_parallel, len(step.parallel.branches))
    if step.each is None:
        return 1, None
    most = step.each.max_items
    try:  # the inputs may say it already
        items = render(step.each.items, scope.look)
        most = min(most, len(items)) if isinstance(items, list) else most
    except Wrong:
        pass  # it depends on steps
    return most, min(step.each.max_parallel, max(1, most))


def _agents(step: Step) -> Sequence[Agent]:
    if step.vote is not None:
        return step.vote.all_agents
    return [one for one in (step.agent, step.supervise) if one is not None]


def _what(step: Step) -> str:
    if step.call is not None:
        return f"call {step.call.operation}"
    if step.ask is not None:
        return f"ask a person: {step.ask.title}"
    if step.vote is not None:
        who = len(step.vote.all_agents)
        return f"{who} agents vote on {shown(step.vote.options)}, {step.vote.rule}: {step.vote.question}"
    if step.loop is not None:
        return f"at most {step.loop.max} times" + (f", until {step.loop.until}" if step.loop.until else "")
    if step.each is not None:
        return f"for each of {shown(step.each.items)}"
    if step.parallel is not None:
        return f"at the same time: {', '.join(step.parallel.branches)}"
    if step.supervise is not None:
        return f"{step.supervise.runtime} with up to {step.supervise.max_workers} workers: {step.supervise.goal or ''}"
    if step.agent is not None:
        return f"{step.agent.runtime}: {step.agent.goal or ' '.join(step.agent.argv or ())}"
    return f"set {shown(step.set)}"
