"""One task per process: launch or adopt, attend, end; `handover.py` has what ends an incarnation politely.

It works from what is written: `want` (the mode the process shall be in) against the living incarnation's
mode. So a daemon killed in any step of a hand-over finds, when it comes back, a difference to work off:
an incarnation that should end is ended, one that should exist is launched, never two at once.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from aetherd.core.context import Origin, origin
from aetherd.core.errors import AetherError, Unavailable
from aetherd.events import Frame
from aetherd.kernel.process.ending import Next, after, killed
from aetherd.kernel.process.events import ProcessAdopted, ProcessBlocked, ProcessStarted
from aetherd.kernel.process.handover import WORTH_S, Handover
from aetherd.kernel.process.inputs import Sender
from aetherd.kernel.process.launch import open_door, prepare
from aetherd.kernel.process.lines import Lines
from aetherd.kernel.process.output import last_words
from aetherd.kernel.process.parking import left_s, why
from aetherd.kernel.process.states import ENDED, Phase, State
from aetherd.kernel.process.tables import IncarnationRow, ProcessRow
from aetherd.kernel.process.texts import again, unread
from aetherd.runtime import Decoder, Delta, Launch, Output, Spawn, Verdict
from aetherd.shim.client import (
    Blocked,
    Exit,
    Remains,
    Shim,
    ShimError,
    ShimGone,
    alive,
    boot_id,
    claim,
    open_shim,
)
from aetherd.shim.client import Output as Chunk
from aetherd.store import Tx

if TYPE_CHECKING:
    from aetherd.kernel.process.workshop import Workshop

logger = logging.getLogger(__name__)

BIG = 256 * 1024  # bytes; lines longer than this together are decoded in a thread: a MB of JSON takes 10 ms
UNSAVED = 1024 * 1024  # bytes decoded that may be decoded again after a crash, when nothing lasting came of them
FAILURES = 5  # times in a row that supervising may fail before it is given up; the agent is left alone
BIRTH_S = 5.0  # most that a shim takes from its fork to its process
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
        self.decoding = anyio.Lock()  # held while a thread uses the decoder
        self.sender = Sender(workshop, self)
        self._handover = Handover(workshop, self)
        self.dismissed = False
        self._resting = False  # it is parked, and another supervisor takes it up

    def dismiss(self) -> None:
        """Have it end as soon as it rests."""
        self.dismissed = True
        self.notice()

    @property
    def retiring(self) -> bool:
        """Whether its runtime is being ended, because it rests."""
        return self._handover.retiring

    def poke(self) -> None:
        """Look again: the row was changed from outside."""
        self._handover.wake()
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
                        self.launched.set()  # a start of the daemon waits for no disk
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
        """Attend one incarnation from start or adoption to exit; False when the process has ended."""
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
                await self._close(lambda row: Next())
                return None
            await self._lost("its supervisor is gone and it left no exit record")
            return None
        try:
            return await self._take_up(found, shim)
        except BaseException:
            await shim.aclose()  # else every new try would leave one more client to the shim, which bounds them
            raise

    async def _take_up(self, inc: IncarnationRow, shim: Shim | Remains) -> tuple[Shim | Remains, Spawn, Decoder]:
        if inc.os_pid is None:
            await self._started(inc, shim.hello.os_pid, shim.hello.start_time, shim.hello.boot_id)
        spawn, adapter = await self._w.spawn_of(self.row, inc.mode, inc.resumed)
        decoder = adapter.decoder(spawn, json.loads(inc.decoder) if inc.decoder else None)
        if isinstance(shim, Shim):
            await open_door(self._w, self.row)
            self.row = await self._w.store.write(self._adopted)
            await self._make_true()
        return shim, spawn, decoder

    async def _make_true(self) -> None:
        """Do what was written before the daemon was killed and may not have been done."""
        if self.row.ended_by is not None:
            await self._w.kill_tree(self.pid)
        elif self.row.state == State.PAUSED:
            identity = self._w.host.identity(f"p{self.pid}", None)
            await anyio.to_thread.run_sync(self._w.host.trees.freeze, identity.tree, identity.marker)

    def _adopted(self, tx: Tx) -> ProcessRow:
        row = self._w.record.row(tx, self.pid)
        inc = self.incarnation
        assert inc is not None
        tx.emit(ProcessAdopted(pid=self.pid, agent=row.agent, incarnation=inc.number, os_pid=inc.os_pid or 0))
        if row.state == State.STARTING or row.state == State.UNKNOWN:
            self._w.record.state(tx, row, State.RUNNING, reason="adopted")
        return row

    async def _open(self, inc: IncarnationRow) -> Shim | Remains | None:
        """Connect; None only on proof of death: no shim, no exit record, and the very process is not there."""
        directory = self._w.shim_dir(self.pid, inc.number)
        born_by = self._w.clock.monotonic() + BIRTH_S
        while True:
            why = "its supervisor does not answer"
            try:
                return await open_shim(directory)
            except ShimGone:
                if inc.os_pid is None or inc.start_time is None or inc.boot_id is None:
                    if await anyio.to_thread.run_sync(claim, directory) or self._w.clock.monotonic() > born_by:
                        return None  # it was never started, and is not any more
                    await anyio.sleep(0.05)  # a zygote is at it, for the daemon that was killed
                    continue
                if not alive(inc.os_pid, inc.start_time, inc.boot_id):
                    return None
            except ShimError as exc:
                why = str(exc)
            await self._unknown(why)
            self.launched.set()  # nobody waits for it any longer: it may be the shim of a newer aetherd
            await anyio.sleep(UNKNOWN_S)

    async def _unknown(self, reason: str) -> None:
        def work(tx: Tx) -> ProcessRow:
            row = self._w.record.row(tx, self.pid)
            if row.state != State.UNKNOWN:
                logger.warning("process %d: %s", self.pid, reason)
                self._w.record.state(tx, row, State.UNKNOWN, reason=reason)
            return row

        self.row = await self._w.store.write(work)
        self.notice()

    async def _launch(self) -> tuple[Shim | Remains, Spawn, Decoder] | None:
        """Start a new incarnation in the wanted mode."""
        mode = self.row.want
        if self._rests(self.row):  # a person held it while it waited for its limit
            await self._close(lambda row: Next(parked=True) if self._rests(row) else Next(killed(row)))
            return None if self._resting or self.row.state in ENDED else await self._launch()
        resume = self.row.session is not None and (self.row.incarnation > 0 or self.row.resumes)
        try:
            spawn, adapter = await self._w.launching(self.row, mode, resume)
            launch = await anyio.to_thread.run_sync(adapter.launch, spawn)  # it reads files, also the agent's
            self.row, inc = await self._w.store.write(lambda tx: self._begin(tx, launch, mode, resume))
            if inc is None:
                await self._close(lambda row: Next(killed(row)))
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

    def _begin(self, tx: Tx, launch: Launch, mode: str, resume: bool) -> tuple[ProcessRow, IncarnationRow | None]:
        """Write the next incarnation; None when somebody has ended the process meanwhile."""
        record = self._w.record
        row = record.row(tx, self.pid)
        if row.ended_by is not None or State(row.state) in ENDED:
            return row, None
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
        return row, inc

    async def _started(self, inc: IncarnationRow, os_pid: int, start: int, boot: str) -> None:
        def work(tx: Tx) -> tuple[ProcessRow, IncarnationRow]:
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
                record.phase(tx, row, Phase.LIMITED if row.limited_until else Phase.IDLE, source="process")
            elif row.phase is None:
                record.phase(tx, row, Phase.BOOTING if inc.stdio == "pipes" else Phase.EXECUTING, source="process")
            return row, stored

        self.row, self.incarnation = await self._w.store.write(work)
        self.notice()

    async def _launch_failed(self, exc: Exception, mode: str) -> None:
        """Roll the takeover back when a TUI cannot be opened; end the process for anything else."""
        text = str(exc)
        if mode == "tui":
            await self._close(lambda row: Next(back=f"its terminal could not be opened: {text}"))
            return
        self.failure = exc if isinstance(exc, AetherError) else Unavailable(text, pid=self.pid)
        await self._close(lambda row: Next(killed(row) or Verdict("failed", text)))

    # Attending ---------------------------------------------------------------------------------------

    async def _attend(self, shim: Shim | Remains, decoder: Decoder) -> Exit:
        """Read until the exit; meanwhile tell it what is queued and work off a wanted change of mode."""
        inc = self.incarnation
        assert inc is not None
        structured = inc.stdio == "pipes"
        if structured:
            await shim.attach(inc.offset)
        async with anyio.create_task_group() as group:
            if isinstance(shim, Shim):
                group.start_soon(self.sender.serve, shim, inc, decoder)
                group.start_soon(self._handover.change, shim, inc, decoder)
                if structured:
                    group.start_soon(self._handover.retire, shim, inc, decoder)
                    group.start_soon(self.welcome)
            lines = Lines(inc.offset)
            while True:
                item = await shim.read()
                if isinstance(item, Chunk):
                    outputs = await self._decode(decoder, lines.take(item.offset, item.data))
                    if await self._commit(decoder, outputs, lines.offset):
                        await shim.ack(inc.offset)
                elif isinstance(item, Blocked):
                    await self._blocked(item)
                else:
                    ended: Exit = item
                    break
            last = [*await self._decode(decoder, lines.rest()), *decoder.rest()]
            await self._commit(decoder, last, lines.offset)
            group.cancel_scope.cancel()
        return ended

    async def _decode(self, decoder: Decoder, lines: list[bytes]) -> list[Output]:
        """Return what lines say, in their order; nothing else uses the decoder meanwhile."""

        def decode() -> list[Output]:
            return [output for line in lines for output in decoder.decode(line)]

        if sum(map(len, lines)) < BIG:
            return decode()
        async with self.decoding:
            return await anyio.to_thread.run_sync(decode)

    async def _commit(self, decoder: Decoder, outputs: list[Output], offset: int) -> bool:
        """Write events, decoder and offset together; False when it is not yet worth it, so nothing may be dropped."""
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

        if not lasting and offset - inc.offset < UNSAVED:
            return False
        self.row = await self._w.store.write(work)
        if not self.row.turn:
            self._handover.turn_ended()
        self.sender.wake()
        self.notice()
        inc.offset = offset
        return True

    async def _blocked(self, item: Blocked) -> None:
        await self._w.store.write(
            lambda tx: tx.emit(
                ProcessBlocked(pid=self.pid, agent=self.row.agent, blocked=item.blocked, unacked=item.unacked)
            )
        )

    async def welcome(self) -> None:
        """Let other rooms bring what waited for this agent to run."""
        for hook in self._w.start_hooks:
            try:
                await hook(self.pid, self.row.agent)
            except Exception:
                logger.exception("process %d: what waited for its start could not be brought", self.pid)

    # Ending ------------------------------------------------------------------------------------------

    async def _after(self, exit: Exit, spawn: Spawn, decoder: Decoder) -> bool:
        """Decide what an exit means: the next incarnation of a hand-over, or the end."""
        inc = self.incarnation
        assert inc is not None
        await self._w.look(self.pid)  # who was killed for memory is told before the end that came of it
        since = datetime.fromisoformat(inc.started_at).timestamp()
        lived = self._w.clock.now().timestamp() - since
        followed = await self._handover.follow(spawn, since) if inc.mode == "tui" else None
        stderr = await anyio.to_thread.run_sync(last_words, self._w.shim_dir(self.pid, inc.number), inc.stdio)
        said = stderr.decode("utf-8", "replace")

        def judge(row: ProcessRow) -> Next:
            movable, parks = self._w.can_change_mode(row), self._w.can_rest(row) and row.state != State.PAUSED
            return after(row, inc.mode, exit, said, lived, decoder, movable=movable, parks=parks)

        return await self._close(judge, exit.code, exit.signal, followed)

    async def _lost(self, why: str) -> bool:
        """Proven dead without a record."""
        inc = self.incarnation
        if inc is not None and inc.boot_id not in (None, boot_id()):
            why = "the machine was restarted; run the agent again to go on in its conversation"
        return await self._close(lambda row: Next(killed(row) or Verdict("failed", why), lost=why))

    async def _close(
        self,
        judge: Callable[[ProcessRow], Next],
        code: int | None = None,
        number: int | None = None,
        also: Callable[[Tx], None] | None = None,
    ) -> bool:
        """Write how the incarnation ended and what follows; False when that is the end of the process.

        One transaction: a daemon killed between the two would take the process for one to be started again, and
        one killed before `also` would tell it twice. What is left of the tree is killed before an end is written.
        """
        inc = self.incarnation

        def work(tx: Tx) -> ProcessRow | None:
            row = self._w.record.row(tx, self.pid)
            if (row.ended_by, row.want, row.step, row.limited_until) != wanted:
                return None
            if also is not None:
                also(tx)
            if inc is not None and inc.ended_at is None:
                self._close_incarnation(tx, row, inc.number, code, number)
            if found.back is not None:  # a hand-over that ended by itself: the agent goes on headless
                row.want = "headless"
                tx.session.add(row)
                for hook in self._w.roll_back_hooks:
                    hook(tx, self.pid, found.back)
            if found.parked:
                self._park(tx, row)
            if verdict is not None:
                lost = None if row.ended_by else found.lost
                self._w.record.end(tx, row, verdict, code=code, signal=number, lost=lost)
            return row

        while True:
            row = await self._w.read_row(self.pid)
            wanted = row.ended_by, row.want, row.step, row.limited_until
            found = judge(row)
            if found.parked:
                await self._w.rest(row)
            verdict = found.verdict
            if verdict is not None and (survivors := await self._w.kill_tree(self.pid)):
                error = f"{verdict.error or ''} (still there: os pids {survivors})".strip()
                verdict = replace(verdict, error=error)
            written = await self._w.store.write(work)
            if written is not None:  # else somebody has wanted something else meanwhile
                break
        self.row = written
        if inc is not None and inc.ended_at is None:
            self.incarnation = IncarnationRow(**{**inc.model_dump(), "ended_at": self._w.record.now()})
        self.notice()
        if verdict is not None:
            await self._w.closed(self.row)
        elif self._resting and self._w.on_room is not None:
            await self._w.on_room()
        return verdict is None and not self._resting

    def _rests(self, row: ProcessRow) -> bool:
        """Tell whether no runtime is needed before a usage limit lifts."""
        if row.limited_until is None or row.want != "headless" or row.ended_by is not None or row.incarnation == 0:
            return False
        return row.state == State.RUNNING and self._w.can_rest(row) and left_s(row, self._w.clock.now()) > WORTH_S

    def _park(self, tx: Tx, row: ProcessRow) -> None:
        """Write that it has no runtime until its usage limit lifts; from then on it is the queue's."""
        record = self._w.record
        if row.limited_until is None:  # it ended without a word on the limit
            record.limited(tx, row, None, None)
        self._w.step(tx, row, None)
        record.phase(tx, row, Phase.LIMITED, reason=why(row))
        record.state(tx, row, State.QUEUED, reason=f"its usage limit {why(row)}")

        def parked() -> None:
            self._resting = True
            self._w.on_parked(self.row)

        tx.after(parked)

    def _close_incarnation(self, tx: Tx, row: ProcessRow, of: int, code: int | None, number: int | None) -> None:
        stored = tx.session.get_one(IncarnationRow, (self.pid, of))
        stored.ended_at, stored.code, stored.signal = self._w.record.now(), code, number
        row.turn, row.waiting = False, 0
        tx.session.add_all((stored, row))
        for item in tx.session.exec(unread(row, of)).all():
            again(tx, item)  # the next incarnation is told, and drops what is in its conversation already
        self._w.approval.close_process(tx, self.pid, "the runtime that asked has ended")


def _unavailable(exc: BaseException) -> Unavailable | None:
    """Return why it cannot be done just now, when that is all that went wrong; task groups wrap it."""
    if isinstance(exc, BaseExceptionGroup):
        found = [_unavailable(one) for one in exc.exceptions]
        return found[0] if all(found) else None
    return exc if isinstance(exc, Unavailable) else None
