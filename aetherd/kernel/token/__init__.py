"""Credentials."""

from aetherd.kernel.token.events import EVENTS
from aetherd.kernel.token.service import TokenService

__all__ = ["EVENTS", "TokenService"]
