"""Changing a process row: every change of state or phase goes through here and is one event."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

from sqlmodel import select

from aetherd.core.clock import Clock, stamp
from aetherd.core.errors import Conflict
from aetherd.core.ids import new_id
from aetherd.kernel.process import parking
from aetherd.kernel.process.events import (
    AgentLimitReached,
    AgentPermissionRequested,
    AgentSession,
    AgentText,
    AgentThought,
    AgentTold,
    AgentToolCalled,
    AgentToolReturned,
    AgentTrouble,
    AgentTurnEnded,
    ProcessExited,
    ProcessPhaseChanged,
    ProcessStateChanged,
)
from aetherd.kernel.process.money import claimed_in
from aetherd.kernel.process.ports import Approvals, Tokens
from aetherd.kernel.process.states import ENDED, Phase, Source, State, legal
from aetherd.kernel.process.tables import InputRow, ProcessRow
from aetherd.kernel.process.texts import TextHook, again, untold
from aetherd.runtime import (
    Delta,
    Output,
    PermissionAsked,
    PermissionClosed,
    SessionStarted,
    Text,
    Thought,
    Told,
    ToolCalled,
    ToolReturned,
    Trouble,
    TurnEnded,
    TurnStarted,
    Unread,
    Used,
    Verdict,
)
from aetherd.store import Tx

LONG = 200_000  # characters kept of one text in an event
Kind = Literal["say", "interrupt", "answer"]


class EndHook(Protocol):
    """What another room does in the transaction in which a process ends."""

    def __call__(self, tx: Tx, pid: int, reason: str) -> None:
        """Change rows; no waiting."""
        ...


RunHook = Callable[[Tx, ProcessRow], None]  # the same, for rooms that want to know what came of it


class Record:
    """Writes the story of processes; every method runs inside a transaction."""

    def __init__(
        self,
        clock: Clock,
        approval: Approvals,
        token: Tokens,
        end_hooks: list[EndHook],
        run_hooks: Sequence[RunHook] = (),
    ) -> None:
        self._clock, self._approval, self._token = clock, approval, token
        self._end_hooks, self._run_hooks = end_hooks, run_hooks
        self.text_hooks: list[TextHook] = []
        self.parks: Callable[[ProcessRow], bool] = lambda row: False  # it can be told to go on when a limit lifts
        self.resets = parking.Resets()
        self.on_parked: Callable[[], None] = lambda: None

    def now(self) -> str:
        """Return the wire form of now."""
        return stamp(self._clock.now())

    def row(self, tx: Tx, pid: int) -> ProcessRow:
        """Return the row for change."""
        return tx.session.get_one(ProcessRow, pid)

    def state(
        self, tx: Tx, row: ProcessRow, state: State, *, source: Source = "process", reason: str | None = None
    ) -> None:
        """Go to another state; an illegal step is a `Conflict`."""
        before = State(row.state)
        if before is state:
            return
        if not legal(before, state):
            raise Conflict(f"process {row.pid} is {before}, it cannot become {state}", state=str(before), pid=row.pid)
        row.state, row.reason = str(state), reason
        tx.session.add(row)
        tx.emit(
            ProcessStateChanged(
                pid=row.pid, agent=row.agent, from_state=str(before), to_state=str(state), source=source, reason=reason
            )
        )

    def phase(
        self, tx: Tx, row: ProcessRow, phase: Phase, *, source: Source = "protocol", reason: str | None = None
    ) -> None:
        """Say what the agent does now."""
        if row.phase == str(phase):
            return
        before, row.phase, row.phase_source, row.phase_at = row.phase, str(phase), source, self.now()
        tx.session.add(row)
        tx.emit(
            ProcessPhaseChanged(
                pid=row.pid, agent=row.agent, from_phase=before, to_phase=str(phase), source=source, reason=reason
            )
        )

    def end(
        self,
        tx: Tx,
        row: ProcessRow,
        verdict: Verdict,
        *,
        code: int | None,
        signal: int | None,
        lost: str | None = None,
    ) -> None:
        """End a process for good: exit, tokens, questions, and what other rooms do then."""
        if State(row.state) in ENDED:
            return
        row.exited_at, row.exit_code, row.exit_signal = self.now(), code, signal
        row.outcome, row.error = verdict.outcome, verdict.error
        row.turn, row.waiting, row.step = False, 0, None
        self.resets.take(row.pid)
        for item in tx.session.exec(untold(row)).all():
            self.told(tx, row, item, "failed")
        self.phase(
            tx,
            row,
            Phase.COMPLETED if verdict.outcome == "completed" else Phase.FAILED,
            source="process",
            reason=verdict.error,
        )
        self.state(tx, row, State.LOST if lost else State.EXITED, reason=lost or verdict.error)
        assert row.pid is not None
        tx.emit(
            ProcessExited(
                pid=row.pid,
                agent=row.agent,
                exit_code=code,
                exit_signal=signal,
                outcome=verdict.outcome,
                error=verdict.error,
                ended_by=row.ended_by,
            )
        )
        self._token.end_process_tokens(tx, row.pid)
        self._approval.close_process(tx, row.pid, "the process has ended")
        for hook in self._end_hooks:
            hook(tx, row.pid, "the process has ended")
        for note in self._run_hooks:
            note(tx, row)

    def add_input(
        self, tx: Tx, row: ProcessRow, kind: Kind, text: str, *, by: str, priority: str = "next", key: str | None = None
    ) -> InputRow:
        """Queue something to tell the runtime; with a key the second time changes nothing."""
        if key is not None:
            known = tx.session.exec(select(InputRow).where(InputRow.key == key)).first()
            if known is not None and known.state == "failed" and known.pid != row.pid:
                known.pid = row.pid or 0  # its process ended before it was told: this one is told instead
                again(tx, known)
            if known is not None:
                self._got_on(tx, known)
                return known
        assert row.pid is not None
        item = InputRow(
            id=new_id("input"),
            pid=row.pid,
            kind=kind,
            text=text,
            priority=priority,
            by=by,
            key=key,
            state="queued",
            created_at=self.now(),
        )
        tx.session.add(item)
        if kind == "say":
            tx.emit(AgentTold(pid=row.pid, agent=row.agent, text=text[:LONG], by=by, input=item.id, state="queued"))
            row.outcome = "running"
            tx.session.add(row)
        self._got_on(tx, item)
        return item

    def was_told(self, tx: Tx, pid: int) -> bool:
        """Tell whether it was given any text, which begins a conversation."""
        query = select(InputRow.id).where(InputRow.pid == pid, InputRow.kind == "say")
        return tx.session.exec(query).first() is not None

    def told(self, tx: Tx, row: ProcessRow, item: InputRow, state: str) -> None:
        """Record how far an input got."""
        if item.state == state:
            return
        item.state = state
        tx.session.add(item)
        if item.kind == "say":
            tx.emit(
                AgentTold(pid=row.pid, agent=row.agent, text=item.text[:LONG], by=item.by, input=item.id, state=state)
            )
        self._got_on(tx, item)

    def _got_on(self, tx: Tx, item: InputRow) -> None:
        if item.key is not None:
            state = item.state if item.state in ("delivered", "failed") else "queued"
            for hook in self.text_hooks:
                hook(tx, item.key, item.pid, state)

    def outputs(self, tx: Tx, row: ProcessRow, outputs: Iterable[Output], incarnation: int) -> None:
        """Write what the runtime said: events, and what follows for the row."""
        for output in outputs:
            self._output(tx, row, output, incarnation)
        tx.session.add(row)

    def _output(self, tx: Tx, row: ProcessRow, output: Output, incarnation: int) -> None:
        pid, agent = row.pid, row.agent
        assert pid is not None
        match output:
            case SessionStarted():
                row.session = output.session
                row.model_seen = output.model or row.model_seen
                row.permission_mode = output.permission_mode or row.permission_mode
                if output.tools_connected is not None:
                    row.tools_connected = output.tools_connected
                tx.emit(
                    AgentSession(
                        pid=pid,
                        agent=agent,
                        session=output.session,
                        model=output.model,
                        permission_mode=output.permission_mode,
                        tools_connected=output.tools_connected,
                        version=output.version,
                    )
                )
            case TurnStarted():
                row.turn, row.outcome = True, "running"
                parking.going_on(row)
                self._doing(tx, row, Phase.THINKING)
            case Thought():
                tx.emit(AgentThought(pid=pid, agent=agent, text=output.text[:LONG]))
                self._doing(tx, row, Phase.THINKING)
            case Text():
                tx.emit(AgentText(pid=pid, agent=agent, text=output.text[:LONG], interrupted=output.interrupted))
                row.result = output.text
            case Told():
                self._heard(tx, row, output)
            case ToolCalled():
                parking.got_on(row)
                row.tool_calls += 1
                tx.emit(
                    AgentToolCalled(
                        pid=pid, agent=agent, tool_call=output.id, tool=output.tool, input=_bounded(output.input)
                    )
                )
                self._doing(tx, row, Phase.EXECUTING)
            case ToolReturned():
                tx.emit(
                    AgentToolReturned(
                        pid=pid, agent=agent, tool_call=output.id, text=output.text[:LONG], is_error=output.is_error
                    )
                )
                self._doing(tx, row, Phase.OBSERVING)
            case PermissionAsked():
                self._permission(tx, row, output, incarnation)
            case PermissionClosed():
                self._approval.close_request(tx, pid, f"{incarnation}/{output.request}")
                self.questions(tx, row)
            case Used():
                claimed_in(tx, row, output)
            case TurnEnded():
                self._turn_ended(tx, row, output)
            case Trouble():
                tx.emit(AgentTrouble(pid=pid, agent=agent, text=output.text[:LONG]))
            case Unread():
                tx.emit(AgentTrouble(pid=pid, agent=agent, text=f"not understood: {output.line[:2000]}"))
            case Delta():
                pass  # shown live by the supervisor, never logged

    def _doing(self, tx: Tx, row: ProcessRow, phase: Phase) -> None:
        if row.waiting == 0 and row.want == "headless":
            self.phase(tx, row, phase)

    def questions(self, tx: Tx, row: ProcessRow) -> None:
        """Show that the agent waits for a person, for as long as any of its questions is open."""
        assert row.pid is not None
        row.waiting = self._approval.open_in(tx, row.pid)
        tx.session.add(row)
        if row.waiting and row.phase != Phase.CONTROLLED:
            self.phase(tx, row, Phase.WAITING_APPROVAL)
        elif row.phase == Phase.WAITING_APPROVAL:
            self.phase(tx, row, Phase.EXECUTING)

    def _heard(self, tx: Tx, row: ProcessRow, output: Told) -> None:
        if output.id is not None:
            item = tx.session.get(InputRow, output.id)
            if item is not None:
                self.told(tx, row, item, "delivered")
                return
        tx.emit(AgentTold(pid=row.pid, agent=row.agent, text=output.text[:LONG], by="terminal", state="delivered"))

    def _permission(self, tx: Tx, row: ProcessRow, output: PermissionAsked, incarnation: int) -> None:
        assert row.pid is not None
        asked = self._approval.ask_permission(
            tx,
            pid=row.pid,
            agent=row.agent,
            request=f"{incarnation}/{output.request}",
            title=output.title,
            tool=output.tool,
            input=output.input,
        )
        tx.emit(
            AgentPermissionRequested(
                pid=row.pid,
                agent=row.agent,
                approval=asked.id,
                tool=output.tool,
                title=output.title,
                input=_bounded(output.input),
                tool_call=output.tool_call,
            )
        )
        if asked.decided is None:
            self.questions(tx, row)
        else:
            self.answer(tx, row, asked.decided)

    def answer(self, tx: Tx, row: ProcessRow, decision: Mapping[str, Any]) -> None:
        """Queue a person's answer, once: `{approval, request, allow, for_run, reason, tool, input, by}`."""
        self.add_input(
            tx, row, "answer", json.dumps(dict(decision)), by=str(decision["by"]), key=f"answer/{decision['approval']}"
        )
        self.questions(tx, row)

    def _turn_ended(self, tx: Tx, row: ProcessRow, output: TurnEnded) -> None:
        row.turn = False
        row.waiting = 0
        row.result = output.text or row.result
        row.error = output.error
        tx.emit(
            AgentTurnEnded(
                pid=row.pid, agent=row.agent, outcome=output.outcome, text=output.text[:LONG], error=output.error
            )
        )
        if output.outcome == "limited":
            self.limited(tx, row, output.error, output.resets_at)
        elif output.outcome == "completed":
            parking.got_on(row)
        phase = {
            "completed": Phase.COMPLETED,
            "failed": Phase.FAILED,
            "interrupted": Phase.WAITING_INPUT,
            "limited": Phase.LIMITED,
        }[output.outcome]
        if output.outcome != "interrupted" and row.limited_until is None:
            row.outcome = output.outcome
        if row.want == "headless":
            reason = parking.why(row) if row.limited_until else output.error
            self.phase(tx, row, phase, reason=reason)

    def limited(self, tx: Tx, row: ProcessRow, error: str | None, resets_at: str | None) -> None:
        """Write that a usage limit stops it, and when it is told to go on if it can be told."""
        resets_at = resets_at or self.resets.take(row.pid)
        if self.parks(row):
            parking.park(row, self._clock.now(), resets_at)
            tx.after(self.on_parked)
        tx.emit(
            AgentLimitReached(
                pid=row.pid, agent=row.agent, error=error, resets_at=resets_at, wakes_at=row.limited_until
            )
        )


def _bounded(value: Mapping[str, Any]) -> dict[str, Any]:
    """Keep a tool's arguments, with long texts cut and told so."""
    result: dict[str, Any] = {}
    for key, item in value.items():
        long = isinstance(item, str) and len(item) > 20_000
        result[key] = f"{item[:20_000]}… ({len(item)} characters)" if long else item
    return result
