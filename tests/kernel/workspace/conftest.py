"""A house with real processes, and two agents that share a workspace."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fakes import Lab, anyio_backend, estate, lab

__all__ = ["anyio_backend", "estate", "lab"]


_numbers = itertools.count()


@dataclass
class Pair:
    """Ann and Bob, who share a directory, and Eve, who does not."""

    lab: Lab
    space: Any
    agents: dict[str, Any]

    @property
    def path(self) -> Path:
        return Path(self.space.path)

    @property
    def own_uids(self) -> bool:
        """Whether agents are told apart by the kernel here."""
        return self.lab.kernel.lifecycle.own_uids

    def call(self, who: str, **changes: Any) -> Any:
        return self.lab.running.agent_call(self.agents[who].id, **changes)

    async def __call__(self, who: str | None, name: str, **raw: Any) -> Any:
        """Run an operation on the shared directory, as one of them or as the owner."""
        return await self.lab(name, None if who is None else self.call(who), workspace=self.space.id, **raw)

    async def sh(self, who: str, script: str) -> str:
        """Run a shell script of an agent's own to its end; returns what it printed."""
        process = await self.lab.sh(script, agent=self.agents[who].id)
        await self.lab.ended(process.pid)
        return str((await self.lab("process.output", pid=process.pid)).text)


async def pair_in(lab: Lab, name: str) -> Pair:
    """Make three agents and a directory that two of them share."""
    agents = {who: await lab("agent.create", name=f"{who}-{name}") for who in ("ann", "bob", "eve")}
    space = await lab("workspace.create", name=name)
    for who in ("ann", "bob"):
        await lab("workspace.mount", workspace=space.id, agent=agents[who].id)
    return Pair(lab, space, agents)


@pytest.fixture
async def pair(lab: Lab) -> Pair:
    """Give a pair of its own to each test."""
    return await pair_in(lab, f"space-{next(_numbers)}")
