"""Where processes run: behind which walls, within which limits, in which image."""

from aetherd.kernel.sandbox.events import EVENTS
from aetherd.kernel.sandbox.service import SandboxService

__all__ = ["EVENTS", "SandboxService"]
