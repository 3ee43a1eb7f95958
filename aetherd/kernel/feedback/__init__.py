"""What people think of runs, and of single steps in them."""

from aetherd.kernel.feedback.events import EVENTS
from aetherd.kernel.feedback.service import FeedbackService

__all__ = ["EVENTS", "FeedbackService"]
