"""What the plan room takes and gives."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from aetherd.core.model import Model

STEPS, DEPTH = 100, 4  # most steps of a plan, and levels of steps in steps

Status = Literal["pending", "active", "done", "failed", "skipped"]


class NewStep(Model):
    """A step, with the smaller steps it consists of."""

    title: str = Field(min_length=1, max_length=300, description="what is to be done, in a few words")
    status: Status = Field(default="pending", description="where it stands")
    steps: list[NewStep] = Field(default=[], max_length=STEPS, description=f"smaller steps, {DEPTH} levels in all")


class PlanCreate(Model):
    """The whole plan."""

    title: str = Field(min_length=1, max_length=300, description="what the plan is for")
    steps: list[NewStep] = Field(min_length=1, max_length=STEPS, description="the steps in order")
    agent: str | None = Field(default=None, max_length=100, description="whose plan (id or name); default your own")


class PlanRef(Model):
    """Names a plan by its agent."""

    agent: str | None = Field(default=None, max_length=100, description="whose plan (id or name); default your own")


class StepChange(Model):
    """What is new about one step."""

    step: str = Field(max_length=20, description="its number, such as 2 or 2.1")
    status: Status | None = Field(default=None, description="where it stands now")
    title: str | None = Field(default=None, min_length=1, max_length=300, description="new wording")
    note: str | None = Field(default=None, max_length=1000, description="what came of it, or why it failed")

    @model_validator(mode="after")
    def _something(self) -> StepChange:
        if self.status is None and self.title is None and self.note is None:
            raise ValueError("give `status`, `title` or `note`")
        return self


class StepAdded(NewStep):
    """A step that comes in at the end."""

    under: str | None = Field(default=None, max_length=20, description="number of the step it is part of; default none")


class PlanUpdate(Model):
    """What changed; numbers of steps never do."""

    changes: list[StepChange] = Field(default=[], max_length=STEPS, description="steps that moved on")
    add: list[StepAdded] = Field(default=[], max_length=STEPS, description="steps that turned out to be needed")
    agent: str | None = Field(default=None, max_length=100, description="whose plan (id or name); default your own")

    @model_validator(mode="after")
    def _something(self) -> PlanUpdate:
        if not self.changes and not self.add:
            raise ValueError("nothing to update: give `changes` or `add`")
        return self


class Step(Model):
    """One step of a plan."""

    number: str = Field(description="2.1 is the first step in step 2; it stays while the plan lives")
    title: str
    status: Status
    note: str | None
    steps: list[Step]


class Plan(Model):
    """The living plan of an agent."""

    id: str
    agent: str
    pid: int | None = Field(description="the process that wrote it last; null for a person")
    title: str
    steps: list[Step]
    done: int = Field(description="smallest steps that are done or skipped")
    total: int = Field(description="smallest steps in all")
    version: int
    created_at: str
    updated_at: str
