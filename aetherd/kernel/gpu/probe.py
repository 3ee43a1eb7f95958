"""The one place that speaks to NVIDIA's management library. Blocking calls."""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INSTALL = "install it with: pip install 'aetherd[gpu]'"
SHARED = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools")  # device files that every GPU needs


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU; `minor` is the number of its /dev/nvidia file."""

    index: int
    uuid: str
    name: str
    memory: int
    minor: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What a GPU does; bytes, degrees Celsius, watts; None: it does not tell."""

    device: Device
    utilisation: int | None
    memory_used: int | None
    temperature: int | None
    power: float | None
    programs: int | None


class NoGpu(Exception):
    """Raised when there is no GPU to speak to; the text says why."""


class Probe:
    """Asks the library. It is opened for each question, so a driver that comes or goes is no trouble.

    `library` stands in for `pynvml` in tests, and `dev` for /dev.
    """

    def __init__(self, library: Any = None, dev: Path = Path("/dev")) -> None:
        self._library, self._dev = library, dev
        self._lock = threading.Lock()

    def devices(self) -> tuple[list[Device], str]:
        """Return the GPUs of this machine, there is at least one, and the driver's version. Raises NoGpu."""
        with self._open() as nvml:
            return self._devices(nvml), str(nvml.nvmlSystemGetDriverVersion())

    def readings(self) -> list[Reading]:
        """Return what each GPU does now. Raises NoGpu."""
        with self._open() as nvml:
            return [self._reading(nvml, device) for device in self._devices(nvml)]

    def files(self, devices: list[Device]) -> list[Path]:
        """Return the device files that a program needs for these GPUs and no other, as far as they exist."""
        names = [*SHARED, *(f"nvidia{device.minor}" for device in devices)]
        return [place for name in names if (place := self._dev / name).exists()]

    @contextlib.contextmanager
    def _open(self) -> Iterator[Any]:
        nvml = self._library or self._imported()
        with self._lock:  # the library counts openings for the whole program
            try:
                nvml.nvmlInit()
            except nvml.NVMLError as exc:
                raise NoGpu(_why(nvml, exc)) from exc
            try:
                yield nvml
            except nvml.NVMLError as exc:
                raise NoGpu(f"the NVIDIA driver does not answer: {exc}") from exc
            finally:
                with contextlib.suppress(nvml.NVMLError):
                    nvml.nvmlShutdown()

    def _imported(self) -> Any:
        try:
            return importlib.import_module("pynvml")
        except ImportError as exc:
            raise NoGpu(f"the NVML bindings (nvidia-ml-py) are not installed; {INSTALL}") from exc

    def _devices(self, nvml: Any) -> list[Device]:
        found = []
        for index in range(nvml.nvmlDeviceGetCount()):
            try:
                handle = nvml.nvmlDeviceGetHandleByIndex(index)
                found.append(
                    Device(
                        index=index,
                        uuid=str(nvml.nvmlDeviceGetUUID(handle)),
                        name=str(nvml.nvmlDeviceGetName(handle)),
                        memory=int(nvml.nvmlDeviceGetMemoryInfo(handle).total),
                        minor=int(nvml.nvmlDeviceGetMinorNumber(handle)),
                    )
                )
            except nvml.NVMLError:  # lost, or not ours to see: the others still work
                continue
        if not found:
            raise NoGpu("the NVIDIA driver is there and shows no GPU")
        return found

    def _reading(self, nvml: Any, device: Device) -> Reading:
        handle = nvml.nvmlDeviceGetHandleByUUID(device.uuid)

        def ask(question: Callable[[], Any]) -> Any:
            try:
                return question()
            except nvml.NVMLError:  # not every GPU tells everything
                return None

        watts = ask(lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000)
        return Reading(
            device=device,
            utilisation=ask(lambda: int(nvml.nvmlDeviceGetUtilizationRates(handle).gpu)),
            memory_used=ask(lambda: int(nvml.nvmlDeviceGetMemoryInfo(handle).used)),
            temperature=ask(lambda: int(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))),
            power=watts,
            programs=ask(lambda: len(nvml.nvmlDeviceGetComputeRunningProcesses(handle))),
        )


def _why(nvml: Any, exc: Exception) -> str:
    if isinstance(exc, nvml.NVMLError_LibraryNotFound):
        return "no NVIDIA driver on this machine (libnvidia-ml.so.1 is not there)"
    return f"the NVIDIA driver is installed and does not work: {exc}"
