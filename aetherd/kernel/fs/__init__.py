"""Files of an agent's home, confined by the kernel."""

from aetherd.kernel.fs.events import EVENTS
from aetherd.kernel.fs.service import FsService

__all__ = ["EVENTS", "FsService"]
