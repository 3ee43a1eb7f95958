"""Browsers of agents, and web pages as text."""

from aetherd.kernel.browser.events import EVENTS
from aetherd.kernel.browser.service import BrowserService

__all__ = ["EVENTS", "BrowserService"]
