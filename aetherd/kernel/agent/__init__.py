"""Identities that work towards goals."""

from aetherd.kernel.agent.events import EVENTS
from aetherd.kernel.agent.service import AgentService

__all__ = ["EVENTS", "AgentService"]
