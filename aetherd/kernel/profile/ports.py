"""What the profile room needs from its neighbours: each counts its own facts, all within one read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sqlmodel import Session

from aetherd.operations.operation import Call


class Identity(Protocol):
    """An agent as the agent room knows it."""

    @property
    def id(self) -> str:
        """Its stable id."""
        ...

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def role(self) -> str | None:
        """What it is for."""
        ...

    @property
    def template(self) -> str | None:
        """The template its runs start from."""
        ...


class Agents(Protocol):
    """The agent room."""

    async def find(self, ref: str, call: Call) -> Identity:
        """Return an agent of the caller's user by id or name; raises `NotFound`."""
        ...

    def page(
        self, session: Session, call: Call, *, archived: bool, cursor: str | None, limit: int
    ) -> Sequence[Identity]:
        """Return the agents the caller may see, newest first, older than the cursor (an id)."""
        ...


class Run(Protocol):
    """What is counted of a run."""

    pid: int
    runtime: str
    model: str | None
    state: str
    outcome: str
    created_at: str
    started_at: str | None
    exited_at: str | None
    cost_usd: float
    input_tokens: int
    output_tokens: int


class Processes(Protocol):
    """The process room."""

    def runs(self, session: Session, agent: str, limit: int) -> Sequence[Run]:
        """Return an agent's newest runs, newest first."""
        ...

    def tool_calls(self, session: Session, agent: str, limit: int) -> Mapping[str, int]:
        """Count the tools in an agent's newest calls, most called first."""
        ...


class Memories(Protocol):
    """The memory room."""

    def tags_of(self, session: Session, agent: str) -> Mapping[str, int]:
        """Count the tags of what an agent remembered lately, most used first."""
        ...


class Tasks(Protocol):
    """The task room."""

    def done_by(self, session: Session, agent: str) -> Mapping[str, int]:
        """Count the tasks an agent has done by queue, most first."""
        ...


class Feedback(Protocol):
    """The feedback room."""

    def verdicts(self, session: Session, agent: str) -> Mapping[str, int]:
        """Count `up` and `down`."""
        ...
