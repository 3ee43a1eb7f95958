"""A zygote per test, and processes under real shims that never outlive it."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from shim_lab import Lab

from aetherd.shim.client import Zygote, alive


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    zygote = await Zygote.start(tmp_path, name="test")
    lab = Lab(tmp_path, zygote)
    yield lab
    for shim in lab.opened:
        await shim.aclose()
    for spawned in lab.started:
        if alive(spawned.os_pid, spawned.start_time, spawned.boot_id):
            os.kill(spawned.os_pid, signal.SIGKILL)
    if zygote.os_pid is not None:
        os.kill(zygote.os_pid, signal.SIGKILL)
    await zygote.aclose()
