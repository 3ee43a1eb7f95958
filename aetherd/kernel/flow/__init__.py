"""Flows: steps that follow one another, and go on where they were after a crash."""

from aetherd.kernel.flow.events import EVENTS
from aetherd.kernel.flow.service import FlowService

__all__ = ["EVENTS", "FlowService"]
