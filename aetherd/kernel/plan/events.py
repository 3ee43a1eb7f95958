"""What happens to plans."""

from __future__ import annotations

from typing import Literal

from aetherd.events import Event


class PlanCreated(Event):
    """The agent has a new plan; the one before is gone."""

    type: Literal["plan.created"] = "plan.created"
    plan: str
    title: str
    version: int
    done: int
    total: int


class PlanUpdated(Event):
    """Steps changed or came in; `version` tells whether a copy of the plan is old."""

    type: Literal["plan.updated"] = "plan.updated"
    plan: str
    version: int
    steps: dict[str, str]  # number of each step that changed, and its status now
    done: int
    total: int


EVENTS = (PlanCreated, PlanUpdated)
