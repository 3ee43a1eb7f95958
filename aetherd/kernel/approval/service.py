"""Approvals: one inbox for everything that waits for a person."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import anyio
import anyio.abc
from pydantic import BaseModel
from sqlmodel import Session, col, func, select

from aetherd.core.clock import Clock, stamp
from aetherd.core.config import Settings
from aetherd.core.context import Origin, origin
from aetherd.core.errors import (
    AetherError,
    Conflict,
    Exhausted,
    Forbidden,
    Internal,
    Invalid,
    NotFound,
    PendingApproval,
)
from aetherd.core.ids import new_id
from aetherd.kernel.approval import rules
from aetherd.kernel.approval.answers import answer_of, moment_of, outcome_of, restored, stored_of
from aetherd.kernel.approval.events import ApprovalDecided, ApprovalRequested
from aetherd.kernel.approval.models import (
    Approval,
    ApprovalList,
    ApprovalRef,
    ApprovalRequest,
    Approvals,
    ApprovalWait,
    Decide,
)
from aetherd.kernel.approval.ports import Agents
from aetherd.kernel.approval.tables import ApprovalRow, ApprovalRuleRow
from aetherd.operations.dispatch import Dispatcher, Invocation, Proceed
from aetherd.operations.lifecycle import Lifecycle
from aetherd.operations.operation import Answer, Call, Effect, Owner, Rule, Subject, operation
from aetherd.store import Store, Tx

logger = logging.getLogger(__name__)

SWEEP_S = 30.0
RUN_S = 60.0  # how long an allowed call is waited for by whoever asked at its client
BEAT_S = 5.0  # between two signs of life to a caller that waits
ONE = Subject("approval", "id")
OPEN = 100  # questions of one agent that may wait at once
OURS = "aetherd:"  # before the pattern of a rule that covers operations

DecisionHook = Callable[[Tx, int, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A stored question, and the answer if a rule had it."""

    id: str
    decided: Mapping[str, Any] | None


