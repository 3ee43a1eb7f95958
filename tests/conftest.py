"""The `house` fixture: the whole daemon in memory, on a temporary home."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aetherd.core.config import Settings, load
from aetherd.core.ids import new_id
from aetherd.daemon.kernel import Kernel
from aetherd.daemon.rooms import ROOMS
from aetherd.operations.house import House
from aetherd.operations.operation import Call


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("AETHER_", "ANTHROPIC_", "CLAUDE_")):
            monkeypatch.delenv(name)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(home=tmp_path / "aether", port=0, approval_wait_s=0.05)


@dataclass
class Running:
    """A house and short ways to call it."""

    kernel: Kernel
    house: House

    def call(self, **changes: Any) -> Call:
        """Return the owner's call; keywords change it."""
        base: dict[str, Any] = {"actor": "user:owner", "scopes": frozenset({"*"}), "face": "http"}
        return Call(**{"id": new_id("call"), **base, **changes})

    def agent_call(self, agent: str, **changes: Any) -> Call:
        """Return a call of an agent with an agent's scopes."""
        from aetherd.kernel.token.service import AGENT_SCOPES

        return self.call(
            actor=f"agent:{agent}", agent=agent, scopes=frozenset(AGENT_SCOPES.split()), face="mcp", **changes
        )

    async def invoke(self, name: str, raw: dict[str, Any] | None = None, call: Call | None = None) -> Any:
        """Run an operation through the Dispatcher."""
        return await self.house.dispatcher.invoke(name, raw or {}, call or self.call())


@asynccontextmanager
async def run_house(settings: Settings, runtimes: dict[str, Any] | None = None) -> AsyncIterator[Running]:
    """Bring a house up inside the test."""
    kernel = Kernel(settings, ROOMS, runtimes or {})
    async with kernel.running() as house:
        yield Running(kernel, house)


@pytest.fixture
async def house(settings: Settings, anyio_backend: str) -> AsyncIterator[Running]:
    async with run_house(settings) as running:
        yield running
