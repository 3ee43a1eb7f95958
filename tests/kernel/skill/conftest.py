"""A house with real processes, two agents, and short ways to write skills."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fakes import Lab, anyio_backend, estate, lab

__all__ = ["anyio_backend", "estate", "lab"]

_numbers = itertools.count()
TEXT = "Count the boxes twice.\n"


@dataclass
class Pair:
    """Ann and Bob, who share nothing yet."""

    lab: Lab
    agents: dict[str, Any]

    def call(self, who: str) -> Any:
        return self.lab.running.agent_call(self.agents[who].id)

    async def __call__(self, who: str | None, name: str, /, **raw: Any) -> Any:
        """Run an operation of the room as one of them, or as the owner."""
        return await self.lab(f"skill.{name}", None if who is None else self.call(who), **raw)

    def home(self, who: str) -> Path:
        return self.lab.home / "agents" / self.agents[who].id / "home"

    def place(self, skill: str, version: int = 1) -> Path:
        return self.lab.home / "skills" / skill / str(version)


def fresh(stem: str = "skill") -> str:
    """Return a name nobody has."""
    return f"{stem}-{next(_numbers)}"


def plain(name: str, **more: Any) -> dict[str, Any]:
    """Return a skill to be read."""
    return {"name": name, "description": f"Count boxes the way of {name}.", "text": TEXT} | more


def steps(name: str, recipe: str, **files: str) -> dict[str, Any]:
    """Return a skill that can be run."""
    return plain(name, files={"steps.yaml": recipe, **files})


@pytest.fixture
async def pair(lab: Lab) -> Pair:
    """Give a pair of its own to each test."""
    number = next(_numbers)
    return Pair(lab, {who: await lab("agent.create", name=f"{who}-{number}") for who in ("ann", "bob")})
