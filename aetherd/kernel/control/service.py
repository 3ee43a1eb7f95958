"""Control: an exclusive lease over a process's keyboard. While a person holds it, nobody else's input gets in.

The hand-over itself is worked off by the process's supervisor, step by step, from what is written; so a
daemon killed in any step goes on with it, or rolls it back. This room keeps who holds what, and until when.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import anyio
from sqlmodel import select

from aetherd.core.clock import Clock, stamp
from aetherd.core.config import Settings
from aetherd.core.context import Origin, origin
from aetherd.core.errors import AetherError, Conflict, Forbidden, Invalid
from aetherd.kernel.control.events import ControlAcquired, ControlReleased, ControlRequested, ControlStepped
from aetherd.kernel.control.models import Acquire, ControlRef, Lease, Release, RequestHuman
from aetherd.kernel.control.ports import Processes
from aetherd.kernel.control.tables import LeaseRow
from aetherd.operations.operation import Call, Effect, Rule, Subject, operation
from aetherd.store import Store, Tx

logger = logging.getLogger(__name__)

SWEEP_S = 5.0
ONE = Subject("process", "pid")
TAKEN = "A person took over your session and has handed it back."


class ControlService:
    """Gives, shows and takes back leases."""

    def __init__(self, store: Store, settings: Settings, clock: Clock, process: Processes) -> None:
        self._store, self._settings, self._clock, self._process = store, settings, clock, process
        self._leases: dict[int, LeaseRow] = {}  # what is written, for gates that cannot wait
        self._seen: dict[int, float] = {}  # pid -> when the holder was last seen, monotonic
        self._acquired = anyio.Event()

    def offers(self) -> Mapping[str, Any]:
        """Close the input of held processes to everybody else; follow the steps of hand-overs."""
        return {
            "process.input_gates": self.gate,
            "process.holders": self.holder_of,
            "process.wishes": self.wish_of,
            "process.renewals": self.renew,
            "process.step_hooks": self.stepped,
            "process.roll_back_hooks": self.rolled_back,
            "process.end_hooks": self.process_ended,
        }

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sweep leases whose holder is gone."""
        for row in await self._store.read(lambda session: list(session.exec(select(LeaseRow)))):
            self._leases.setdefault(row.pid, row)
        async with anyio.create_task_group() as group:
            group.start_soon(self._sweep)
            yield
            group.cancel_scope.cancel()

    # Operations -------------------------------------------------------------------------------------

    @operation("control.acquire", access=ONE, positional=("pid",))
    async def acquire(self, input: Acquire, call: Call) -> Lease:
        """Take a process's keyboard: a headless Claude Code is stopped and its own TUI opens on the same conversation.

        Until control.release nobody else's input reaches the agent. Acquiring again renews the lease.
        """
        if call.agent is not None:
            raise Forbidden("control is for people; ask for one with control.request_human")
        process = await self._process.row_of(input.pid)
        now = self._clock.now()

        def work(tx: Tx) -> None:
            row = self._row_in(tx, process)
            if row.holder is not None and row.holder != call.actor:
                raise Conflict(
                    f"{row.holder} has control of process {input.pid}", holder=row.holder, expires_at=row.expires_at
                )
            row.expires_at = stamp(now + timedelta(seconds=self._settings.control_ttl_s))
            if row.holder is None:
                kind = self._process.want_in(tx, input.pid, "tui")
                row.holder, row.reason, row.since, row.requested = call.actor, input.reason, stamp(now), None
                row.interrupted = bool(process.turn)
                tx.emit(ControlAcquired(pid=row.pid, agent=row.agent, holder=call.actor, reason=input.reason))
                self._to(tx, row, "held" if kind == "keyboard" else "interrupting")
            tx.session.add(row)
            self._keep(tx, row)

        await self._soon(input.pid, input.wait_s, work)
        self._acquired.set()
        self._acquired = anyio.Event()
        self.renew(input.pid, call)
        self._process.poke(input.pid)
        with anyio.move_on_after(input.wait_s):
            while self._leases[input.pid].step not in ("tui", "held", "free") and self._leases[input.pid].holder:
                await self._process.moved(input.pid)
        row = self._leases[input.pid]
        if row.holder is None:
            raise Conflict(f"the takeover of process {input.pid} was rolled back: {row.reason}", pid=input.pid)
        return self._wire(input.pid)

    @operation("control.release", access=ONE, positional=("pid",))
    async def release(self, input: Release, call: Call) -> Lease:
        """Hand the keyboard back; the agent goes on in the same conversation and is told your note."""
        if call.agent is not None:
            raise Forbidden("control is for people")
        await self._release(input.pid, call.actor, input.note, "handed back")
        return self._wire(input.pid)

    @operation("control.status", effect=Effect.READ, access=ONE, positional=("pid",))
    async def status(self, input: ControlRef, call: Call) -> Lease:
        """Show who holds a process's keyboard and where a hand-over is."""
        return self._wire(input.pid)

    @operation("control.request_human", access=Rule.OWN, positional=("reason",))
    async def request_human(self, input: RequestHuman, call: Call) -> Lease:
        """Ask for a person to look or take over, and wait a little for one to come."""
        pid = call.pid
        if pid is None:
            raise Invalid("only a running agent asks for a person; people use control.acquire")
        process = await self._process.row_of(pid)

        def work(tx: Tx) -> None:
            row = self._row_in(tx, process)
            row.requested = input.reason
            tx.session.add(row)
            self._process.ask_person_in(tx, pid, input.reason)
            tx.emit(ControlRequested(pid=pid, agent=row.agent, reason=input.reason))
            self._keep(tx, row)

        await self._store.write(work)
        with anyio.move_on_after(input.wait_s):
            while self._leases[pid].holder is None:
                await self._acquired.wait()
        return self._wire(pid)

    # For other rooms --------------------------------------------------------------------------------

    def gate(self, pid: int, call: Call | None) -> str | None:
        """Say why a process may not be told anything now."""
        row = self._leases.get(pid)
        if row is None or (row.holder is None and row.step == "free"):
            return None
        if row.holder is None:
            return f"process {pid} is being handed back to its agent; try again in a moment"
        if call is not None and call.actor == row.holder:
            return f"you have control of process {pid}: type in its terminal, or hand back first"
        return f"{row.holder} has control of process {pid}; it takes no other input until it is handed back"

    def holder_of(self, pid: int) -> str | None:
        """Return who holds a process's keyboard."""
        row = self._leases.get(pid)
        return row.holder if row else None

    def wish_of(self, pid: int) -> str | None:
        """Return why an agent asks for a person, while nobody has come."""
        row = self._leases.get(pid)
        return row.requested if row else None

    def renew(self, pid: int, call: Call | None) -> None:
        """Let the lease go on: its holder was seen."""
        row = self._leases.get(pid)
        if row is not None and call is not None and call.actor == row.holder:
            self._seen[pid] = self._clock.monotonic()

    def stepped(self, tx: Tx, pid: int, step: str | None) -> None:
        """Note that the supervisor went a step on."""
        row = tx.session.get(LeaseRow, pid)
        if row is not None:
            self._to(tx, row, step or "free")
            self._keep(tx, row)

    def rolled_back(self, tx: Tx, pid: int, why: str) -> None:
        """Give the lease up: the hand-over ended by itself."""
        row = tx.session.get(LeaseRow, pid)
        if row is not None and row.holder is not None:
            self._free(tx, row, why)
            row.reason = why
            self._keep(tx, row)

    def process_ended(self, tx: Tx, pid: int, reason: str) -> None:
        """Free the lease: there is nothing left to hold."""
        row = tx.session.get(LeaseRow, pid)
        if row is not None and (row.step != "free" or row.requested is not None):
            if row.holder is not None:
                self._free(tx, row, reason)
            row.requested = None
            self._to(tx, row, "free")
            self._keep(tx, row)

    # Inside -----------------------------------------------------------------------------------------

    async def _soon(self, pid: int, wait_s: float, work: Callable[[Tx], None]) -> None:
        """Write the lease, as soon as the process can be taken over."""
        with anyio.move_on_after(wait_s):
            while True:
                try:
                    return await self._store.write(work)
                except Conflict as exc:
                    if not exc.data.get("soon"):
                        raise
                await self._process.moved(pid)
        return await self._store.write(work)

    async def _release(self, pid: int, holder: str, note: str | None, reason: str) -> None:
        process = await self._process.row_of(pid)

        def work(tx: Tx) -> None:
            row = self._row_in(tx, process)
            if row.holder is None:
                raise Conflict(f"nobody has control of process {pid}", pid=pid)
            if row.holder != holder:
                raise Conflict(
                    f"{row.holder} has control of process {pid} and alone hands it back; without a sign of them "
                    f"it goes back by itself after {self._settings.control_ttl_s:g} s",
                    holder=row.holder,
                    pid=pid,
                )
            kind = self._process.want_in(tx, pid, "headless")
            interrupted = row.interrupted
            self._free(tx, row, reason, note)
            if kind == "keyboard":
                self._to(tx, row, "free")
            elif note or interrupted:
                text = TAKEN + (f" Their note: {note}" if note else "")
                if interrupted:
                    text += " Your turn was interrupted by it: look at what changed, then go on with your task."
                self._process.tell_in(tx, pid, text, "aetherd")  # our words, with the person's note in them
            self._keep(tx, row)

        await self._store.write(work)
        self._process.poke(pid)

    def _free(self, tx: Tx, row: LeaseRow, reason: str, note: str | None = None) -> None:
        tx.emit(ControlReleased(pid=row.pid, agent=row.agent, holder=row.holder or "nobody", note=note, reason=reason))
        row.holder, row.expires_at, row.since, row.interrupted = None, None, None, False
        if row.step != "free":
            self._to(tx, row, "returning")
        tx.session.add(row)

    def _to(self, tx: Tx, row: LeaseRow, step: str) -> None:
        if row.step != step:
            tx.emit(ControlStepped(pid=row.pid, agent=row.agent, from_step=row.step, to_step=step, holder=row.holder))
            row.step = step
        tx.session.add(row)

    def _row_in(self, tx: Tx, process: Any) -> LeaseRow:
        row = tx.session.get(LeaseRow, process.pid)
        return row or LeaseRow(pid=process.pid, agent=process.agent, user=process.user, org=process.org)

    def _keep(self, tx: Tx, row: LeaseRow) -> None:
        """Remember what is written, as soon as it is."""
        written = LeaseRow(**row.model_dump())
        tx.after(lambda: self._leases.update({written.pid: written}))

    async def _sweep(self) -> None:
        while True:
            await self._clock.sleep(SWEEP_S)
            now = self._clock.monotonic()
            for pid, row in list(self._leases.items()):
                if row.holder is None:
                    continue
                seen = self._seen.setdefault(pid, now)
                if now - seen > self._settings.control_ttl_s:
                    origin.set(Origin("system", None, row.user, row.org))
                    try:
                        await self._release(pid, row.holder, None, "the lease expired: its holder was not seen")
                    except AetherError as exc:  # paused, say: the next sweep tries again
                        logger.debug("process %d is not handed back: %s", pid, exc.message)

    def _expires(self, pid: int, row: LeaseRow) -> str | None:
        """Return when the lease ends unless its holder is seen again."""
        if row.holder is None:
            return None
        seen = self._seen.setdefault(pid, self._clock.monotonic())
        left = self._settings.control_ttl_s - (self._clock.monotonic() - seen)
        return stamp(self._clock.now() + timedelta(seconds=max(0.0, left)))

    def _wire(self, pid: int) -> Lease:
        row = self._leases.get(pid)
        if row is None:
            return Lease(
                pid=pid,
                held=False,
                holder=None,
                step="free",
                terminal=None,
                reason=None,
                since=None,
                expires_at=None,
                requested=None,
            )
        return Lease(
            pid=pid,
            held=row.holder is not None,
            holder=row.holder,
            step=row.step,
            terminal=str(pid) if row.step in ("tui", "held") else None,
            reason=row.reason,
            since=row.since,
            expires_at=self._expires(pid, row),
            requested=row.requested,
        )
