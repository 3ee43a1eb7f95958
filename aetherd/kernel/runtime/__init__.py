"""Runtimes: which there are, what each was seen to do, and how one is installed in a place of its own."""

from aetherd.kernel.runtime.events import EVENTS
from aetherd.kernel.runtime.service import RuntimeService

__all__ = ["EVENTS", "RuntimeService"]
