"""What agents may use at most, and what they do use."""

from aetherd.kernel.quota.events import EVENTS
from aetherd.kernel.quota.service import QuotaService

__all__ = ["EVENTS", "QuotaService"]
