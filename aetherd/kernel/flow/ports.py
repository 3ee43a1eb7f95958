"""What the flow room needs from its neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlmodel import Session

from aetherd.operations.operation import Call
from aetherd.store import Tx


class Run(Protocol):
    """A process as its room keeps it."""

    state: str
    outcome: str
    result: str
    error: str | None
    runtime: str
    cost_usd: float


class Also(Protocol):
    """What is written together with a new process."""

    def __call__(self, tx: Tx, pid: int, agent: str, name: str) -> None:
        """Change rows; no waiting. What it raises undoes the spawn."""
        ...


class Processes(Protocol):
    """The process room."""

    async def start(self, call: Call, also: Also, **wish: Any) -> object:
        """Spawn as the caller, and write something in the same transaction; keywords are those of process.spawn."""
        ...

    async def row_of(self, pid: int) -> Run:
        """Return a process, read-only."""
        ...

    def costs(self, session: Session, pids: Sequence[int]) -> Mapping[int, float]:
        """Return what processes have cost so far, in USD."""
        ...

    def dismiss(self, pid: int) -> None:
        """Let a process end by itself as soon as it rests; one that is not there has ended."""
        ...


class Quotas(Protocol):
    """The quota room."""

    def gather_in(self, tx: Tx, pid: int, flow: str, seq: int, budget: float) -> None:
        """Have a run of a flow, with all it starts, spend from the flow's USD, in the transaction that accepts it."""
        ...


class Tokens(Protocol):
    """The token room."""

    async def stands(self, key: str | None) -> bool:
        """Tell whether what was begun with a credential may go on."""
        ...


class Approvals(Protocol):
    """The approval room."""

    def ask_in(self, tx: Tx, *, agent: str | None, title: str, detail: Mapping[str, Any], origin: Sequence[str]) -> str:
        """Put a question to a person inside the caller's transaction; returns its id."""
        ...

    def close_in(self, tx: Tx, key: str, reason: str) -> None:
        """Close a question that still waits, inside the caller's transaction."""
        ...
