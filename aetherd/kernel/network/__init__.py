"""What agents may reach, and what they tried."""

from __future__ import annotations

from aetherd.kernel.network.events import EVENTS
from aetherd.kernel.network.service import NetworkService

__all__ = ["EVENTS", "NetworkService"]
