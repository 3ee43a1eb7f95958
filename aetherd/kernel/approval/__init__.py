"""Questions that wait for a person."""

from aetherd.kernel.approval.events import EVENTS
from aetherd.kernel.approval.service import ApprovalService

__all__ = ["EVENTS", "ApprovalService"]
