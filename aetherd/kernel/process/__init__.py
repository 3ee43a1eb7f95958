"""Runs of agents, supervised."""

from aetherd.kernel.process.events import EVENTS
from aetherd.kernel.process.service import ProcessService

__all__ = ["EVENTS", "ProcessService"]
