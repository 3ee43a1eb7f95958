"""What happens to quotas."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from aetherd.events import Event


class QuotaSet(Event):
    """A person changed what an agent, or every agent of theirs, may use."""

    type: Literal["quota.set"] = "quota.set"
    limits: dict[str, Any] = Field(description="those that are set now; without an agent they are for all")
    by: str


class QuotaExceeded(Event):
    """A run went past a limit that is watched and not held by the kernel, and was paused."""

    type: Literal["quota.exceeded"] = "quota.exceeded"
    resource: Literal["disk"]
    used: int = Field(description="bytes")
    bound: int = Field(description="bytes")


EVENTS = (QuotaSet, QuotaExceeded)
