"""What happens to GPUs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aetherd.events import Event


class GpuAllocated(Event):
    """A process was given GPUs of its own."""

    type: Literal["gpu.allocated"] = "gpu.allocated"
    devices: list[str] = Field(description="uuids")


class GpuReleased(Event):
    """A process ended and its GPUs are free again."""

    type: Literal["gpu.released"] = "gpu.released"
    devices: list[str] = Field(description="uuids")


EVENTS = (GpuAllocated, GpuReleased)
