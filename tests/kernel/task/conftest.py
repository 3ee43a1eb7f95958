"""A house with real processes for the task room's tests, and short ways into its queues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import anyio
import pytest

from aetherd.core.ids import new_id
from aetherd.kernel.task.service import SWEEP_S
from aetherd.operations.operation import Call
from fakes import PATIENCE_S, Lab, anyio_backend, estate, lab

__all__ = ["Work", "anyio_backend", "estate", "lab", "work"]


@dataclass
class Work:
    """One queue of a house, for one test; the house is the same for all."""

    lab: Lab
    queue: str

    async def agent(self, name: str = "agent") -> Call:
        made = await self.lab("agent.create", name=f"{name}-{new_id('x')}")
        call: Call = self.lab.running.agent_call(made.id)
        return call

    async def put(self, title: str = "work", call: Call | None = None, /, **more: Any) -> Any:
        return await self.lab("task.create", call, title=title, queue=self.queue, **more)

    async def claim(self, call: Call | None, **more: Any) -> Any:
        raw = more if "id" in more else {"queue": self.queue, **more}
        return await self.lab("task.claim", call, **raw)

    async def take(self, call: Call | None) -> str | None:
        """Claim the next and return its title."""
        task = (await self.claim(call)).task
        return None if task is None else str(task.title)

    async def state(self, key: str) -> str:
        return str((await self.lab("task.get", id=key)).state)

    async def happens(self, key: str, kind: str, times: int = 1) -> None:
        """Let the clock go on until the sweep has done this so often; it may have been half-way when it was moved."""
        with anyio.fail_after(PATIENCE_S):
            while self.events(key).count(kind) < times:
                self.lab.clock.advance(SWEEP_S)
                with anyio.move_on_after(0.2):
                    await self.lab._news.wait()

    async def becomes(self, key: str, state: str) -> Any:
        """Return a task once it was taken back into a state."""
        await self.happens(key, "task.expired")
        found = await self.lab("task.get", id=key)
        assert found.state == state
        return found

    def events(self, key: str) -> list[str]:
        """Return the types of the events about a task, in order."""
        return [one["type"] for one in self.lab.events if one["data"].get("task") == key]


@pytest.fixture
def work(lab: Lab) -> Work:
    return Work(lab, new_id("q").replace("_", "-"))
