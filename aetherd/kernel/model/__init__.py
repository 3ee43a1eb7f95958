"""The model gateway: models are reached through the daemon, which alone has the keys."""

from aetherd.kernel.model.events import EVENTS
from aetherd.kernel.model.service import ModelService

__all__ = ["EVENTS", "ModelService"]
