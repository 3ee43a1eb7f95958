"""What happens to flows; never what their steps were given or came to. `state` is the flow's own, after it."""

from __future__ import annotations

from typing import Literal

from aetherd.events import Event


class FlowStarted(Event):
    """A flow is durable and begins; `agent` is who runs it."""

    type: Literal["flow.started"] = "flow.started"
    flow: str
    name: str
    state: str


class FlowStepStarted(Event):
    """A step began, or began again; `pid` is the process that was started for it."""

    type: Literal["flow.step_started"] = "flow.step_started"
    flow: str
    step: str
    kind: str
    attempt: int
    state: str


class FlowStepFinished(Event):
    """A step came to an end: completed, failed, skipped, cancelled, or delayed until it is tried again."""

    type: Literal["flow.step_finished"] = "flow.step_finished"
    flow: str
    step: str
    kind: str
    attempt: int
    outcome: str
    error: str | None
    cost_usd: float
    state: str


class FlowAsked(Event):
    """A step asked a person and waits; `unknown` when nobody knows whether it was done before aetherd was stopped."""

    type: Literal["flow.asked"] = "flow.asked"
    flow: str
    step: str
    approval: str
    unknown: bool
    state: str


class FlowFinished(Event):
    """A flow has ended: completed, failed or cancelled."""

    type: Literal["flow.finished"] = "flow.finished"
    flow: str
    name: str
    state: str
    error: str | None
    cost_usd: float


EVENTS = (FlowStarted, FlowStepStarted, FlowStepFinished, FlowAsked, FlowFinished)
