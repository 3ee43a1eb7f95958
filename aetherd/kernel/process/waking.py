"""The one queue of all agents that wait for a usage limit: the most urgent goes on first, then who waited longest.

They go on one after another and a little apart, because a limit that has just lifted is soon reached again by a
fleet that comes back at once. Who is paused, or in a person's hands, is left alone until that is over.
"""

from __future__ import annotations

import logging
import random
from datetime import datetime
from typing import TYPE_CHECKING

import anyio
from sqlmodel import Session, col, select

from aetherd.core.clock import stamp
from aetherd.core.context import Origin, origin
from aetherd.core.errors import AetherError, Conflict
from aetherd.core.ids import new_id
from aetherd.kernel.process import parking
from aetherd.kernel.process.events import AgentLimitLifted
from aetherd.kernel.process.states import Phase, State
from aetherd.kernel.process.tables import ProcessRow
from aetherd.store import Tx

if TYPE_CHECKING:
    from aetherd.kernel.process.roster import Roster
    from aetherd.kernel.process.workshop import Workshop

logger = logging.getLogger(__name__)

JITTER_S = 1.0  # after a reset: other houses of the same account wait for it, too
GAP_S = (0.25, 0.75)  # between two that go on
LOOK_S = 30.0  # most between two looks: the wall clock may be set


class Waking:
    """Tells parked agents to go on."""

    def __init__(self, workshop: Workshop, roster: Roster) -> None:
        self._w, self._roster = workshop, roster
        self._changed = anyio.Event()
        self._wanted: list[ProcessRow] = []
        self._random = random.Random()
        self._waits: set[int] = set()  # pids that wait for a limit by themselves

    def take_up(self, row: ProcessRow) -> None:
        """Have a parked process started before its time, which a person wants to see."""
        self._wanted.append(row)
        self.look()

    def look(self) -> None:
        """Look again: somebody waits now, or is free to go on."""
        self._changed.set()

    async def seen(self, pid: int, resets_at: datetime | None) -> None:
        """Note when a limit lifts that a provider told a runtime; None: the provider answers it again.

        A runtime that ends its turn for it is parked. One that waits by itself is shown as limited meanwhile, and woken
        by nobody.
        """
        if resets_at is not None:
            self._w.record.resets.seen(pid, resets_at)
            self._waits = {one for one in self._waits if self._roster.get(one) is not None} | {pid}
        elif pid not in self._waits:
            return
        else:
            self._waits.remove(pid)

        def work(tx: Tx) -> None:
            row = self._w.record.row(tx, pid)
            if not row.turn or row.waiting or row.want != "headless":
                return
            if resets_at is not None:
                row.limited_told = stamp(resets_at)
                self._w.record.phase(tx, row, Phase.LIMITED, reason=parking.by_itself(row))
            elif row.phase == Phase.LIMITED:
                self._w.record.phase(tx, row, Phase.THINKING)

        row = await self._w.read_row(pid)
        slot = origin.set(Origin(f"process:{pid}", None, row.user, row.org))
        try:
            await self._w.store.write(work)
        finally:
            origin.reset(slot)

    async def serve(self) -> None:
        """Wake whoever is due, for ever."""
        while True:
            self._changed = anyio.Event()
            while self._wanted:
                self._roster.supervise(self._wanted.pop())
            try:
                found, parked = await self._w.store.read(self._first)
                if not parked:
                    await self._changed.wait()
                elif found is None:
                    await self._pause(LOOK_S)
                elif (left := self._left(found)) > 0:
                    await self._pause(min(left, LOOK_S))
                else:
                    assert found.pid is not None
                    await self.wake(found.pid)
                    await self._pause(self._random.uniform(*GAP_S))
            except AetherError as exc:  # the disk is full, say
                logger.warning("agents that wait for a usage limit are not woken: %s; trying again", exc.message)
                await self._pause(LOOK_S)

    async def wake(self, pid: int) -> None:
        """Let a process go on now; nothing happens when it waits for no limit, or is not free to."""

        def work(tx: Tx) -> bool:
            row = self._w.record.row(tx, pid)
            if row.limited_until is None or not self._free(row):
                raise Conflict(f"process {pid} does not wait for a usage limit", pid=pid)
            rests = row.state == State.QUEUED
            now = self._w.clock.now()
            waited = now - datetime.fromisoformat(row.limited_at or stamp(now))
            tx.emit(
                AgentLimitLifted(
                    pid=pid, agent=row.agent, waited_s=round(waited.total_seconds(), 3), times=row.limited_times
                )
            )
            parking.going_on(row)
            if rests:
                row.reason = "its usage limit has lifted; it starts when there is room"
                self._w.record.phase(tx, row, Phase.BOOTING, source="process")
            self._w.record.add_input(tx, row, "say", parking.GO_ON, by="aetherd", key=f"limit/{new_id('input')}")
            return rests

        row = await self._w.read_row(pid)
        origin.set(Origin("system", None, row.user, row.org))
        try:
            rests = await self._w.store.write(work)
        except Conflict as exc:  # somebody was quicker
            logger.debug("%s", exc.message)
            return
        if rests:
            await self._roster.admit()
        else:
            self._roster.poke(pid)

    def _first(self, session: Session) -> tuple[ProcessRow | None, int]:
        """Return who is next and how many wait: the most urgent of those that are due, else whose time comes first."""
        parked = session.exec(select(ProcessRow).where(col(ProcessRow.limited_until).is_not(None))).all()
        rows = [row for row in parked if self._free(row)]
        due = [row for row in rows if parking.left_s(row, self._w.clock.now()) <= 0]
        if due:
            return min(due, key=lambda row: (-row.priority, row.limited_at, row.pid)), len(parked)
        return min(rows, key=lambda row: row.limited_until or "", default=None), len(parked)

    def _left(self, row: ProcessRow) -> float:
        left = parking.left_s(row, self._w.clock.now())
        return left if left <= 0 else left + self._random.uniform(0, JITTER_S)

    def _free(self, row: ProcessRow) -> bool:
        """Tell whether nobody else decides what it does: a person, or its own hand-over to a rest."""
        if row.ended_by is not None or row.want != "headless" or row.step is not None:
            return False
        if row.state == State.QUEUED:
            return True
        assert row.pid is not None
        supervisor = self._roster.get(row.pid)
        return row.state == State.RUNNING and supervisor is not None and not supervisor.retiring

    async def _pause(self, seconds: float) -> None:
        """Wait so long, or until something has changed."""
        changed = self._changed
        async with anyio.create_task_group() as group:

            async def sleep() -> None:
                await self._w.clock.sleep(seconds)
                group.cancel_scope.cancel()

            group.start_soon(sleep)
            await changed.wait()
            group.cancel_scope.cancel()
