"""The real management library on a machine with an NVIDIA GPU."""

from __future__ import annotations

import anyio
import pytest

from aetherd.core.errors import Conflict
from aetherd.kernel.gpu.probe import NoGpu, Probe
from fakes import Estate

pytest.importorskip("pynvml")
pytestmark = [pytest.mark.anyio, pytest.mark.gpu]
SEEN = "ls /dev/nvidia[0-9]* 2>/dev/null; nvidia-smi -L 2>&1; echo seen $CUDA_VISIBLE_DEVICES.; read line"


@pytest.fixture(autouse=True)
def _needs_a_gpu() -> None:
    try:
        Probe().devices()
    except NoGpu as exc:
        pytest.skip(str(exc))


async def test_what_the_library_says_of_a_real_gpu_is_told(estate: Estate) -> None:
    async with estate.open() as lab:
        found = await lab("gpu.list")
        assert found.reason is None
        assert found.driver
        assert all(one.id.startswith("GPU-") and one.memory_bytes > 1 << 30 and one.free for one in found.gpus)
        readings = (await lab("gpu.stats")).gpus
        assert [one.id for one in readings] == [one.id for one in found.gpus]
        assert all(0 <= (one.utilisation_percent or 0) <= 100 for one in readings)
        assert all(
            one.memory_used_bytes is not None and one.memory_used_bytes <= one.memory_total_bytes for one in readings
        )
        assert all(one.temperature_c is None or 0 < one.temperature_c < 120 for one in readings)


async def test_a_real_gpu_is_given_once_and_comes_back(estate: Estate) -> None:
    async with estate.open() as lab:
        count = len((await lab("gpu.list")).gpus)
        one = await lab.sh(SEEN, sandbox={"tier": "host", "gpu": count})
        ids = [row.gpu for row in (await lab("gpu.allocations")).allocations]
        assert f"seen {','.join(ids)}." in await lab.printed(one.pid, "seen ")
        with pytest.raises(Conflict, match=f"1 wanted, 0 of {count} free"):
            await lab.sh("true", sandbox={"tier": "host", "gpu": True})
        await lab("process.kill", pid=one.pid)
        with anyio.fail_after(10):
            await lab.event("gpu.released", pid=one.pid)
        assert all(gpu.free for gpu in (await lab("gpu.list")).gpus)


def test_a_real_gpu_has_its_device_files() -> None:
    devices, _ = Probe().devices()
    names = {file.name for file in Probe().files(devices[:1])}
    assert {"nvidiactl", f"nvidia{devices[0].minor}"} <= names
