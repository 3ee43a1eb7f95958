"""A house with a process that has a desktop: real shims, a real X server."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aetherd.core.config import Settings
from aetherd.operations.operation import Call
from aetherd_runtimes.command import Command
from tests.house import Running, run_house

needs_x = pytest.mark.skipif(
    not all(shutil.which(program) for program in ("Xvnc", "openbox", "xterm")),
    reason="needs tigervnc-standalone-server, openbox and xterm (scripts/system-packages)",
)


@dataclass
class Desk:
    """A process, and short ways to use its desktop."""

    house: Running
    pid: int
    agent: str
    home: Path

    async def __call__(self, verb: str, call: Call | None = None, /, **raw: Any) -> Any:
        return await self.house.invoke(f"desktop.{verb}", {"pid": self.pid, **raw}, call)

    @property
    def as_agent(self) -> Call:
        return self.house.agent_call(self.agent, pid=self.pid)

    def read(self, name: str) -> str:
        """Return what a program on the desktop wrote into the home."""
        place = self.home / name
        return place.read_text() if place.exists() else ""


@pytest.fixture
async def desk(settings: Settings, anyio_backend: str) -> AsyncIterator[Desk]:
    async with run_house(settings, {"command": Command()}) as house:
        wish = {"runtime": "command", "argv": ["sleep", "1000"], "sandbox": {"tier": "host"}}
        process = await house.invoke("process.spawn", wish)
        yield Desk(house, process.pid, process.agent, settings.home / "agents" / process.agent / "home")
