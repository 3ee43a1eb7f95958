"""Text from one agent to another, and to the person."""

from aetherd.kernel.message.events import EVENTS
from aetherd.kernel.message.service import MessageService

__all__ = ["EVENTS", "MessageService"]
