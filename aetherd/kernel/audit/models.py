"""What the audit room takes and gives."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from aetherd.core.model import Model, Page, Pid


class AuditQuery(Page):
    """Which records; newest first."""

    actor: str | None = Field(default=None, description="only by this actor")
    operation: str | None = Field(default=None, description="only this operation, or a whole room (`process`)")
    pid: Pid | None = Field(default=None, description="only calls made by this process")
    outcome: Literal["ok", "refused", "failed", "open"] | None = Field(
        default=None, description="only calls that ended so; open: a stream that still flows"
    )
    since: str | None = Field(default=None, description="ISO 8601 time")


class AuditRecord(Model):
    """One call."""

    id: int
    at: str
    call: str
    actor: str
    agent: str | None
    pid: int | None
    user: str
    face: str
    operation: str
    effect: str | None
    subject: str | None
    input: dict[str, Any] = Field(description="secrets hidden, long texts as their length")
    outcome: str
    code: str | None = Field(description="error code when it did not go well")
    approval: str | None
    ms: float | None


class AuditRecords(Model):
    """A page of records."""

    records: list[AuditRecord]
    cursor: str | None = None
