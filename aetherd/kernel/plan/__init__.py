"""What an agent means to do, and how far it is."""

from aetherd.kernel.plan.events import EVENTS
from aetherd.kernel.plan.service import PlanService

__all__ = ["EVENTS", "PlanService"]
