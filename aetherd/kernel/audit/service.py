"""Audit: every change and every refusal leaves one row, in the transaction of the change itself."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio
from pydantic import BaseModel, SecretStr
from sqlmodel import Session, col, select

from aetherd.core.clock import Clock, stamp
from aetherd.core.errors import AetherError, Forbidden, Invalid, NotFound, Unauthenticated
from aetherd.core.model import NEWEST, position
from aetherd.kernel.audit.models import AuditQuery, AuditRecord, AuditRecords
from aetherd.kernel.audit.tables import AuditRow
from aetherd.operations.dispatch import Invocation, Proceed
from aetherd.operations.operation import Call, Effect, Rule, Subject, operation
from aetherd.store import RiderSlot, Store, Tx, rider

LONG = 200  # characters; longer texts are recorded by their length
REFUSALS = (Forbidden, Invalid, NotFound, Unauthenticated)
HIDDEN = "********"
SECRET_NAMES = re.compile(r"secret|passw|token|credential|authori[sz]ation|api_?key|private_?key", re.IGNORECASE)
SECRET_VALUES = re.compile(
    r"\b(?:ae[acoprst]_[\w-]{20,}|sk-[\w-]{16,}|gh[pousr]_\w{20,}|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}"
    r"|AIza[\w-]{30,}|eyJ[\w-]{10,}\.[\w-]+\.[\w-]*)|-----BEGIN [A-Z ]*PRIVATE KEY-----.*",
    re.DOTALL,
)


class AuditService:
    """The record of who did what."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def offers(self) -> Mapping[str, Any]:
        """Guard every call."""
        return {"guards.audit": self.guard}

    @operation("audit.query", effect=Effect.READ, access=Rule.OWN)
    async def query(self, input: AuditQuery, call: Call) -> AuditRecords:
        """Show who did what through which face, newest first; an agent sees its own calls."""

        def read(session: Session) -> list[AuditRow]:
            rows = select(AuditRow).where(AuditRow.user == call.user, AuditRow.org == call.org)
            if call.agent is not None:
                rows = rows.where(AuditRow.agent == call.agent)
            if input.actor is not None:
                rows = rows.where(AuditRow.actor == input.actor)
            if input.operation is not None:
                exact = "." in input.operation
                name = col(AuditRow.operation)
                room = name.startswith(input.operation + ".", autoescape=True)
                rows = rows.where(name == input.operation if exact else room)
            if input.pid is not None:
                rows = rows.where(AuditRow.pid == input.pid)
            if input.outcome is not None:
                rows = rows.where(AuditRow.outcome == input.outcome)
            if input.since is not None:
                rows = rows.where(AuditRow.at >= input.since)
            rows = rows.where(col(AuditRow.id) < position(input.cursor, NEWEST))
            return list(session.exec(rows.order_by(col(AuditRow.id).desc()).limit(input.limit + 1)))

        rows = await self._store.read(read)
        more = len(rows) > input.limit
        rows = rows[: input.limit]
        return AuditRecords(records=[_wire(row) for row in rows], cursor=str(rows[-1].id) if more else None)

    async def guard(self, invocation: Invocation, proceed: Proceed) -> Any:
        """Leave one row for every change and every refusal; a read that goes well leaves none."""
        op, begun = invocation.op, time.monotonic()
        delegates = op is not None and op.delegates
        silent = delegates or (op is not None and op.effect is Effect.READ)
        slot: RiderSlot | None = None
        if not silent:
            slot = RiderSlot(lambda tx: self._insert(tx, invocation, "ok", None, begun))
        token = rider.set(slot)
        try:
            result = await proceed()
        except AetherError as exc:
            if not (delegates and invocation.entered):
                outcome = "refused" if isinstance(exc, REFUSALS) else "failed"
                await self._failed(invocation, slot, outcome, exc.code, begun)
            raise
        except Exception:
            if not (delegates and invocation.entered):
                await self._failed(invocation, slot, "failed", "internal", begun)
            raise
        except anyio.get_cancelled_exc_class():
            if slot is not None:  # what it did before the caller left still needs its record
                with anyio.CancelScope(shield=True):
                    await self._failed(invocation, slot, "failed", "cancelled", begun)
            raise
        finally:
            rider.reset(token)
        if slot is None:
            return result
        if op is not None and op.streams:
            slot.done = True  # the stream keeps a row of its own
            return self._stream(result, invocation, begun)
        await self._complete(slot)
        return result

    async def _complete(self, slot: RiderSlot) -> None:
        """Record a call that wrote nothing itself, and close its slot to tasks that outlive it."""

        def work(tx: Tx) -> None:
            if not slot.taken:
                slot.ride(tx)

        if not slot.done:
            await self._store.write(work)
            slot.done = True

    async def _failed(
        self, invocation: Invocation, slot: RiderSlot | None, outcome: str, code: str, begun: float
    ) -> None:
        """Record a call that did not go well; its row may stand already, from a write that did."""

        def work(tx: Tx) -> None:
            if slot is not None and slot.taken:
                tx.execute(
                    "UPDATE audit SET outcome = ?, code = ?, ms = ? WHERE call = ? AND operation = ?",
                    (outcome, code, _ms(begun), invocation.call.id, invocation.name),
                )
            else:
                self._insert(tx, invocation, outcome, code, begun)

        token = rider.set(None)
        try:
            await self._store.write(work)
        finally:
            rider.reset(token)
            if slot is not None:
                slot.done = True

    async def _stream(
        self, items: AsyncIterator[BaseModel], invocation: Invocation, begun: float
    ) -> AsyncIterator[BaseModel]:
        """Write one row for a stream: open when it opens, completed when it closes."""
        key = await self._store.write(lambda tx: self._insert(tx, invocation, "open", None, begun))
        outcome, code = "ok", None
        try:
            async for item in items:
                yield item
        except AetherError as exc:
            outcome, code = "failed", exc.code
            raise
        except Exception:
            outcome, code = "failed", "internal"
            raise
        finally:
            with anyio.CancelScope(shield=True):  # also when the reader has left
                await self._store.write(
                    lambda tx: tx.execute(
                        "UPDATE audit SET outcome = ?, code = ?, ms = ? WHERE id = ?",
                        (outcome, code, _ms(begun), key),
                    )
                )

    def _insert(self, tx: Tx, invocation: Invocation, outcome: str, code: str | None, begun: float) -> int | None:
        call, op = invocation.call, invocation.op
        subject = None
        if op is not None and isinstance(op.access, Subject) and invocation.input is not None:
            subject = getattr(invocation.input, op.access.field, None)
        return tx.execute(
            "INSERT INTO audit (at, call, actor, agent, pid, user, org, face, operation, effect, subject, input, "
            "outcome, code, approval, ms) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                stamp(self._clock.now()),
                call.id,
                call.actor,
                call.agent,
                call.pid,
                call.user,
                call.org,
                call.face,
                invocation.name[:200],
                None if op is None else str(op.effect),
                None if subject is None else str(subject),
                json.dumps(_outline(invocation.input) if invocation.input is not None else {}),
                outcome,
                code,
                call.approval,
                _ms(begun),
            ),
        ).lastrowid


def _ms(begun: float) -> float:
    return round((time.monotonic() - begun) * 1000, 2)


def _outline(value: Any) -> Any:
    """Show an input by its short fields; secrets, long texts and fields marked `repr=False` never show."""
    if isinstance(value, SecretStr):
        return HIDDEN
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return {
            name: _outline(getattr(value, name)) if fields[name].repr else _size(getattr(value, name))
            for name in fields
            if name in value.model_fields_set
        }
    if isinstance(value, str):
        return SECRET_VALUES.sub(HIDDEN, value) if len(value) <= LONG else _size(value)
    if isinstance(value, Mapping):
        return {
            str(key)[:LONG]: HIDDEN if SECRET_NAMES.search(str(key)) else _outline(item)
            for key, item in list(value.items())[:50]
        }
    if isinstance(value, list | tuple):
        return [_outline(item) for item in value[:50]]
    return value


def _size(value: Any) -> str | None:
    if value is None:
        return None
    return f"<{len(value)} characters>" if isinstance(value, str) else "<hidden>"


def _wire(row: AuditRow) -> AuditRecord:
    return AuditRecord(**{**row.model_dump(exclude={"org"}), "input": json.loads(row.input)})
