"""What the snapshot room needs of processes: one that stands still for a moment, and what a run was made of."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from sqlmodel import Session, col, select

from aetherd.core.errors import Conflict
from aetherd.kernel.process.states import ENDED, State
from aetherd.kernel.process.tables import ProcessRow
from aetherd.operations.spending import NANO

if TYPE_CHECKING:
    from aetherd.kernel.process.workshop import Workshop

KEPT = ("runtime", "model", "template", "toolset", "role", "cwd", "rows", "cols", "priority", "goal", "context", "tier")


@dataclass(slots=True)
class Stillness:
    """How long a process stood still."""

    ms: float = 0.0


class Standstill:
    """Freezes without changing the state: nobody but the agent notices."""

    def __init__(self, workshop: Workshop) -> None:
        self._w = workshop

    @asynccontextmanager
    async def frozen(self, pid: int) -> AsyncIterator[Stillness]:
        """Let the tree stand still, and go on afterwards whatever happens; one that is paused stays so.

        The caller writes down that it does so first, and calls `thaw_left` for it after a crash.
        """
        found, began = Stillness(), time.monotonic()
        try:
            with anyio.CancelScope(shield=True):
                async with self._w.still:
                    if (await self._w.read_row(pid)).state != State.PAUSED:
                        await self._trees("freeze", pid)
            yield found
        finally:
            with anyio.CancelScope(shield=True):
                await self.thaw_left(pid)
            found.ms = (time.monotonic() - began) * 1000

    async def thaw_left(self, pid: int) -> None:
        """Let a process go on that a snapshot may have frozen, unless somebody has paused it."""
        async with self._w.still:
            row = await self._w.read_row(pid)
            if row.state != State.PAUSED and State(row.state) not in ENDED:
                await self._trees("thaw", pid)

    async def newest_of(self, agent: str) -> ProcessRow | None:
        """Return the newest process of an agent, read-only."""
        query = select(ProcessRow).where(ProcessRow.agent == agent).order_by(col(ProcessRow.pid).desc())
        return await self._w.store.read(lambda session: session.exec(query).first())

    def made_of(self, row: ProcessRow) -> dict[str, Any]:
        """Return what a run can be made from again: nothing of it is secret."""
        found = {name: getattr(row, name) for name in KEPT}
        found["budget"] = None if row.budget_nano is None else row.budget_nano / NANO
        return found | {name: json.loads(getattr(row, name)) for name in ("argv", "limits", "sandbox")}

    def alone(self, session: Session, agent: str, but: int | None = None) -> None:
        """Raise `Conflict` while a process of the agent lives; its snapshots go into a home that nobody uses."""
        ended = [str(state) for state in ENDED]
        query = select(ProcessRow).where(ProcessRow.agent == agent, col(ProcessRow.state).not_in(ended))
        row = session.exec(query if but is None else query.where(ProcessRow.pid != but)).first()
        if row is not None:
            raise Conflict(
                f"agent {row.name} runs as process {row.pid}; end it first: process.signal {row.pid} TERM, "
                f"or process.kill; or run the snapshot beside it with snapshot.fork",
                pid=row.pid,
            )

    async def _trees(self, verb: str, pid: int) -> None:
        trees, identity = self._w.host.trees, self._w.host.identity(f"p{pid}", None)
        await anyio.to_thread.run_sync(getattr(trees, verb), identity.tree, identity.marker)
