"""What answers what: a request, its answers, and the id that all of them carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aetherd.core.errors import Conflict, Forbidden, Invalid
from aetherd.core.ids import new_id
from aetherd.kernel.message.kinds import ANSWERS, REQUEST_OF, shown
from aetherd.kernel.message.ports import Tasks
from aetherd.kernel.message.tables import MessageRow
from aetherd.operations.operation import Call
from aetherd.store import Tx


def correlated(kind: str, answered: MessageRow | None, data: Mapping[str, Any] | None, call: Call) -> str | None:
    """Return the id that a request and its answers share, a new one for a request; refuses what answers nothing.

    A task of the queue stands for the message that delegated it. People may answer an agent in plain words.
    """
    request = REQUEST_OF.get(kind)
    by_task = answered is None and bool((data or {}).get("task"))
    fits = answered is not None and answered.kind == request and answered.recipient == call.agent
    if request is not None and not (fits or by_task):
        got = "" if answered is None else f", and message {answered.id} is {_named(answered, call)}"
        or_task = " or, without reply_to, data.task" if kind.startswith("task_") else ""
        raise Invalid(
            f"message.send: reply_to: a {kind} answers a {request} that you got: give its id{or_task}{got}",
            kind=kind,
            expected=request,
        )
    if answered is None:
        return new_id("exchange") if kind in ANSWERS else None
    expected = ANSWERS.get(answered.kind, ())
    asked = call.agent is not None and answered.recipient == call.agent
    if asked and expected and kind not in (*expected, "status_update"):
        raise Invalid(
            f"message.send: kind: message {answered.id} is a {answered.kind}: answer it with kind "
            f"{' or '.join(expected)}, data for example {shown(expected[0])}; or with status_update on the way. "
            f"To ask something first, send text with thread {answered.thread} and without reply_to",
            kind=kind,
            expected=list(expected),
        )
    return answered.correlation or (new_id("exchange") if kind in ANSWERS else None)


def tie(tx: Tx, tasks: list[Tasks], row: MessageRow, task: str, call: Call) -> None:
    """Refuse a message about a task that its parties do not know, or that is not the business of who says so.

    Nothing of the task changes: task.delegate, task.claim, task.complete and task.fail do that.
    """
    if not tasks:
        raise Invalid("message.send: data.task: this house has no tasks; leave it out")
    having = tasks[0].having_in(tx, task, call)
    if row.recipient is not None and row.recipient != call.agent:
        try:
            tasks[0].having_in(tx, task, replace(call, agent=row.recipient))
        except Forbidden as exc:
            raise Forbidden(
                f"task {task} is none of {row.recipient_name}'s business: it was given to others", **exc.data
            ) from exc
    if row.kind == "task_delegate":
        if having and row.recipient not in having:
            raise Conflict(f"task {task} is another's; task.delegate gives it to {row.recipient_name}", id=task)
    elif call.agent is not None and call.agent not in having:
        raise Conflict(f"you do not have task {task}: take it with task.claim first", id=task)


def _named(row: MessageRow, call: Call) -> str:
    return f"a {row.kind}" + (" of your own" if row.agent == call.agent and row.recipient != call.agent else "")
