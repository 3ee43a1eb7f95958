"""What the gpu room takes and gives."""

from __future__ import annotations

from pydantic import Field

from aetherd.core.model import Model, Page, Pid


class Nothing(Model):
    """No input."""


class Gpu(Model):
    """One GPU of this machine."""

    index: int = Field(description="as nvidia-smi counts; may change when the machine is restarted")
    id: str = Field(description="its uuid, which never changes")
    name: str
    memory_bytes: int
    free: bool = Field(description="no process of aetherd has it; programs outside aetherd may use it all the same")
    pid: Pid | None = Field(description="the process that has it, if you may see that process")


class Gpus(Model):
    """The GPUs of this machine; none is a normal answer."""

    gpus: list[Gpu]
    reason: str | None = Field(description="why there is none")
    driver: str | None = Field(description="version of the NVIDIA driver")


class GpuReading(Model):
    """What one GPU does now; null: this GPU does not tell."""

    index: int
    id: str
    utilisation_percent: int | None = Field(description="part of the last moment in which it computed")
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    temperature_c: int | None
    power_w: float | None
    programs: int | None = Field(description="programs that compute on it")


class GpuReadings(Model):
    """What every GPU does now."""

    gpus: list[GpuReading]
    reason: str | None = Field(description="why there is none")


class AllocationList(Page):
    """Which part of the list, by the id of the GPU."""


class Allocation(Model):
    """A GPU that a process has."""

    gpu: str = Field(description="uuid")
    pid: Pid
    agent: str
    at: str = Field(description="since when")


class Allocations(Model):
    """A page of them."""

    allocations: list[Allocation]
    cursor: str | None = None
