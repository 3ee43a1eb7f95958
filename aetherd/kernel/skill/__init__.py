"""Skills: what an agent has learned to do, written down once and read by every runtime."""

from aetherd.kernel.skill.events import EVENTS
from aetherd.kernel.skill.service import SkillService

__all__ = ["EVENTS", "SkillService"]
