"""What the flow room takes and gives."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema, model_validator

from aetherd.core.model import LARGEST, Model, Page

State = Literal["running", "waiting", "completed", "failed", "cancelled"]
StepState = Literal["running", "waiting", "unknown", "delayed", "completed", "failed", "skipped", "cancelled"]
Id = Annotated[str, Field(max_length=100, description="flow id")]
SHOWN = 500  # characters of an output in a list
KINDS = ["object", "array", "string", "number", "boolean", "null"]
AnyValue = Annotated[Any, WithJsonSchema({"anyOf": [{"type": kind} for kind in KINDS]})]  # for strict clients


class FlowRun(Model):
    """A flow: its definition, or a file that holds it."""

    flow: dict[str, Any] | str | None = Field(
        default=None,
        repr=False,
        description="the definition, as an object or as YAML: `name`, `inputs`, `budget`, `defaults` of agents, "
        "`outputs`, and `steps`. A step has a `name` and one of `agent`, `call`, `ask`, `set`, `parallel`, `each`, "
        "`loop`, `vote`, `supervise`; and `needs`, `when`, `retry`, `timeout_s`, `on_error`",
    )
    file: str | None = Field(default=None, max_length=4096, description="instead of `flow`: a YAML file that holds it")
    workspace: str | None = Field(default=None, max_length=100, description="workspace (id or name) the file is in")
    agent: str | None = Field(
        default=None, max_length=100, description="agent (id or name) whose home the file is in; default your own"
    )
    inputs: dict[str, Any] = Field(default_factory=dict, repr=False, description="values for the inputs it declares")
    name: str | None = Field(
        default=None, max_length=64, pattern=r"^[\w][\w .@+-]*$", description="name of this run; default: the flow's"
    )
    budget: float | None = Field(
        default=None,
        ge=0,
        le=LARGEST,
        description="USD: nothing is started that could exceed it, and what exceeds it is stopped",
    )
    dry_run: bool = Field(default=False, description="only check it, and show the plan and its worst-case cost")
    wait_s: float = Field(default=0, ge=0, le=60, description="wait so long for its end before answering")

    @model_validator(mode="after")
    def _one(self) -> FlowRun:
        if (self.flow is None) == (self.file is None):
            raise ValueError("give `flow`, or `file`")
        if self.file is None and (self.workspace or self.agent):
            raise ValueError("`workspace` and `agent` say where `file` is; without it leave them out")
        return self


class PlannedStep(Model):
    """One step of a plan."""

    step: str = Field(description="the names that lead to it")
    kind: str
    needs: list[str] = Field(description="steps beside it that come first")
    what: str
    times: int = Field(description="how often it runs at most")
    max_parallel: int | None = Field(description="how many of the steps in it at a time")
    worst_case_usd: float | None = Field(description="null: its agents have no budget")


class Plan(Model):
    """What a flow does at most."""

    steps: list[PlannedStep]
    most_steps: int
    most_agents: int
    worst_case_usd: float | None = Field(description="null: unbounded, see there")
    unbounded: list[str] = Field(description="steps whose agents have no budget")
    budget: float | None


class FlowStep(Model):
    """What is known of one step."""

    name: str = Field(description="the names that lead to it: a step in a step, a round of a loop")
    kind: str
    state: StepState = Field(
        description="unknown: it was under way when aetherd was stopped, and a person is asked; delayed: tried again"
    )
    attempt: int
    pid: int | None
    approval: str | None = Field(description="the question that waits for a person")
    output: str | None = Field(description="the first 500 characters; flow.get with `step` has it all")
    error: str | None
    cost_usd: float
    started_at: str
    ended_at: str | None
    due: str | None = Field(description="when it is tried again")


class Flow(Model):
    """One run of a flow."""

    id: str | None = Field(description="null for a dry run")
    name: str
    state: State | Literal["planned"]
    reason: str | None = Field(description="why it failed, or was cancelled")
    steps: list[FlowStep] = Field(description="those that were begun, in that order; a page of them")
    cursor: str | None = Field(description="more steps: flow.get with it")
    outputs: AnyValue = Field(description="what it came to")
    cost_usd: float
    budget: float | None
    agent: str | None = Field(description="who runs it; null for a person")
    created_at: str | None
    ended_at: str | None
    plan: Plan | None = Field(default=None, description="of a dry run")


class FlowGet(Model):
    """Which flow, and which of its steps."""

    id: Id
    step: str | None = Field(default=None, max_length=500, description="only this one, with its whole output")
    states: list[StepState] = Field(default=[], max_length=8, description="only steps in these states")
    limit: int = Field(default=100, ge=1, le=500, description="most steps to return")
    cursor: str | None = Field(default=None, max_length=20, description="the `cursor` of the page before; opaque")


class FlowList(Page):
    """Which flows; newest first."""

    states: list[State] = Field(default=[], max_length=5, description="only in these states; default all")


class Flows(Model):
    """A page of flows, without their steps."""

    flows: list[Flow]
    cursor: str | None = None


class FlowCancel(Model):
    """Which flow, and why."""

    id: Id
    reason: str = Field(default="", max_length=1000, description="why")
