"""What happens to feedback."""

from __future__ import annotations

from typing import Literal

from aetherd.events import Event


class FeedbackSubmitted(Event):
    """A person said what they think of a run, or of one step in it."""

    type: Literal["feedback.submitted"] = "feedback.submitted"
    feedback: str
    verdict: str
    step: int | None
    comment: str


EVENTS = (FeedbackSubmitted,)
