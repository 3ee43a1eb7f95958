"""The supervisors of this daemon: adopted at start, added by spawns, admitted from the queue, ended on demand."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import anyio
import anyio.abc
from sqlmodel import col, select

from aetherd.core.errors import AetherError
from aetherd.kernel.process.housekeeping import forget_ended
from aetherd.kernel.process.models import Limits
from aetherd.kernel.process.states import ENDED, LIVE, State
from aetherd.kernel.process.supervisor import Supervisor
from aetherd.kernel.process.tables import ProcessRow
from aetherd.kernel.process.waking import Waking
from aetherd.kernel.process.workshop import Workshop
from aetherd.runtime import Verdict
from aetherd.store import Tx

logger = logging.getLogger(__name__)

ADOPT_S = 20.0
KILL_S = 5.0


@dataclass(frozen=True, slots=True)
class Living:
    """A process that runs."""

    pid: int
    begun_at: str | None  # its present incarnation
    structured: bool  # it says when it uses a tool


class Roster:
    """Who is supervised, and how that begins and ends."""

    def __init__(self, workshop: Workshop) -> None:
        self._w = workshop
        self._supervisors: dict[int, Supervisor] = {}
        self._group: anyio.abc.TaskGroup | None = None
        workshop.on_closed, workshop.on_parked = self._closed, self._parked
        workshop.on_room = self.admit
        self.waking = Waking(workshop, self)
        workshop.record.on_parked = self.waking.look

    def __len__(self) -> int:
        return len(self._supervisors)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Re-adopt every living process before anything else happens."""
        async with anyio.create_task_group() as group:
            self._group = group
            await self._adopt_all()
            await forget_ended(self._w)
            group.start_soon(self.waking.serve)
            yield
            group.cancel_scope.cancel()

    async def _adopt_all(self) -> None:
        states = [str(state) for state in LIVE]
        rows = await self._w.store.read(
            lambda session: list(session.exec(select(ProcessRow).where(col(ProcessRow.state).in_(states))))
        )
        supervisors = [self.supervise(row) for row in rows]
        with anyio.move_on_after(ADOPT_S):
            for supervisor in supervisors:
                await supervisor.launched.wait()
        if rows:
            logger.info("re-adopted %d processes", sum(1 for one in supervisors if not one.ended.is_set()))
        await self.admit()

    def supervise(self, row: ProcessRow) -> Supervisor:
        """Begin to supervise a process that shall run, or runs already."""
        assert self._group is not None
        supervisor = Supervisor(self._w, row)
        self._supervisors[supervisor.pid] = supervisor
        self._group.start_soon(supervisor.run, name=f"process {supervisor.pid}")
        if wall := Limits.model_validate_json(row.limits).wall_s:
            self._group.start_soon(self._wall, supervisor, wall)
        return supervisor

    def get(self, pid: int) -> Supervisor | None:
        """Return the supervisor of a process that has not ended."""
        return self._supervisors.get(pid)

    def of_agent(self, agent: str) -> list[Supervisor]:
        """Return the supervisors of an agent's processes."""
        return [one for one in self._supervisors.values() if one.row.agent == agent]

    def living(self, agent: str) -> list[Living]:
        """Return an agent's processes that run."""
        found = [(one.pid, one.incarnation) for one in self.of_agent(agent)]
        return [
            Living(pid, inc.started_at if inc else None, inc is not None and inc.stdio == "pipes") for pid, inc in found
        ]

    def poke(self, pid: int) -> None:
        """Have a supervisor look at its row again, after the commit."""
        if (supervisor := self._supervisors.get(pid)) is not None:
            supervisor.poke()

    async def admit(self) -> None:
        """Start queued processes while there is room, most urgent first."""
        record = self._w.record

        def work(tx: Tx) -> ProcessRow | None:
            if self._w.full(tx):
                return None
            query = select(ProcessRow).where(ProcessRow.state == State.QUEUED, col(ProcessRow.limited_until).is_(None))
            row = tx.session.exec(query.order_by(col(ProcessRow.priority).desc(), col(ProcessRow.pid))).first()
            if row is not None:
                record.state(tx, row, State.STARTING)
            return row

        while (row := await self._w.store.write(work)) is not None:
            self.supervise(row)

    async def kill(self, pid: int, actor: str) -> None:
        """End a process and everything it started, at once."""
        supervisor = self._supervisors.get(pid)
        if supervisor is None:  # no runtime: queued, or accepted a moment ago
            await self._w.kill_tree(pid)  # what it had started before it was parked

            def work(tx: Tx) -> ProcessRow:
                row = self._w.record.row(tx, pid)
                row.ended_by = actor
                self._w.record.end(tx, row, Verdict("killed", f"ended by {actor}"), code=None, signal=None)
                return row

            await self._w.closed(await self._w.store.write(work))
            return
        with anyio.CancelScope(shield=True):  # a caller who leaves does not leave it half done
            await self._w.store.write(lambda tx: self.stopping(tx, pid, actor))
            await self._w.kill_tree(pid)
        with anyio.move_on_after(KILL_S):
            await supervisor.ended.wait()

    async def kill_all(self, actor: str) -> int:
        """End every process, also those that are queued or parked."""
        query = select(ProcessRow.pid).where(ProcessRow.state == State.QUEUED)
        queued = [pid for pid in await self._w.store.read(lambda session: session.exec(query).all()) if pid is not None]
        for pid in queued:  # first, for they would be started as soon as there is room
            await self.kill(pid, actor)
        pids = list(self._supervisors)
        async with anyio.create_task_group() as group:
            for pid in pids:
                group.start_soon(self.kill, pid, actor)
        return len(queued) + len(pids)

    def stopping(self, tx: Tx, pid: int, actor: str) -> None:
        """Write that somebody ends a process."""
        row = self._w.record.row(tx, pid)
        row.ended_by = row.ended_by or actor
        tx.session.add(row)
        if State(row.state) not in ENDED and row.state != State.STOPPING:
            self._w.record.state(tx, row, State.STOPPING, source="user", reason=f"ended by {actor}")

    def _parked(self, row: ProcessRow) -> None:
        assert row.pid is not None
        self._supervisors.pop(row.pid, None)
        self.waking.look()

    async def _closed(self, row: ProcessRow) -> None:
        assert row.pid is not None
        self._supervisors.pop(row.pid, None)
        await self.admit()

    async def _wall(self, supervisor: Supervisor, seconds: float) -> None:
        """Stop a process that runs longer than its limit."""
        await supervisor.launched.wait()
        begun = datetime.fromisoformat(supervisor.row.started_at or supervisor.row.created_at)
        left = seconds - (self._w.clock.now() - begun).total_seconds()
        with anyio.move_on_after(max(0.0, left)):
            await supervisor.ended.wait()
            return
        while not supervisor.ended.is_set():
            try:
                return await self.kill(supervisor.pid, f"its limit of {seconds:g} s")
            except AetherError as exc:  # the disk is full, say: a limit must not end the daemon
                logger.warning("process %d is over its limit: %s; trying again", supervisor.pid, exc.message)
                await anyio.sleep(KILL_S)
