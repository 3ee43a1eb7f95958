"""A store on its own: no rooms, a recorder that writes one line for each event."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aetherd.events import EventLog
from aetherd.store import Store


@pytest.fixture
async def store(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Store]:
    made = Store(tmp_path / "aether.db", EventLog())
    async with made.running():
        yield made
