"""The polite end of a living incarnation: another mode is wanted, or the run is done and rests."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from aetherd.kernel.process.parking import left_s
from aetherd.kernel.process.states import State
from aetherd.kernel.process.tables import IncarnationRow, ProcessRow
from aetherd.runtime import Decoder, Output, Spawn
from aetherd.shim.client import Shim, alive
from aetherd.store import Tx

if TYPE_CHECKING:
    from aetherd.kernel.process.supervisor import Supervisor
    from aetherd.kernel.process.workshop import Workshop

INTERRUPT_S = 5.0
DRAIN_S = 5.0
TERM_S = 3.0
WORTH_S = 30.0  # a runtime whose usage limit lifts sooner is not let go of
DISMISSED_S = 0.05  # the idle time of one whose result was all that was wanted


class Handover:
    """The way of one supervisor's process from one incarnation to the next, or to its rest."""

    def __init__(self, workshop: Workshop, supervisor: Supervisor) -> None:
        self._w, self._s = workshop, supervisor
        self._mode_changed = anyio.Event()
        self._turn_ended = anyio.Event()
        self.retiring = False  # it is being ended, because it rests

    def wake(self) -> None:
        """Look again at which mode is wanted."""
        self._mode_changed.set()

    def turn_ended(self) -> None:
        """Go on with what waited for the end of a turn."""
        self._turn_ended.set()
        self._turn_ended = anyio.Event()

    async def change(self, shim: Shim, inc: IncarnationRow, decoder: Decoder) -> None:
        """End this incarnation politely when another mode is wanted; what follows is launched after its exit."""
        while True:
            event = self._mode_changed = anyio.Event()
            self._s.row = await self._w.read_row(self._s.pid)  # another room changes what is wanted
            if self._s.row.want != inc.mode and self._w.can_change_mode(self._s.row):
                break
            await event.wait()
        if inc.mode == "headless":
            if self._s.row.turn:
                await self._step("interrupting")
                await self._s.sender.interrupt()
                with anyio.move_on_after(INTERRUPT_S):
                    while self._s.row.turn:
                        await self._turn_ended.wait()
            await self._step("draining")
            await self._s.sender.close(shim, inc, decoder)
            await anyio.sleep(DRAIN_S)  # the exit cancels this task
        else:
            await self._step("returning")
        await self._signal_main(signal.SIGTERM)
        await anyio.sleep(TERM_S)
        await self._signal_main(signal.SIGKILL)

    async def retire(self, shim: Shim, inc: IncarnationRow, decoder: Decoder) -> None:
        """End a run that is done and that nobody has told anything for a while, or let go of one that is parked."""
        self.retiring = False
        while True:
            row, changed = self._s.row, self._s.changed
            idle = DISMISSED_S if self._s.dismissed else self._w.settings.idle_exit_s
            resting = row.started_at is not None and not row.turn and row.outcome != "running"
            if row.limited_until is not None and not row.turn:
                left = left_s(row, self._w.clock.now())
                idle, resting = DISMISSED_S, left > WORTH_S and self._w.can_rest(row)
            ready = idle and resting and row.want == inc.mode and row.state == State.RUNNING
            with anyio.move_on_after(idle if ready else None) as scope:
                await changed.wait()
            if scope.cancelled_caught:
                self.retiring = True
                await self._s.sender.close(shim, inc, decoder)
                await anyio.sleep(DRAIN_S)
                await self._signal_main(signal.SIGTERM)

    async def follow(self, spawn: Spawn, since: float) -> Callable[[Tx], None]:
        """Return what writes what was said in the TUI, and the conversation the person left, if it is another."""
        adapter, number = self._w.adapter(self._s.row.runtime), self._s.row.incarnation

        def look() -> tuple[str | None, list[Output]]:
            moved = adapter.ended_in(spawn, since)
            return moved, list(adapter.transcript(replace(spawn, session=moved or spawn.session), since))

        moved, told = await anyio.to_thread.run_sync(look)

        def work(tx: Tx) -> None:
            row = self._w.record.row(tx, self._s.pid)
            row.session = moved or row.session
            self._w.record.outputs(tx, row, told, number)

        return work

    async def _step(self, step: str) -> None:
        def work(tx: Tx) -> ProcessRow:
            row = self._w.record.row(tx, self._s.pid)
            self._w.step(tx, row, step)
            return row

        self._s.row = await self._w.store.write(work)
        self._s.notice()

    async def _signal_main(self, number: signal.Signals) -> None:
        inc = self._s.incarnation
        if inc is None or not inc.os_pid or not inc.start_time or not inc.boot_id:
            return
        try:
            handle = os.pidfd_open(inc.os_pid)
        except ProcessLookupError:
            return
        try:
            if alive(inc.os_pid, inc.start_time, inc.boot_id):  # checked while the handle pins the pid
                signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            pass
        finally:
            os.close(handle)
