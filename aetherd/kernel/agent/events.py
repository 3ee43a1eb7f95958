"""What happens to agents."""

from __future__ import annotations

from typing import Literal

from aetherd.events import Event


class AgentCreated(Event):
    """A new identity."""

    type: Literal["agent.created"] = "agent.created"
    name: str
    parent: str | None = None


class AgentUpdated(Event):
    """Its name, role or description changed."""

    type: Literal["agent.updated"] = "agent.updated"
    name: str
    role: str | None
    description: str | None


class AgentArchived(Event):
    """It was put away."""

    type: Literal["agent.archived"] = "agent.archived"
    name: str


class AgentRemoved(Event):
    """It is gone for good."""

    type: Literal["agent.removed"] = "agent.removed"
    name: str
    home: str


EVENTS = (AgentCreated, AgentUpdated, AgentArchived, AgentRemoved)
