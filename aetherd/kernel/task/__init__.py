"""Work to be done by whichever agent takes it."""

from aetherd.kernel.task.events import EVENTS
from aetherd.kernel.task.service import TaskService

__all__ = ["EVENTS", "TaskService"]
