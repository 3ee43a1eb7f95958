"""What the model room needs from its neighbours."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from sqlmodel import Session

from aetherd.operations.operation import Call
from aetherd.operations.spending import Money


class Identity(Protocol):
    """An agent as the agent room knows it."""

    @property
    def id(self) -> str:
        """Its stable id."""
        ...

    @property
    def name(self) -> str:
        """What it is called."""
        ...


class Agents(Protocol):
    """The agent room."""

    async def find(self, ref: str, call: Call) -> Identity:
        """Return an agent of the caller's user by id or name; raises `NotFound`."""
        ...


class Run(Protocol):
    """A process as the process room knows it."""

    @property
    def name(self) -> str:
        """What its agent is called."""
        ...

    @property
    def role(self) -> str | None:
        """What its agent is for."""
        ...

    @property
    def runtime(self) -> str:
        """What hosts it."""
        ...

    @property
    def phase(self) -> str | None:
        """What it is doing."""
        ...


class Processes(Protocol):
    """The process room."""

    async def row_of(self, pid: int) -> Run:
        """Return a process; raises `NotFound`."""
        ...

    async def limit_seen(self, pid: int, resets_at: datetime | None) -> None:
        """Note when a limit lifts that a provider told this process's runtime; None: it is answered again."""
        ...


class Ledger(Money, Protocol):
    """The ledger, and what is in it."""

    def usage(
        self, session: Session, *, user: str, org: str, agent: str | None = None, since: str = ""
    ) -> list[dict[str, Any]]:
        """Return sums by provider and model, of calls begun since then."""
        ...


class Quotas(Protocol):
    """The quota room."""

    money: Ledger
