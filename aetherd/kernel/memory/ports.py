"""What the memory room needs from its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aetherd.operations.operation import Call


class Identity(Protocol):
    """An agent as the agent room knows it."""

    @property
    def id(self) -> str:
        """Its stable id."""
        ...


class Agents(Protocol):
    """The agent room."""

    async def find(self, ref: str, call: Call) -> Identity:
        """Return an agent of the caller's user by id or name; raises `NotFound`."""
        ...

    def lead_of(self, agent: str) -> str:
        """Return the agent its line of makers begins with; itself when a person made it."""
        ...


class Workspaces(Protocol):
    """The workspace room, in the list of `memory.workspaces`."""

    async def workspace_id(self, ref: str, call: Call) -> str:
        """Return the id of a workspace the caller may use, by id or name; `NotFound` or `Forbidden`."""
        ...

    def workspaces_of(self, agent: str) -> Sequence[str]:
        """Return the ids of the workspaces an agent has or made."""
        ...


class Run(Protocol):
    """A run that has ended, as the process room knows it."""

    pid: int | None
    agent: str
    user: str
    org: str
    runtime: str
    goal: str | None
    outcome: str
    error: str | None
    result: str
    created_at: str
    started_at: str | None
    exited_at: str | None
    cost_usd: float
