"""The `world`: a served house with one of everything, made once per module of tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from aetherd.core.config import load
from house import forget_environment, run_house, seed_database
from tests.contract.world import World, build
from tests.faces import runtimes, serve


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def world(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        forget_environment(patch)
        settings = load(home=tmp_path_factory.mktemp("world") / "aether", port=0, approval_wait_s=0.05, docker_host="")
    seed_database(settings, tmp_path_factory.getbasetemp() / "template.db")
    async with run_house(settings, runtimes()) as running, serve(running, lab=False) as faces:
        yield await build(faces)
