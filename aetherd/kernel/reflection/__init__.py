"""What agents learn from their runs."""

from aetherd.kernel.reflection.events import EVENTS
from aetherd.kernel.reflection.service import ReflectionService

__all__ = ["EVENTS", "ReflectionService"]
