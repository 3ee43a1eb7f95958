"""The `faces` fixture: a house with the runtime `command`, served on every face."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from aetherd.core.config import Settings
from tests.conftest import run_house
from tests.faces import Faces, runtimes, serve


@pytest.fixture
async def faces(settings: Settings, anyio_backend: str) -> AsyncIterator[Faces]:
    async with run_house(settings, runtimes()) as running, serve(running) as faces:
        yield faces
