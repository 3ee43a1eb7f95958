"""What happens to questions that wait for a person."""

from __future__ import annotations

from typing import Literal

from aetherd.events import Event


class ApprovalRequested(Event):
    """A question waits for a person."""

    type: Literal["approval.requested"] = "approval.requested"
    approval: str
    kind: str
    title: str
    tool: str | None = None
    expires_at: str


class ApprovalDecided(Event):
    """A question was answered, or ended without an answer."""

    type: Literal["approval.decided"] = "approval.decided"
    approval: str
    state: str
    decision: str | None = None
    by: str | None = None
    via: str | None = None
    reason: str | None = None
    rule: str | None = None


EVENTS = (ApprovalRequested, ApprovalDecided)
