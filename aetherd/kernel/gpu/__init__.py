"""GPUs of this machine: seen, measured, and given to one process at a time."""

from aetherd.kernel.gpu.events import EVENTS
from aetherd.kernel.gpu.service import GpuService

__all__ = ["EVENTS", "GpuService"]
