"""The book of one flow: each change of a step is written before anything follows from it.

Steps without an effect (`set`, what `when` left out) are kept back and written with the next change, or in bundles:
a crash in between loses nothing, they come to the same again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import anyio

from aetherd.core.clock import Clock, stamp
from aetherd.events import Event
from aetherd.kernel.flow.events import FlowAsked, FlowFinished, FlowStepFinished, FlowStepStarted
from aetherd.kernel.flow.expression import weight
from aetherd.kernel.flow.record import ENDED, PEOPLE, UPSERT, WITHIN, Bounds, Record, records_of
from aetherd.kernel.flow.stopping import Stopping
from aetherd.store import Store, Tx
from aetherd.store.rows import bare

BUNDLE = 50  # steps without an effect in one write: some 3 ms
OUTPUT, OUTPUTS = 256 * 1024, 32 * 1024 * 1024  # characters of one output as JSON, of all of a flow
SHOWN = 300  # characters of an error in an event

Also = Callable[[Tx], None]


class Over(Exception):
    """Raised when the flow has ended meanwhile: nothing of it goes on."""


class Failed(Exception):
    """Raised when a step did not work out."""

    def __init__(self, message: str, *, again: bool = False, step: str | None = None) -> None:
        super().__init__(message)
        self.message, self.again, self.step = message, again, step  # again: another try may help

    def at(self, path: str) -> Failed:
        """Return it with the step it came from."""
        return self if self.step is not None else Failed(self.message, again=self.again, step=path)

    def __str__(self) -> str:
        """Name the step."""
        return f"step {self.step}: {self.message}" if self.step is not None else self.message


class Ledger:
    """Steps as they are written, and the ways to change them."""

    def __init__(self, store: Store, clock: Clock, stopping: Stopping, row: dict[str, Any]) -> None:
        self._store, self._clock, self._stopping = store, clock, stopping
        self.flow, self.name, self.agent = str(row["id"]), str(row["name"]), row["agent"]
        self.seq, self.budget = int(row["seq"]), row["budget"]
        self._state = str(row["state"])
        self._records: dict[str, Record] = {}
        self._busy: set[str] = set()  # steps under way that wait for nobody
        self._asking: set[str] = set()  # steps that wait for a person
        self._kept: list[tuple[Record, Event]] = []
        self._writing = anyio.Lock()  # bundles go in order
        self._size = self._seq = 0

    async def load(self) -> None:
        """Learn what was written before a restart."""
        self._records = await self._store.read(lambda session: records_of(bare(session), self.flow))
        self._seq = max((record.seq for record in self._records.values()), default=0)
        self._size = sum(_size(record.output) for record in self._records.values())
        for record in self._records.values():
            self._count(record)

    def get(self, path: str) -> Record | None:
        """Return what is known of a step."""
        return self._records.get(path)

    def now(self) -> datetime:
        """Return the time."""
        return self._clock.now()

    async def sleep(self, until: str) -> None:
        """Wait for a time; at once when it is past."""
        left = (datetime.fromisoformat(until) - self.now()).total_seconds()
        if left > 0:
            await self._clock.sleep(left)

    # Changes ------------------------------------------------------------------------------------------

    async def instant(self, path: str, kind: str, output: Any, outcome: str = "completed") -> Record:
        """Note a step that had no effect; written soon."""
        self.room(output)
        record = replace(self._new(path, kind), state=outcome, output=output, ended_at=stamp(self.now()))
        self._apply([record])
        self._kept.append((record, self._finished(record)))
        if len(self._kept) >= BUNDLE:
            await self._write([])
        return record

    async def begin(self, path: str, kind: str, attempt: int = 1) -> Record:
        """Write that a step is under way, before it has any effect."""
        record = replace(self._known(path, kind), state="running", attempt=attempt, due=None, error=None)
        record = replace(record, approval=None, found=False)
        await self._write([(record, self._started(record))])
        return record

    async def flush(self) -> None:
        """Write what was kept back."""
        if self._kept:
            await self._write([])

    def to_spawn(self, path: str, kind: str, attempt: int, bounds: Bounds) -> Record:
        """Return a step as it will be written with its process."""
        record = replace(self._known(path, kind), state="running", attempt=attempt, due=None, error=None)
        return replace(record, approval=None, found=False, bounds=bounds)

    def spawned_in(self, tx: Tx, record: Record, pid: int, reserved: float) -> None:
        """Write, in the transaction of a new process, that it is the step's: so it is started once."""
        record = replace(record, pid=pid)
        self._write_in(tx, [(record, self._started(record))])
        tx.execute(
            "INSERT INTO flow_process (pid, flow, step, depth, reserved, wish, gone) VALUES (?, ?, ?, 0, ?, '', 0)",
            (pid, self.flow, record.path, reserved),
        )

    async def ask(self, path: str, kind: str, question: Callable[[Tx], str], *, unknown: bool = False) -> Record:
        """Put a question to a person and write that the step waits for the answer, as one."""
        known = replace(self._known(path, kind), state="unknown" if unknown else "waiting", found=False)

        def work(tx: Tx) -> Record:
            record = replace(known, approval=question(tx))
            self._write_in(tx, [(record, self._waiting(record))])
            return record

        await self.flush()
        return await self._store.write(work)

    async def waits(self, path: str, kind: str, approval: str) -> Record:
        """Write that a step waits for the answer to a question that was put already."""
        record = replace(self._known(path, kind), state="waiting", approval=approval, found=False)
        await self._write([(record, self._waiting(record))])
        return record

    async def end(self, path: str, kind: str, outcome: str, *, output: Any = None, error: str | None = None) -> Record:
        """Write how a step ended; its processes are let go, or stopped when it did not work out."""
        if outcome == "completed":
            self.room(output)
        record = self._known(path, kind)
        cost = await self._stopping.cost(self.flow, path) if record.pid is not None else record.cost_usd
        record = replace(
            record,
            state=outcome,
            output=output,
            error=error,
            cost_usd=cost,
            due=None,
            ended_at=stamp(self.now()),
        )
        if record.pid is None and outcome in ("completed", "failed"):
            await self._write([(record, self._finished(record))])
            return record

        def also(tx: Tx) -> None:
            self._stopping.let_go_in(tx, self.flow, path, kept=outcome == "completed")

        await self._write([(record, self._finished(record))], also)
        return record

    async def delay(self, path: str, kind: str, error: str, seconds: float) -> Record:
        """Write that a step is tried again later."""
        record = self._known(path, kind)
        due = stamp(self.now() + timedelta(seconds=seconds))
        record = replace(record, state="delayed", error=error, due=due)

        def also(tx: Tx) -> None:
            self._stopping.let_go_in(tx, self.flow, path, kept=False)

        await self._write([(record, self._finished(record))], also)
        return record

    async def abandon(self, place: str, reason: str) -> None:
        """Write that nothing below a place goes on, and stop what was started for it."""
        below = place + "/"
        gone = [
            replace(record, state="cancelled", error=reason, due=None, ended_at=stamp(self.now()))
            for path, record in self._records.items()
            if path.startswith(below) and record.state not in ENDED
        ]
        own = self._records.get(place)
        waiting = [record.approval for record in (*gone, *([own] if own else [])) if record.approval]

        def also(tx: Tx) -> None:
            self._stopping.let_go_in(tx, self.flow, place, kept=False, below=True)
            for approval in waiting:
                self._stopping.close_in(tx, approval, reason)

        await self._write([(record, self._finished(record)) for record in gone], also)

    async def finish(self, state: str, outputs: Any = None, error: str | None = None) -> None:
        """Write how the flow ended."""
        await self.flush()
        cost = await self._stopping.cost(self.flow)
        await self._store.write(lambda tx: self.finish_in(tx, state, outputs, error, cost))

    def finish_in(self, tx: Tx, state: str, outputs: Any, error: str | None, cost: float) -> bool:
        """Write the end of the flow, and that nothing of it goes on; False when it has ended already."""
        now = stamp(self.now())
        written = None if outputs is None else json.dumps(outputs, ensure_ascii=False)
        done = tx.execute(
            "UPDATE flow SET state = ?, outputs = ?, error = ?, cost_usd = ?, ended_at = ? "
            "WHERE id = ? AND ended_at IS NULL",
            (state, written, error, cost, now, self.flow),
        )
        if not done.rowcount:
            return False
        asking = "SELECT approval FROM flow_step WHERE flow = ? AND state IN ('waiting', 'unknown')"
        for (approval,) in tx.execute(asking, (self.flow,)).fetchall():
            self._stopping.close_in(tx, approval, f"the flow {self.name} has ended")
        tx.execute(
            "UPDATE flow_step SET state = 'cancelled', due = NULL, ended_at = ? WHERE flow = ? AND ended_at IS NULL",
            (now, self.flow),
        )
        self._stopping.let_go_in(tx, self.flow, None, kept=False)
        tx.emit(FlowFinished(agent=self.agent, flow=self.flow, name=self.name, state=state, error=error, cost_usd=cost))
        return True

    # Inside -------------------------------------------------------------------------------------------

    async def _write(self, batch: list[tuple[Record, Event]], also: Also | None = None) -> None:
        async with self._writing:
            batch, self._kept = [*self._kept, *batch], []

            def work(tx: Tx) -> None:
                self._write_in(tx, batch)
                if also is not None:
                    also(tx)

            await self._store.write(work)

    def _write_in(self, tx: Tx, batch: list[tuple[Record, Event]]) -> None:
        """Write changes and their events, and the state of the flow that follows; on the writer's thread."""
        busy, asking = self._after([record for record, _ in batch])
        state = "waiting" if asking and not busy else "running"
        going = tx.execute("UPDATE flow SET state = ? WHERE id = ? AND ended_at IS NULL", (state, self.flow)).rowcount
        if not going:
            raise Over
        tx.cursor.executemany(UPSERT, [record.values(self.flow) for record, _ in batch])
        for _, event in batch:
            tx.emit(event.model_copy(update={"state": state}))
        tx.after(lambda: self._apply([record for record, _ in batch]))

    def _apply(self, records: list[Record]) -> None:
        for record in records:
            self._records[record.path] = record
            self._count(record)

    def _count(self, record: Record) -> None:
        self._busy.discard(record.path)
        self._asking.discard(record.path)
        if record.state in PEOPLE:
            self._asking.add(record.path)
        elif record.state not in ENDED and record.kind not in WITHIN:
            self._busy.add(record.path)

    def _after(self, records: list[Record]) -> tuple[set[str], set[str]]:
        """Return who is busy and who waits for a person once these are written."""
        paths = {record.path for record in records}
        last = {record.path: record for record in records}.values()
        asking = {record.path for record in last if record.state in PEOPLE}
        busy = {record.path for record in last if record.state not in ENDED | PEOPLE and record.kind not in WITHIN}
        return (self._busy - paths) | busy, (self._asking - paths) | asking

    def _known(self, path: str, kind: str) -> Record:
        return self._records.get(path) or self._new(path, kind)

    def _new(self, path: str, kind: str) -> Record:
        self._seq += 1
        return Record(path, self._seq, kind, "running", 1, stamp(self.now()))

    def room(self, output: Any) -> None:
        """Refuse what is too large to keep for every step that may come."""
        size = _size(output)
        if size > OUTPUT:
            raise Failed(f"an output of more than {OUTPUT:,} characters; write it to a file and name that")
        if self._size + size > OUTPUTS:
            raise Failed(f"the outputs of this flow come to more than {OUTPUTS:,} characters; write them to files")
        self._size += size

    def _started(self, record: Record) -> Event:
        facts = {"flow": self.flow, "step": record.path, "kind": record.kind, "attempt": record.attempt}
        return FlowStepStarted(agent=self.agent, pid=record.pid, state=self._state, **facts)

    def _finished(self, record: Record) -> Event:
        error = None if record.error is None else record.error[:SHOWN]
        facts = {"flow": self.flow, "step": record.path, "kind": record.kind, "attempt": record.attempt}
        return FlowStepFinished(
            agent=self.agent,
            pid=record.pid,
            outcome=record.state,
            error=error,
            cost_usd=record.cost_usd,
            state=self._state,
            **facts,
        )

    def _waiting(self, record: Record) -> Event:
        return FlowAsked(
            agent=self.agent,
            flow=self.flow,
            step=record.path,
            approval=record.approval or "",
            unknown=record.state == "unknown",
            state=self._state,
        )


def _size(output: Any) -> int:
    """Return how long an output is, nearly; of one that is too long only that it is."""
    return weight(output, OUTPUT)
