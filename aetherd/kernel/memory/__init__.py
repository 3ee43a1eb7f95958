"""What agents know across runs."""

from aetherd.kernel.memory.events import EVENTS
from aetherd.kernel.memory.service import MemoryService

__all__ = ["EVENTS", "MemoryService"]
