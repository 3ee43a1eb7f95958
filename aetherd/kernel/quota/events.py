"""What happens to quotas."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from aetherd.events import Event
from aetherd.kernel.quota.budgets import Kind, Period

Resource = Literal["disk", "usd", "tokens", "steps"]

UNITS = "bytes of disk, USD, tokens, or calls to models"


class QuotaSet(Event):
    """A person changed what an agent, or every agent of theirs, may use."""

    type: Literal["quota.set"] = "quota.set"
    limits: dict[str, Any] = Field(description="those that are set now; without an agent they are for all")
    of: Literal["agent", "each", "user", "org", "run"] = Field(
        default="agent", description="each: every agent of the user; user and org: all of them together"
    )
    by: str


class QuotaWarned(Event):
    """Most of a budget is spent: told once for each bound."""

    type: Literal["quota.warned"] = "quota.warned"
    resource: Resource
    used: int | float = Field(description=UNITS)
    bound: int | float = Field(description=UNITS)
    budget: Kind
    of: str = Field(description="process id, number of the flow, agent id, org/user, or org")
    period: Period
    resets_at: str | None = None


class QuotaExceeded(Event):
    """A run reached a limit: of disk, then it was paused; of money, tokens or steps, then its call was refused."""

    type: Literal["quota.exceeded"] = "quota.exceeded"
    resource: Resource
    used: int | float = Field(description=UNITS)
    bound: int | float = Field(description=UNITS)
    budget: Kind = "agent"
    of: str | None = Field(default=None, description="process id, number of the flow, agent id, org/user, or org")
    period: Period = "run"
    resets_at: str | None = None


EVENTS = (QuotaSet, QuotaWarned, QuotaExceeded)
