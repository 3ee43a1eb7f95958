"""One task per process: launch, attend, hand over, end.

It works from what is written: `want` (the mode the process shall be in) against the living incarnation's
mode. So a daemon killed in any step of a hand-over finds, when it comes back, a difference to work off:
an incarnation that should end is ended, one that should exist is launched, never two at once.
"""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from aetherd.core.context import Origin, origin
from aetherd.core.errors import AetherError, Unavailable
from aetherd.events import Frame
from aetherd.kernel.process.events import ProcessAdopted, ProcessBlocked, ProcessStarted
from aetherd.kernel.process.inputs import Sender
from aetherd.kernel.process.launch import open_door, prepare
from aetherd.kernel.process.states import ENDED, Phase, State
from aetherd.kernel.process.tables import IncarnationRow, ProcessRow
from aetherd.runtime import Decoder, Delta, Ended, Launch, Output, Spawn, Verdict
from aetherd.shim.client import (
    Blocked,
    Exit,
    Remains,
    Shim,
    ShimError,
    ShimGone,
    alive,
    boot_id,
    open_shim,
    read_output,
    read_stderr,
)
from aetherd.shim.client import Output as Chunk
from aetherd.store import Tx

if TYPE_CHECKING:
    from aetherd.kernel.process.workshop import Workshop

logger = logging.getLogger(__name__)

LINE = 16 * 1024 * 1024  # bytes; a longer line is cut in two
INTERRUPT_S = 5.0
DRAIN_S = 5.0
TERM_S = 3.0
QUICK_S = 3.0  # a TUI that ends sooner than this did not open
FAILURES = 5  # times in a row that supervising may fail before it is given up; the agent is left alone
UNKNOWN_S = 2.0  # between looks at a shim that neither answers nor is dead


