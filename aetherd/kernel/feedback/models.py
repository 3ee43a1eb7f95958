"""What the feedback room takes and gives."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aetherd.core.model import Model, Page, Pid, Serial

Verdict = Literal["up", "down"]


class FeedbackSubmit(Model):
    """Thumbs up or down, and why; a second one on the same thing takes the place of your first."""

    pid: Pid = Field(description="the run it is about")
    verdict: Verdict = Field(description="up or down")
    comment: str = Field(
        default="", max_length=2000, description="why; the agent is told so when it runs the next time"
    )
    step: Serial | None = Field(
        default=None, description="id of an event of this run (process.timeline), if it is about one step"
    )


class FeedbackList(Page):
    """Which feedback; newest first."""

    agent: str | None = Field(default=None, max_length=100, description="only on this agent's runs (id or name)")
    pid: Pid | None = Field(default=None, description="only on this run")
    verdict: Verdict | None = Field(default=None, description="only up or only down")


class Feedback(Model):
    """One person's word on a run or a step."""

    id: str
    pid: int
    agent: str
    step: int | None = Field(description="the event it is about; null: the run as a whole")
    about: str = Field(description="what the run was for, or what the step was, in a few words")
    verdict: Verdict
    comment: str
    created_at: str
    created_by: str


class Feedbacks(Model):
    """A page of feedback."""

    feedback: list[Feedback]
    cursor: str | None = None