class ApprovalService:
    """Asks, decides, remembers, and runs what was allowed, once."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Clock,
        lifecycle: Lifecycle,
        dispatcher: Dispatcher,
        agent: Agents,
    ) -> None:
        self._store, self._settings, self._clock = store, settings, clock
        self._lifecycle, self._dispatcher, self._agent = lifecycle, dispatcher, agent
        self.decision_hooks: list[DecisionHook] = []  # in the transaction that decides a runtime's question
        self.question_hooks: list[Callable[[Tx, int], None]] = []  # when a process's own questions changed in it
        self._changed = anyio.Event()
        self._group: anyio.abc.TaskGroup | None = None

    def offers(self) -> Mapping[str, Any]:
        """Guard what cannot be undone; say whose a question is."""
        return {"guards.approve": self.guard, "owners.approval": self.owner}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Go on with calls that were allowed but not begun; expire what waits too long."""
        async with anyio.create_task_group() as group:
            self._group = group
            group.start_soon(self._go_on)
            group.start_soon(self._sweep)
            yield
            group.cancel_scope.cancel()

    async def owner(self, key: str) -> Owner:
        """Return whose a question is."""
        row = await self._row(key)
        return Owner(row.agent, row.user, row.org)

    # Operations -------------------------------------------------------------------------------------

    @operation("approval.request", access=Rule.OWN, positional=("title",))
    async def request(self, input: ApprovalRequest, call: Call) -> Approval:
        """Ask a person for leave, and wait a little for the answer; approval.wait waits longer."""
        shown = {"detail": input.detail} if input.detail else {}

        def work(tx: Tx) -> ApprovalRow:
            row = self._ask(tx, "request", call.agent, call.pid, input.title, None, shown, origin=list(call.chain))
            self._wait_for_person(tx, row)
            return row

        row = await self._store.write(work)
        await self._answered(row.id, self._settings.approval_wait_s, call)
        return await self._wire(await self._row(row.id))

    @operation("approval.list", effect=Effect.READ, access=Rule.OWN)
    async def list_approvals(self, input: ApprovalList, call: Call) -> Approvals:
        """List questions that wait or waited for a person, newest first."""

        def query(session: Session) -> list[ApprovalRow]:
            rows = select(ApprovalRow).where(ApprovalRow.user == call.user, ApprovalRow.org == call.org)
            if call.agent is not None:
                rows = rows.where(ApprovalRow.agent == call.agent)
            if input.state is not None:
                rows = rows.where(ApprovalRow.state == input.state)
            if input.pid is not None:
                rows = rows.where(ApprovalRow.pid == input.pid)
            if input.cursor is not None:
                rows = rows.where(ApprovalRow.id < input.cursor)
            return list(session.exec(rows.order_by(col(ApprovalRow.id).desc()).limit(input.limit + 1)))

        rows = await self._store.read(query)
        more = len(rows) > input.limit
        rows = rows[: input.limit]
        return Approvals(approvals=[await self._wire(row) for row in rows], cursor=rows[-1].id if more else None)

    @operation("approval.get", effect=Effect.READ, access=ONE, positional=("id",))
    async def get(self, input: ApprovalRef, call: Call) -> Approval:
        """Show one question and what became of it."""
        return await self._wire(await self._row(input.id))

    @operation("approval.decide", access=Rule.PEOPLE, positional=("id", "decision"))
    async def decide(self, input: Decide, call: Call) -> Approval:
        """Answer a question: allow once, allow for this run, allow a pattern for a while, or deny with a reason."""
        if call.confirm:
            raise Forbidden(
                "a token that has to ask answers no questions; a person does, in the console or by aetherctl"
            )
        found = await self._row(input.id)
        if (found.user, found.org) != (call.user, call.org):
            raise NotFound(f"no approval {input.id}; approval.list shows those there are", kind="approval", id=input.id)
        if input.decision == "allow_pattern":
            if not input.pattern:
                raise Invalid("allow_pattern needs a `pattern`, such as Bash(git status*)", field="pattern")
            rules.check(input.pattern)
        until = moment_of(input.until) if input.until else stamp(self._clock.now() + timedelta(days=1))

        def work(tx: Tx) -> ApprovalRow:
            row = tx.session.get_one(ApprovalRow, input.id)
            if row.state != "pending":
                raise Conflict(f"approval {row.id} is {row.state} already", state=row.state, by=row.decided_by)
            if input.decision == "allow_run" and row.pid is not None and (tool := rules.literal(row.tool or "")):
                self._add_rule(tx, row, tool, call, pid=row.pid, until=None)
            if input.decision == "allow_pattern":
                self._add_rule(tx, row, str(input.pattern), call, pid=None, until=until)
            self._settle(tx, row, input.decision, call.actor, input.reason, None, via=call.face)
            return row

        row = await self._store.write(work)
        if row.kind == "operation" and row.state == "allowed" and self._group is not None:
            self._group.start_soon(self._run_stored, row.id)
        return await self._wire(row)

    @operation("approval.wait", effect=Effect.READ, access=ONE, positional=("id",), long=True)
    async def wait(self, input: ApprovalWait, call: Call) -> AsyncIterator[Approval]:
        """Wait for the answer to a question, and for the result of the call it allows."""
        await self._answered(input.id, input.timeout_s, call)
        yield await self._wire(await self._row(input.id))

    # The guard --------------------------------------------------------------------------------------

    async def guard(self, invocation: Invocation, proceed: Proceed) -> Any:
        """Have agents, and clients with a token that says so, ask before they destroy; the owner does not ask himself.

        An answer that the face brings with the call counts only for a person's own token: what an agent's runtime
        says that its person said is nobody's leave.
        """
        op, call, value = invocation.op, invocation.call, invocation.input
        assert op is not None
        if op.effect is not Effect.DESTROY or call.approval is not None or not (call.agent is not None or call.confirm):
            return await proceed()
        assert value is not None
        trusted = call.agent is None and call.client is None
        if trusted and call.answer is not None:
            return await self._told(invocation, call.answer, op.output)
        shown = json.loads(value.model_dump_json(exclude_unset=True))
        stored = stored_of(op.name, invocation.raw, call)

        def work(tx: Tx) -> ApprovalRow:
            row = self._ask(
                tx,
                "operation",
                call.agent,
                call.pid,
                op.summary,
                op.name,
                shown,
                origin=list(call.chain),
                stored=stored,
            )
            if (rule := self._rule_for(tx, row)) is not None:
                self._settle(tx, row, "allow_once", rule.made_by, None, rule.pattern.removeprefix(OURS))
                row.began = True
            else:
                self._wait_for_person(tx, row)
            return row

        row = await self._store.write(work)
        if row.state == "allowed":
            return await proceed()
        if trusted and call.asks:
            raise PendingApproval(
                f"{op.name} waits for a person", approval=row.id, title=row.title, tool=op.name, input=shown
            )
        return outcome_of(await self._answered(row.id, self._settings.approval_wait_s, call), op.name, op.output)

    async def _told(self, invocation: Invocation, answer: Answer, output: type[BaseModel]) -> BaseModel:
        """Decide the question about a call as its person did at the client; run it then, as from the inbox."""
        call = invocation.call

        def work(tx: Tx) -> ApprovalRow:
            row = tx.session.get(ApprovalRow, answer.approval)
            stored = json.loads(row.stored or "{}") if row is not None else {}
            asked = (stored.get("operation"), stored.get("raw"), stored.get("call", {}).get("actor"))
            if row is None or asked != (invocation.name, invocation.raw, call.actor):
                raise Invalid("this is the answer to another question; call again without it")
            if row.state == "pending":  # else somebody was quicker, in the inbox
                self._settle(tx, row, "allow_once" if answer.allow else "deny", call.actor, None, None, via=answer.via)
            return row

        row = await self._store.write(work)
        if row.state == "allowed" and self._group is not None:
            self._group.start_soon(self._run_stored, row.id)  # which does nothing twice
        return outcome_of(await self._answered(row.id, RUN_S, call), invocation.name, output)

    async def _go_on(self) -> None:
        """Run, after a restart, what was allowed and not begun; say of what was begun that nobody knows."""
        await self._lifecycle.up.wait()  # the rooms that shall run it come up after this one
        unknown = "aetherd was stopped while it ran this; look whether it took effect before asking again"
        error = json.dumps(Internal(unknown).body()["error"])

        def work(tx: Tx) -> list[str]:
            rows = tx.session.exec(
                select(ApprovalRow).where(
                    ApprovalRow.kind == "operation",
                    ApprovalRow.state == "allowed",
                    col(ApprovalRow.rule).is_(None),
                    col(ApprovalRow.result).is_(None),
                    col(ApprovalRow.error).is_(None),
                )
            ).all()
            for row in rows:
                if row.began:
                    row.error = error
                    tx.session.add(row)
            tx.after(self._notice)
            return [row.id for row in rows if not row.began]

        allowed = await self._store.write(work)
        async with anyio.create_task_group() as group:
            for key in allowed:
                group.start_soon(self._run_stored, key)

    async def _run_stored(self, key: str) -> None:
        """Run an allowed call once; a database that does not take it just now is no end of the daemon."""
        try:
            await self._run_once(key)
        except AetherError as exc:
            logger.error("the allowed call %s could not be recorded: %s", key, exc.message)

    async def _run_once(self, key: str) -> None:
        """Run an allowed call once, as the one who asked."""

        def begin(tx: Tx) -> ApprovalRow | None:
            row = tx.session.get_one(ApprovalRow, key)
            if row.began:
                return None
            row.began = True
            tx.session.add(row)
            return row

        row = await self._store.write(begin)
        if row is None or row.stored is None:
            return
        name, raw, call = restored(row.stored, row.id)
        result: dict[str, Any] | None = None
        error: dict[str, Any] | None = None
        try:
            answer = await self._dispatcher.invoke(name, raw, call)
            assert isinstance(answer, BaseModel)
            result = answer.model_dump(mode="json")
        except AetherError as exc:
            error = exc.body()["error"]
        except Exception:
            logger.exception("the allowed call %s failed", name)
            error = Internal("the allowed call failed; see aetherd's log").body()["error"]

        def finish(tx: Tx) -> None:
            done = tx.session.get_one(ApprovalRow, key)
            done.result = None if result is None else json.dumps(result)
            done.error = None if error is None else json.dumps(error)
            tx.session.add(done)
            tx.after(self._notice)

        await self._store.write(finish)

    # For the process room ---------------------------------------------------------------------------

    def ask_permission(
        self, tx: Tx, *, pid: int, agent: str, request: str, title: str, tool: str, input: Mapping[str, Any]
    ) -> Asked:
        """Store a runtime's own question inside the transaction; asked again, it is the same question."""
        known = tx.session.exec(
            select(ApprovalRow).where(ApprovalRow.pid == pid, ApprovalRow.request == request)
        ).first()
        if known is not None:
            return Asked(known.id, None)
        row = self._ask(tx, "permission", agent, pid, title, tool, dict(input), origin=[agent], request=request)
        rule = self._rule_for(tx, row)
        if rule is None:
            return Asked(row.id, None)
        row.state, row.decision, row.decided_by, row.rule = "allowed", "allow_once", rule.made_by, rule.pattern
        row.decided_at = stamp(self._clock.now())
        tx.emit(self._decided_event(row))
        return Asked(row.id, answer_of(row))

    def close_request(self, tx: Tx, pid: int, request: str) -> None:
        """Close a question that its runtime withdrew."""
        rows = select(ApprovalRow).where(
            ApprovalRow.pid == pid, ApprovalRow.request == request, ApprovalRow.state == "pending"
        )
        for row in tx.session.exec(rows):
            self._close(tx, row, "closed", "the runtime withdrew it")

    def close_process(self, tx: Tx, pid: int, reason: str) -> None:
        """Whoever asked has ended: close what is open."""
        rows = select(ApprovalRow).where(ApprovalRow.pid == pid, ApprovalRow.state == "pending")
        for row in tx.session.exec(rows):
            if row.kind == "permission" or "process has ended" in reason:
                self._close(tx, row, "closed", reason)

    def ask_in(self, tx: Tx, *, agent: str | None, title: str, detail: Mapping[str, Any], origin: Sequence[str]) -> str:
        """Put another room's question to a person, inside its transaction."""
        row = self._ask(tx, "request", agent, None, title, None, detail, origin=list(origin))
        self._wait_for_person(tx, row)
        return row.id

    def close_in(self, tx: Tx, key: str, reason: str) -> None:
        """Close a question of another room that still waits, inside its transaction."""
        row = tx.session.get_one(ApprovalRow, key)
        if row.state == "pending":
            self._close(tx, row, "closed", reason)

    def pending(self, session: Session) -> dict[int, int]:
        """Count the questions that wait, by pid."""
        query = (
            select(ApprovalRow.pid, func.count())
            .where(ApprovalRow.state == "pending", col(ApprovalRow.pid).is_not(None))
            .group_by(col(ApprovalRow.pid))
        )
        return {pid: count for pid, count in session.exec(query) if pid is not None}

    def open_in(self, tx: Tx, pid: int) -> int:
        """Count the questions of a process that wait, as it is written."""
        query = select(func.count()).select_from(ApprovalRow)
        return tx.session.exec(query.where(ApprovalRow.pid == pid, ApprovalRow.state == "pending")).one()

    # Inside -----------------------------------------------------------------------------------------

    def _ask(
        self,
        tx: Tx,
        kind: str,
        agent: str | None,
        pid: int | None,
        title: str,
        tool: str | None,
        input: Mapping[str, Any],
        *,
        origin: list[str],
        request: str | None = None,
        stored: str | None = None,
    ) -> ApprovalRow:
        now = self._clock.now()
        row = ApprovalRow(
            id=new_id("approval"),
            pid=pid,
            agent=agent,
            user=tx.origin.user,
            org=tx.origin.org,
            state="pending",
            kind=kind,
            title=title[:500],
            tool=tool,
            input=json.dumps(dict(input)),
            request=request,
            stored=stored,
            origin=json.dumps(origin),
            created_at=stamp(now),
            expires_at=stamp(now + timedelta(seconds=self._settings.approval_ttl_s)),
        )
        tx.session.add(row)
        tx.emit(
            ApprovalRequested(
                pid=pid, agent=agent, approval=row.id, kind=kind, title=row.title, tool=tool, expires_at=row.expires_at
            )
        )
        return row

    def _wait_for_person(self, tx: Tx, row: ApprovalRow) -> None:
        """Let a question wait, unless as many of its asker's do as may."""
        query = select(func.count()).select_from(ApprovalRow).where(ApprovalRow.state == "pending")
        query = query.where(ApprovalRow.agent == row.agent, ApprovalRow.user == row.user, ApprovalRow.org == row.org)
        if tx.session.exec(query).one() > OPEN:
            raise Exhausted(f"{OPEN} of your questions wait for a person; wait for answers (approval.wait)", most=OPEN)
        self._changed_in(tx, row)

    def _changed_in(self, tx: Tx, row: ApprovalRow) -> None:
        """Tell of a question that came or went: its process in the transaction, who waits for it after the commit."""
        tx.after(self._notice)
        if row.kind != "permission" and row.pid is not None:  # of those its room knows
            for hook in self.question_hooks:
                hook(tx, row.pid)

    def _settle(
        self,
        tx: Tx,
        row: ApprovalRow,
        decision: str,
        by: str,
        reason: str | None,
        rule: str | None,
        via: str | None = None,
    ) -> None:
        row.state = "denied" if decision == "deny" else "allowed"
        row.decision, row.decided_by, row.decided_via, row.reason, row.rule = decision, by, via, reason, rule
        row.decided_at = stamp(self._clock.now())
        tx.session.add(row)
        tx.emit(self._decided_event(row))
        self._changed_in(tx, row)
        if row.kind == "permission" and row.pid is not None:
            for hook in self.decision_hooks:
                hook(tx, row.pid, answer_of(row))

    def _close(self, tx: Tx, row: ApprovalRow, state: str, reason: str) -> None:
        row.state, row.reason, row.decided_at = state, reason, stamp(self._clock.now())
        tx.session.add(row)
        tx.emit(self._decided_event(row))
        self._changed_in(tx, row)

    def _decided_event(self, row: ApprovalRow) -> ApprovalDecided:
        return ApprovalDecided(
            pid=row.pid,
            agent=row.agent,
            approval=row.id,
            state=row.state,
            decision=row.decision,
            by=row.decided_by,
            via=row.decided_via,
            reason=row.reason,
            rule=row.rule,
        )

    def _add_rule(
        self, tx: Tx, row: ApprovalRow, pattern: str, call: Call, *, pid: int | None, until: str | None
    ) -> None:
        tx.session.add(
            ApprovalRuleRow(
                id=new_id("rule"),
                agent=row.agent,
                pid=pid,
                user=row.user,
                org=row.org,
                pattern=(OURS if row.kind == "operation" else "") + pattern,
                until=until,
                made_by=call.actor,
                created_at=stamp(self._clock.now()),
            )
        )

    def _rule_for(self, tx: Tx, row: ApprovalRow) -> ApprovalRuleRow | None:
        now = stamp(self._clock.now())
        query = select(ApprovalRuleRow).where(ApprovalRuleRow.agent == row.agent, ApprovalRuleRow.user == row.user)
        input = json.loads(row.input)
        for rule in tx.session.exec(query):
            if rule.pid is not None and rule.pid != row.pid:
                continue
            if rule.until is not None and rule.until <= now:
                continue
            # A runtime names its tools as it likes: leave for one of them is none for an operation of ours.
            if rule.pattern.startswith(OURS) != (row.kind == "operation"):
                continue
            if rules.matches(rule.pattern.removeprefix(OURS), row.tool or "", input):
                return rule
        return None

    async def _answered(self, key: str, seconds: float, call: Call) -> ApprovalRow:
        """Wait until a question is answered and its call, if any, has run; at most so many seconds."""
        row = await self._row(key)
        with anyio.move_on_after(seconds):
            while row.state == "pending" or (
                row.kind == "operation" and row.state == "allowed" and row.result is None and row.error is None
            ):
                changed = self._changed
                row = await self._row(key)
                if row.state not in ("pending", "allowed"):
                    break
                with anyio.move_on_after(BEAT_S):
                    await changed.wait()
                if call.progress is not None:
                    await call.progress(0, None, "waiting for a person")
                row = await self._row(key)
                if row.kind != "operation" and row.state != "pending":
                    break
        return row

    async def _sweep(self) -> None:
        while True:
            await self._clock.sleep(SWEEP_S)
            overdue = select(ApprovalRow).where(
                ApprovalRow.state == "pending", ApprovalRow.expires_at <= stamp(self._clock.now())
            )

            def query(session: Session, overdue: Any = overdue) -> set[tuple[str, str]]:
                return {(row.user, row.org) for row in session.exec(overdue)}

            for user, org in await self._store.read(query):
                mine = overdue.where(ApprovalRow.user == user, ApprovalRow.org == org)
                origin.set(Origin("system", None, user, org))
                try:
                    await self._store.write(lambda tx, mine=mine: self._expire(tx, mine))  # type: ignore[misc]
                except AetherError as exc:  # the disk is full, say: next time, then
                    logger.warning("questions could not be closed: %s", exc.message)

    def _expire(self, tx: Tx, overdue: Any) -> None:
        for row in tx.session.exec(overdue).all():
            self._close(tx, row, "expired", "nobody answered in time")
            if row.kind == "permission" and row.pid is not None:
                for hook in self.decision_hooks:
                    hook(tx, row.pid, answer_of(row))

    def _notice(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def _row(self, key: str) -> ApprovalRow:
        row = await self._store.read(lambda session: session.get(ApprovalRow, key))
        if row is None:
            raise NotFound(f"no approval {key}; approval.list shows those there are", kind="approval", id=key)
        return row

    async def _wire(self, row: ApprovalRow) -> Approval:
        result = json.loads(row.result) if row.result else None
        if row.error:
            result = {"error": json.loads(row.error)}
        return Approval(
            id=row.id,
            pid=row.pid,
            agent=row.agent,
            agent_name=await self._agent.name_of(row.agent) if row.agent else None,
            state=row.state,
            kind=row.kind,
            title=row.title,
            tool=row.tool,
            input=json.loads(row.input),
            origin=json.loads(row.origin),
            decision=row.decision,
            decided_by=row.decided_by,
            decided_via=row.decided_via,
            reason=row.reason,
            rule=row.rule,
            result=result,
            created_at=row.created_at,
            decided_at=row.decided_at,
            expires_at=row.expires_at,
        )
