"""What happens on the way out."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aetherd.events import Event


class NetworkPolicySet(Event):
    """What an agent may reach was changed."""

    type: Literal["network.policy_set"] = "network.policy_set"
    mode: Literal["none", "all", "rules"]
    rules: list[str]
    by: str


class NetworkRefused(Event):
    """A request of an agent was refused; told once a minute for each host, all are in network.log."""

    type: Literal["network.refused"] = "network.refused"
    host: str
    port: int
    reason: str
    rule: str | None = Field(description="the rule that would allow it, when one would")


EVENTS = (NetworkPolicySet, NetworkRefused)
