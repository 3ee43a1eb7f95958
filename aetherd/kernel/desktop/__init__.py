"""Desktops: an X server beside an agent, seen and used through the daemon."""

from aetherd.kernel.desktop.events import EVENTS
from aetherd.kernel.desktop.service import DesktopService

__all__ = ["EVENTS", "DesktopService"]