class Supervisor:
    """Owns one process from its launch to its end."""

    def __init__(self, workshop: Workshop, row: ProcessRow) -> None:
        assert row.pid is not None
        self._w, self.pid = workshop, row.pid
        self.row = row
        self.incarnation: IncarnationRow | None = None
        self.launched = anyio.Event()  # the first launch succeeded, or failed for good
        self.failure: AetherError | None = None
        self.ended = anyio.Event()
        self.changed = anyio.Event()  # replaced at each change of the row: waiters look again
        self.sender = Sender(workshop, self)
        self._mode_changed = anyio.Event()
        self._turn_ended = anyio.Event()

    def poke(self) -> None:
        """The row was changed from outside: look again."""
        self._mode_changed.set()
        self.sender.wake()
        self.notice()

    def notice(self) -> None:
        """Wake everybody who waits for a change."""
        self.changed.set()
        self.changed = anyio.Event()

    async def run(self) -> None:
        """Supervise until the process has ended."""
        row = self.row
        origin.set(Origin(f"process:{self.pid}", None, row.user, row.org))
        failures = 0
        try:
            while failures < FAILURES:
                try:
                    if not await self._once():
                        return
                    failures = 0
                except Exception as exc:
                    if (wait := _unavailable(exc)) is not None:  # the disk is full, say: nothing of it is lost
                        logger.warning("process %d: %s; trying again", self.pid, wait.message)
                    else:  # ours, not the agent's: it goes on, and is adopted again
                        failures += 1
                        logger.exception("supervising process %d failed", self.pid)
                    await anyio.sleep(UNKNOWN_S)
            try:
                await self._unknown("aetherd failed to supervise it; see its log, a restart of aetherd adopts it again")
            except AetherError:
                logger.exception("process %d: its state could not be written", self.pid)
        finally:
            self.launched.set()
            self.ended.set()
            self.notice()

    async def _once(self) -> bool:
        """One incarnation from start or adoption to exit; False when the process has ended."""
        found = await self._living()
        if found is None:
            if State(self.row.state) in ENDED:
                return False
            found = await self._launch()
            if found is None:
                return False
        shim, spawn, decoder = found
        self.launched.set()
        try:
            ended = await self._attend(shim, decoder)
        except ExceptionGroup as errors:  # the reader and a sender may both find it gone
            gone, others = errors.split(ShimGone)
            if gone is None or others is not None:
                raise
            return await self._lost("its supervisor is gone and it left no exit record")
        finally:
            await shim.aclose()
        return await self._after(ended, spawn, decoder)

    # Finding and launching ---------------------------------------------------------------------------

    async def _living(self) -> tuple[Shim | Remains, Spawn, Decoder] | None:
        """Return the incarnation that was running when the daemon went away, or its remains."""
        number = self.row.incarnation
        if number == 0:  # accepted a moment ago
            return None
        found = await self._w.store.read(lambda session: session.get(IncarnationRow, (self.pid, number)))
        if found is None or found.ended_at is not None:
            return None
        self.incarnation = found
        shim = await self._open(found)
        if shim is None:
            if found.os_pid is None:  # the daemon was killed before it was started
                await self._close_incarnation(None, None)
                return None
            await self._lost("its supervisor is gone and it left no exit record")
            return None
        if found.os_pid is None:
            await self._started(found, shim.hello.os_pid, shim.hello.start_time, shim.hello.boot_id)
        spawn, adapter = await self._w.spawn_of(self.row, found.mode, found.resumed)
        decoder = adapter.decoder(spawn, json.loads(found.decoder) if found.decoder else None)
        if isinstance(shim, Shim):
            await open_door(self._w, self.row)
            await self._w.store.write(self._adopted)
            await self._make_true()
        return shim, spawn, decoder

    async def _make_true(self) -> None:
        """What was written before the daemon was killed may not have been done."""
        if self.row.ended_by is not None:
            await self._w.kill_tree(self.pid)
        elif self.row.state == State.PAUSED:
            identity = self._w.host.identity(f"p{self.pid}", None)
            await anyio.to_thread.run_sync(self._w.host.trees.freeze, identity.tree, identity.marker)

    def _adopted(self, tx: Tx) -> None:
        row = self._w.record.row(tx, self.pid)
        inc = self.incarnation
        assert inc is not None
        tx.emit(ProcessAdopted(pid=self.pid, agent=row.agent, incarnation=inc.number, os_pid=inc.os_pid or 0))
        if row.state == State.STARTING or row.state == State.UNKNOWN:
            self._w.record.state(tx, row, State.RUNNING, reason="adopted")
        self.row = row

    async def _open(self, inc: IncarnationRow) -> Shim | Remains | None:
        """Connect; None only on proof of death: no shim, no exit record, and the very process is not there."""
        directory = self._w.shim_dir(self.pid, inc.number)
        while True:
            try:
                return await open_shim(directory)
            except ShimGone:
                if inc.os_pid is None or inc.start_time is None or inc.boot_id is None:
                    return None
                if not alive(inc.os_pid, inc.start_time, inc.boot_id):
                    return None
            except ShimError as exc:
                logger.warning("process %d: %s", self.pid, exc)
            await self._unknown()
            await anyio.sleep(UNKNOWN_S)

    async def _unknown(self, reason: str = "its supervisor does not answer") -> None:
        def work(tx: Tx) -> None:
            row = self._w.record.row(tx, self.pid)
            if row.state != State.UNKNOWN:
                self._w.record.state(tx, row, State.UNKNOWN, reason=reason)
            self.row = row

        await self._w.store.write(work)
        self.notice()

    async def _launch(self) -> tuple[Shim | Remains, Spawn, Decoder] | None:
        """Start a new incarnation in the wanted mode."""
        mode = self.row.want
        resume = self.row.session is not None and (self.row.incarnation > 0 or self.row.resumes)
        try:
            spawn, adapter = await self._w.spawn_of(self.row, mode, resume)
            launch = await anyio.to_thread.run_sync(adapter.launch, spawn)  # it reads files, also the agent's
            inc = await self._w.store.write(lambda tx: self._begin(tx, launch, mode, resume))
            if inc is None:
                await self._end(Verdict("killed", f"ended by {self.row.ended_by}"), None, None)
                return None
            self.incarnation = inc
            directory = self._w.shim_dir(self.pid, inc.number)
            await self._w.agent.make_home(self.row.agent, self.row.uid)
            spawned = await prepare(self._w, self.row, spawn, launch, directory)
        except Exception as exc:  # also an adapter's own fault: nothing runs yet, so it ends here
            if not isinstance(exc, AetherError | ShimError | OSError):
                logger.exception("process %d could not be launched", self.pid)
            await self._launch_failed(exc, mode)
            return None if self.row.state in ENDED else await self._launch()
        await self._started(inc, spawned.os_pid, spawned.start_time, spawned.boot_id)
        if self.row.ended_by is not None:  # while it was launched
            await self._w.kill_tree(self.pid)
        shim = await open_shim(directory)
        return shim, spawn, adapter.decoder(spawn)

    def _begin(self, tx: Tx, launch: Launch, mode: str, resume: bool) -> IncarnationRow | None:
        """Write the next incarnation; None when somebody has ended the process meanwhile."""
        record = self._w.record
        row = self.row = record.row(tx, self.pid)
        if row.ended_by is not None or State(row.state) in ENDED:
            return None
        row.incarnation += 1
        inc = IncarnationRow(
            pid=self.pid,
            number=row.incarnation,
            mode=mode,
            stdio=launch.stdio,
            resumed=resume,
            started_at=record.now(),
        )
        tx.session.add(inc)
        tx.session.add(row)
        self.row = row
        return inc

    async def _started(self, inc: IncarnationRow, os_pid: int, start: int, boot: str) -> None:
        def work(tx: Tx) -> None:
            record = self._w.record
            row = record.row(tx, self.pid)
            stored = tx.session.get_one(IncarnationRow, (self.pid, inc.number))
            stored.os_pid, stored.start_time, stored.boot_id = os_pid, start, boot
            tx.session.add(stored)
            row.started_at = row.started_at or record.now()
            tx.emit(
                ProcessStarted(
                    pid=self.pid,
                    agent=row.agent,
                    incarnation=inc.number,
                    os_pid=os_pid,
                    mode=inc.mode,
                    stdio=inc.stdio,
                )
            )
            if row.state == State.STARTING:
                record.state(tx, row, State.RUNNING)
            if inc.mode == "tui":
                self._w.step(tx, row, "tui")
                record.phase(tx, row, Phase.CONTROLLED, source="user")
            elif row.step is not None:
                self._w.step(tx, row, None)
                record.phase(tx, row, Phase.IDLE, source="process")
            elif row.phase is None:
                record.phase(tx, row, Phase.BOOTING if inc.stdio == "pipes" else Phase.EXECUTING, source="process")
            self.row, self.incarnation = row, stored

        await self._w.store.write(work)
        self.notice()

    async def _launch_failed(self, exc: Exception, mode: str) -> None:
        """A TUI that cannot be opened rolls the takeover back; anything else ends the process."""
        text = str(exc)
        await self._close_incarnation(None, None)
        if mode == "tui":
            await self._roll_back(f"its terminal could not be opened: {text}")
            return
        self.failure = exc if isinstance(exc, AetherError) else Unavailable(text, pid=self.pid)
        self.row = await self._w.read_row(self.pid)
        by = self.row.ended_by  # somebody may have killed it while it was launched
        await self._end(Verdict("killed", f"ended by {by}") if by else Verdict("failed", text), None, None)

    # Attending ---------------------------------------------------------------------------------------

    async def _attend(self, shim: Shim | Remains, decoder: Decoder) -> Exit:
        """Read until the exit; meanwhile tell it what is queued and work off a wanted change of mode."""
        inc = self.incarnation
        assert inc is not None
        structured = inc.stdio == "pipes"
        if structured:
            await shim.attach(inc.offset)
        self._turn_ended = anyio.Event()
        async with anyio.create_task_group() as group:
            if isinstance(shim, Shim):
                group.start_soon(self.sender.serve, shim, inc, decoder)
                group.start_soon(self._change_mode, shim, inc, decoder)
                if structured:
                    group.start_soon(self._retire, shim, inc, decoder)
                    group.start_soon(self._welcome)
            rest = b""
            while True:
                item = await shim.read()
                if isinstance(item, Chunk):
                    rest = await self._take(shim, decoder, rest, item)
                elif isinstance(item, Blocked):
                    await self._blocked(item)
                else:
                    ended: Exit = item
                    break
            last = [*(decoder.decode(rest) if rest else ()), *decoder.rest()]  # a line without its newline, too
            await self._commit(decoder, last, inc.offset + len(rest))
            group.cancel_scope.cancel()
        return ended

    async def _take(self, shim: Shim | Remains, decoder: Decoder, rest: bytes, chunk: Chunk) -> bytes:
        """Decode whole lines, commit events and offset together, then let the shim drop the bytes."""
        inc = self.incarnation
        assert inc is not None
        if not rest and chunk.offset > inc.offset:  # older bytes are gone (past the cap after a crash)
            inc.offset = chunk.offset
        data = rest + chunk.data
        end = data.rfind(b"\n") + 1
        if end == 0 and len(data) < LINE:
            return data
        end = end or len(data)
        outputs: list[Output] = []
        for line in data[:end].split(b"\n"):
            if line:
                outputs.extend(decoder.decode(line))
        await self._commit(decoder, outputs, inc.offset + end)
        await shim.ack(inc.offset)
        return data[end:]

    async def _commit(self, decoder: Decoder, outputs: list[Output], offset: int) -> None:
        inc = self.incarnation
        assert inc is not None
        lasting = []
        for output in outputs:
            if isinstance(output, Delta):
                self._w.hub.publish_frame(
                    Frame(
                        kind="agent.delta",
                        pid=self.pid,
                        agent=self.row.agent,
                        user=self.row.user,
                        org=self.row.org,
                        data={"kind": output.kind, "text": output.text},
                    )
                )
            else:
                lasting.append(output)
        state = json.dumps(decoder.state())
        number = inc.number

        def work(tx: Tx) -> ProcessRow:
            row = self._w.record.row(tx, self.pid)
            self._w.record.outputs(tx, row, lasting, number)
            tx.execute(
                "UPDATE process_incarnation SET offset = ?, decoder = ? WHERE pid = ? AND number = ?",
                (offset, state, self.pid, number),
            )
            return row

        if lasting:
            self.row = await self._w.store.write(work)
            if not self.row.turn:
                self._turn_ended.set()
                self._turn_ended = anyio.Event()
            self.sender.wake()
            self.notice()
        inc.offset = offset

    async def _blocked(self, item: Blocked) -> None:
        await self._w.store.write(
            lambda tx: tx.emit(
                ProcessBlocked(pid=self.pid, agent=self.row.agent, blocked=item.blocked, unacked=item.unacked)
            )
        )

    # Handing over ------------------------------------------------------------------------------------

    async def _change_mode(self, shim: Shim, inc: IncarnationRow, decoder: Decoder) -> None:
        """When another mode is wanted, end this incarnation politely; what follows is launched after its exit."""
        while True:
            event = self._mode_changed = anyio.Event()
            self.row = await self._w.read_row(self.pid)  # another room changes what is wanted
            if self.row.want != inc.mode and self._w.can_change_mode(self.row):
                break
            await event.wait()
        if inc.mode == "headless":
            if self.row.turn:
                await self._step("interrupting")
                await self.sender.interrupt()
                with anyio.move_on_after(INTERRUPT_S):
                    while self.row.turn:
                        await self._turn_ended.wait()
            await self._step("draining")
            await self.sender.close(shim, inc, decoder)
            await anyio.sleep(DRAIN_S)  # the exit cancels this task
        else:
            await self._step("returning")
        await self._signal_main(signal.SIGTERM)
        await anyio.sleep(TERM_S)
        await self._signal_main(signal.SIGKILL)

    async def _retire(self, shim: Shim, inc: IncarnationRow, decoder: Decoder) -> None:
        """End a run that is done and that nobody has told anything for a while."""
        idle = self._w.settings.idle_exit_s
        while idle:
            row, changed = self.row, self.changed
            resting = row.started_at is not None and not row.turn and row.outcome != "running"
            with anyio.move_on_after(idle if resting else None) as scope:
                await changed.wait()
            ready = self.row.want == inc.mode and self.row.state == State.RUNNING and not self.row.turn
            if scope.cancelled_caught and ready:
                await self.sender.close(shim, inc, decoder)
                await anyio.sleep(DRAIN_S)
                await self._signal_main(signal.SIGTERM)

    async def _welcome(self) -> None:
        """Let other rooms bring what waited for this agent to run."""
        for hook in self._w.start_hooks:
            try:
                await hook(self.pid, self.row.agent)
            except Exception:
                logger.exception("process %d: what waited for its start could not be brought", self.pid)

    async def _follow(self, spawn: Spawn, since: float) -> Callable[[Tx], None]:
        """Return what writes what was said in the TUI, and the conversation the person left, if it is another."""
        adapter, number = self._w.adapter(self.row.runtime), self.row.incarnation

        def look() -> tuple[str | None, list[Output]]:
            moved = adapter.ended_in(spawn, since)
            return moved, list(adapter.transcript(replace(spawn, session=moved or spawn.session), since))

        moved, told = await anyio.to_thread.run_sync(look)

        def work(tx: Tx) -> None:
            row = self._w.record.row(tx, self.pid)
            row.session = moved or row.session
            self._w.record.outputs(tx, row, told, number)

        return work

    async def _step(self, step: str) -> None:
        def work(tx: Tx) -> None:
            row = self._w.record.row(tx, self.pid)
            self._w.step(tx, row, step)
            self.row = row

        await self._w.store.write(work)
        self.notice()

    async def _roll_back(self, why: str) -> None:
        """End a hand-over that ended by itself: the agent goes on headless."""

        def work(tx: Tx) -> ProcessRow:
            row = self._w.record.row(tx, self.pid)
            row.want = "headless"
            tx.session.add(row)
            for hook in self._w.roll_back_hooks:
                hook(tx, self.pid, why)
            return row

        self.row = await self._w.store.write(work)
        self.notice()

    async def _signal_main(self, number: signal.Signals) -> None:
        inc = self.incarnation
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

    # Ending ------------------------------------------------------------------------------------------

    async def _after(self, exit: Exit, spawn: Spawn, decoder: Decoder) -> bool:
        """Decide what an exit means: the next incarnation of a hand-over, or the end."""
        inc = self.incarnation
        assert inc is not None
        mode = inc.mode
        since = datetime.fromisoformat(inc.started_at).timestamp()
        lived = self._w.clock.now().timestamp() - since
        followed = await self._follow(spawn, since) if mode == "tui" else None
        await self._close_incarnation(exit.code, exit.signal, followed)
        self.row = await self._w.read_row(self.pid)
        stderr = await anyio.to_thread.run_sync(_last_words, self._w.shim_dir(self.pid, inc.number), inc.stdio)
        ended = Ended(exit.code, exit.signal, stderr.decode("utf-8", "replace"), self.row.ended_by is not None)
        if self.row.ended_by is None and self._w.can_change_mode(self.row):
            if self.row.want != mode or (mode == "headless" and self.row.step is not None):
                return True  # the hand-over goes on, or was called off after its incarnation had ended
            if mode == "tui":
                why = "its terminal was closed"
                if lived < QUICK_S and (exit.code or exit.signal):
                    why = f"its terminal did not open: {ended.stderr.strip()[-200:] or f'exit {exit.code}'}"
                await self._roll_back(why)
                return True
        verdict = decoder.judge(ended)
        if self.row.ended_by is not None and verdict.outcome != "completed":
            verdict = Verdict("killed", f"ended by {self.row.ended_by}")
        await self._end(verdict, exit.code, exit.signal)
        return False

    async def _lost(self, why: str) -> bool:
        """Proven dead without a record."""
        inc = self.incarnation
        if inc is not None and inc.boot_id not in (None, boot_id()):
            why = "the machine was restarted; run the agent again to go on in its conversation"
        await self._close_incarnation(None, None)
        if self.row.ended_by is not None:
            await self._end(Verdict("killed", f"ended by {self.row.ended_by}"), None, None)
        else:
            await self._end(Verdict("failed", why), None, None, lost=why)
        return False

    async def _close_incarnation(
        self, code: int | None, number: int | None, also: Callable[[Tx], None] | None = None
    ) -> None:
        """Write its end; `also` in the same transaction, so that a crash in between tells nothing twice."""
        inc = self.incarnation
        if inc is None or inc.ended_at is not None:
            return
        now = self._w.record.now()
        key = (self.pid, inc.number)

        def work(tx: Tx) -> None:
            if also is not None:
                also(tx)
            stored = tx.session.get_one(IncarnationRow, key)
            stored.ended_at, stored.code, stored.signal = now, code, number
            tx.session.add(stored)
            row = self._w.record.row(tx, self.pid)
            row.turn, row.waiting = False, 0
            tx.session.add(row)
            self._w.approval.close_process(tx, self.pid, "the runtime that asked has ended")

        await self._w.store.write(work)
        self.incarnation = IncarnationRow(**{**inc.model_dump(), "ended_at": now})

    async def _end(self, verdict: Verdict, code: int | None, number: int | None, lost: str | None = None) -> None:
        """Kill what is left of the tree, then write the end."""
        survivors = await self._w.kill_tree(self.pid)
        if survivors:
            verdict = replace(verdict, error=f"{verdict.error or ''} (still there: os pids {survivors})".strip())

        def work(tx: Tx) -> ProcessRow:
            row = self._w.record.row(tx, self.pid)
            self._w.record.end(tx, row, verdict, code=code, signal=number, lost=lost)
            return row

        self.row = await self._w.store.write(work)
        await self._w.closed(self.row)


def _unavailable(exc: BaseException) -> Unavailable | None:
    """Return why it cannot be done just now, when that is all that went wrong; task groups wrap it."""
    if isinstance(exc, BaseExceptionGroup):
        found = [_unavailable(one) for one in exc.exceptions]
        return found[0] if all(found) else None
    return exc if isinstance(exc, Unavailable) else None


def _last_words(directory: Path, stdio: str) -> bytes:
    """Return the last 4 KB of standard error, or of a terminal's screen."""
    if stdio == "pipes":
        return read_stderr(directory, 4096)
    try:
        _, _, _, end = read_output(directory, 0, 1)
        return read_output(directory, max(0, end - 4096), 4096)[1]
    except OSError:
        return b""
