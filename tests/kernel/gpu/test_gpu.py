"""GPUs are seen, measured and given to one process each; they come back however it ends. NVML is a double here."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from aetherd.core.errors import Conflict, Invalid, NotFound, Unavailable
from aetherd.kernel.gpu.probe import Probe
from fakes import Estate, FakeNvml, Lab

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def gpus(estate: Estate, count: int = 2, **more: Any) -> AsyncIterator[Lab]:
    """Open a house on a machine with so many GPUs, and device files for them."""
    dev = estate.settings.home.parent / "dev"
    dev.mkdir(exist_ok=True)
    for name in ("nvidiactl", "nvidia-uvm", *(f"nvidia{number}" for number in range(count))):
        (dev / name).touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aetherd.kernel.gpu.service.Probe", lambda: Probe(FakeNvml(count, **more), dev))
        async with estate.open() as lab:
            yield lab


def held(found: Any) -> dict[str, int]:
    return {one.gpu: one.pid for one in found.allocations}


async def test_gpus_are_listed_and_measured_and_what_one_does_not_tell_is_null(estate: Estate) -> None:
    async with gpus(estate) as lab:
        found = await lab("gpu.list")
        assert [(one.index, one.id, one.name, one.free) for one in found.gpus] == [
            (0, "GPU-0", "Double H1", True),
            (1, "GPU-1", "Double H1", True),
        ]
        assert (found.driver, found.reason) == ("550.1", None)
        nvml = lab.kernel.rooms["gpu"].probe._library
        nvml.silent = {"power"}
        readings = await lab("gpu.stats")
        assert [
            (one.utilisation_percent, one.memory_used_bytes, one.temperature_c, one.power_w, one.programs)
            for one in readings.gpus
        ] == [(40, 0, 50, None, 0), (41, 1 << 30, 51, None, 1)]
        assert nvml.opened == 0


async def test_a_machine_without_a_gpu_says_so_and_gives_none(estate: Estate) -> None:
    async with gpus(estate, 0, driver=False) as lab:
        for found in (await lab("gpu.list"), await lab("gpu.stats")):
            assert (found.gpus, found.reason) == (
                [],
                "no NVIDIA driver on this machine (libnvidia-ml.so.1 is not there)",
            )
        with pytest.raises(Unavailable, match="there is no GPU to give: no NVIDIA driver"):
            await lab.sh("true", sandbox={"tier": "host", "gpu": True})
        assert (await lab("agent.list")).agents == []  # nothing of the refused spawn is left


async def test_a_gpu_is_given_to_one_process_and_comes_back_with_its_end(estate: Estate) -> None:
    async with gpus(estate) as lab:
        one = await lab.sh("echo $CUDA_VISIBLE_DEVICES.; read line", sandbox={"tier": "host", "gpu": True})
        assert "GPU-0." in await lab.printed(one.pid, ".")
        assert (await lab.event("gpu.allocated", pid=one.pid))["data"] == {"devices": ["GPU-0"]}
        with pytest.raises(Conflict, match="2 wanted, 1 of 2 free"):
            await lab.sh("true", sandbox={"tier": "host", "gpu": 2})
        with pytest.raises(Conflict, match=r"GPU 0 .* is taken"):
            await lab.sh("true", sandbox={"tier": "host", "gpu_devices": ["GPU-0"]})
        two = await lab.sh("read line", sandbox={"tier": "host", "gpu_devices": ["1"]})
        assert held(await lab("gpu.allocations")) == {"GPU-0": one.pid, "GPU-1": two.pid}
        assert held(await lab("gpu.allocations", lab.agent_of(two))) == {"GPU-1": two.pid}
        assert [gpu.pid for gpu in (await lab("gpu.list", lab.agent_of(two))).gpus] == [None, two.pid]
        devices = await lab.kernel.rooms["gpu"].devices_of(two.pid)
        assert [file.name for file in devices.files] == ["nvidiactl", "nvidia-uvm", "nvidia1"]
        await lab("process.kill", pid=one.pid)
        assert (await lab.event("gpu.released", pid=one.pid))["data"] == {"devices": ["GPU-0"]}
        none = await lab.sh("echo ${CUDA_VISIBLE_DEVICES-unset}.; read line", sandbox={"tier": "host"})
        assert "GPU" not in await lab.printed(none.pid, ".")  # and not `unset`: it is shown none
        page = await lab("gpu.allocations", limit=1)
        assert (held(page), page.cursor) == ({"GPU-1": two.pid}, None)


@pytest.mark.parametrize(
    ("wish", "error", "told"),
    [
        ({"gpu": 3}, Conflict, "3 wanted, 2 of 2 free"),
        ({"gpu_devices": ["7"]}, NotFound, "no GPU '7'"),
        ({"gpu_devices": ["0", "GPU-0"]}, Invalid, "twice"),
        ({"gpu": 2, "gpu_devices": ["0"]}, Invalid, "names 1"),
    ],
)
async def test_a_wish_that_cannot_be_is_refused(estate: Estate, wish: Any, error: type[Exception], told: str) -> None:
    async with gpus(estate) as lab:
        with pytest.raises(error, match=told):
            await lab.sh("true", sandbox={"tier": "host", **wish})
        assert held(await lab("gpu.allocations")) == {}


async def test_of_many_who_want_the_last_gpu_one_gets_it(estate: Estate) -> None:
    async with gpus(estate, 1) as lab:
        got: list[int] = []

        async def want() -> None:
            with suppress(Conflict):
                got.append((await lab.sh("read line", sandbox={"tier": "host", "gpu": True})).pid)

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(want)
        assert held(await lab("gpu.allocations")) == {"GPU-0": got[0]}
        assert len(got) == 1


async def test_a_gpu_comes_back_when_its_process_ended_while_nobody_looked(estate: Estate) -> None:
    async with gpus(estate) as lab:
        kept = await lab.sh("read line", sandbox={"tier": "host", "gpu_devices": ["1"]})
        gone = await lab.sh("read line", sandbox={"tier": "host", "gpu_devices": ["0"]})
        os_pid = gone.os_pid
    os.kill(os_pid, signal.SIGKILL)
    async with gpus(estate) as lab:
        await lab.ended(gone.pid)
        assert held(await lab("gpu.allocations")) == {"GPU-1": kept.pid}
        assert len(lab.of(gone.pid, "gpu.released")) == 1


def test_bindings_that_are_not_installed_are_named_with_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(Exception, match=r"nvidia-ml-py.*pip install 'aetherd\[gpu\]'"):
        Probe(dev=Path("/nonexistent")).devices()
