"""A house with real processes for the flow room's tests, and short ways to run flows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from fakes import PATIENCE_S, Lab, anyio_backend, estate, lab

__all__ = ["Flows", "anyio_backend", "estate", "flows", "lab", "square", "walls"]


@pytest.fixture(scope="session")
def walls() -> str:
    """No sandbox: programs leave marks in a directory that all of them see."""
    return "host"


@dataclass
class Flows:
    """Runs flows in a house."""

    lab: Lab

    async def run(self, *steps: Any, call: Any = None, **more: Any) -> Any:
        """Start a flow of these steps; other keywords go into the definition, `given` are its inputs."""
        raw = {key: more.pop(key) for key in ("wait_s", "dry_run") if key in more}
        raw["inputs"] = more.pop("given", {})
        return await self.lab("flow.run", call, flow={"steps": list(steps), **more}, **raw)

    async def ended(self, flow: Any, call: Any = None) -> Any:
        """Return a flow once it has ended."""
        await self.lab.event("flow.finished", flow=flow.id)
        return await self.lab("flow.get", call, id=flow.id)

    async def done(self, *steps: Any, **more: Any) -> Any:
        """Run a flow to its end; returns its outputs, or says why there are none."""
        found = await self.ended(await self.run(*steps, **more))
        assert (found.state, found.reason) == ("completed", None)
        return found.outputs

    async def failed(self, *steps: Any, **more: Any) -> str:
        """Run a flow that fails; returns why."""
        found = await self.ended(await self.run(*steps, **more))
        assert found.state == "failed"
        return str(found.reason)

    async def asked(self, flow: Any, step: str) -> str:
        """Return the question that a step of a flow put to a person."""
        told = await self.lab.event("flow.asked", flow=flow.id, step=step)
        return str(told["data"]["approval"])

    async def step(self, flow: Any, name: str) -> Any:
        """Return one step."""
        (found,) = (await self.lab("flow.get", id=flow.id, step=name)).steps
        return found

    async def gone(self, pid: int) -> Any:
        """Return a process once it has ended."""
        with anyio.fail_after(PATIENCE_S):
            return await self.lab.ended(pid)

    def spawned(self, flow: Any) -> list[int]:
        """Return the pids that were started for steps of a flow, in order."""
        return [
            one["pid"]
            for one in self.lab.events
            if one["type"] == "flow.step_started" and one["data"]["flow"] == flow.id and one["pid"] is not None
        ]


@pytest.fixture
def square() -> Iterator[Path]:
    """Give a directory in which programs of every agent may write."""
    with tempfile.TemporaryDirectory(prefix="aether-test-") as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.fixture
def flows(lab: Lab) -> Flows:
    return Flows(lab)


def puppet(goal: str, **more: Any) -> dict[str, Any]:
    """Return an agent of the scripted runtime."""
    return {"runtime": "puppet", "goal": goal, **more}


def shell(script: str, **more: Any) -> dict[str, Any]:
    """Return a command as an agent."""
    return {"runtime": "command", "argv": ["/bin/sh", "-c", script], **more}
