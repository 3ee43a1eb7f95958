"""The `faces` fixture: a house with the runtime `command`, served on every face; one house per module of tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aetherd.core.config import load
from house import forget_environment, run_house, seed_database
from tests.faces import Faces, runtimes, serve


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def served(places: pytest.TempPathFactory, loop: str) -> AsyncIterator[Faces]:
    """Serve a new house, its unix sockets by this loop."""
    with pytest.MonkeyPatch.context() as patch:
        forget_environment(patch)
        settings = load(home=places.mktemp("faces") / "aether", port=0, approval_wait_s=0.05, mcp_loop=loop)
    seed_database(settings, places.getbasetemp() / "template.db")
    async with run_house(settings, runtimes()) as running, serve(running) as faces:
        yield faces


@pytest.fixture(scope="module")
def loop() -> str:
    """What serves MCP on unix sockets; a module whose tests hold for both loops has a fixture of its own."""
    return "lean"


@pytest.fixture(scope="module")
async def shared(anyio_backend: str, loop: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Faces]:
    async with served(tmp_path_factory, loop) as faces:
        yield faces


@pytest.fixture
def faces(shared: Faces) -> Faces:
    shared.lab.renew()
    return shared


@pytest.fixture
async def mortal(anyio_backend: str, loop: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Faces]:
    """A house of its own, for a test that ends it."""
    async with served(tmp_path_factory, loop) as faces:
        yield faces
