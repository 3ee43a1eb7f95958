"""Who holds the keyboard."""

from aetherd.kernel.control.events import EVENTS
from aetherd.kernel.control.service import ControlService

__all__ = ["EVENTS", "ControlService"]
