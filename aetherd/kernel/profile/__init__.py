"""What an agent has done and is good at, from facts."""

from aetherd.kernel.profile.events import EVENTS
from aetherd.kernel.profile.service import ProfileService

__all__ = ["EVENTS", "ProfileService"]
