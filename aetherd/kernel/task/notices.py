"""What the parties to a delegated task are told: messages in the transaction of the change, so that none is lost."""

from __future__ import annotations

from typing import Any

from aetherd.kernel.task.rows import SHOWN, Record
from aetherd.operations.operation import Call
from aetherd.operations.posting import OWNER, Posting
from aetherd.store import Tx


def how(key: str) -> str:
    """Return how a model takes and ends a task, with the tools that every toolset has."""
    return (
        f'Take it with aether_tool_call, name task.claim, input {{"id": "{key}"}}; end it with task.complete '
        "(id, result), or task.fail (id, reason), also to refuse it. Claim it again when it takes long."
    )


class Notices:
    """Tells the assignee what there is to do, and the delegator how it goes."""

    def __init__(self, messages: Posting) -> None:
        self._messages = messages

    def offer(self, tx: Tx, row: Record) -> None:
        """Tell the assignee that it can begin."""
        if row["assignee"] and row["assignee"] != row["delegator"]:
            again = f" (again: {row['error']})" if row["attempt"] and row["error"] else ""
            text = f"{row['title']}{again}\n{row['text'][:SHOWN]}\n\nThis is task {row['id']}. {how(row['id'])}"
            self._post(tx, row, "task_delegate", text, self._delegator(row), (row["assignee"], row["assignee_name"]))

    def accepted(self, tx: Tx, row: Record) -> None:
        """Tell the delegator that the assignee has begun."""
        self._report(tx, row, "task_accepted", f"I have begun with {row['title']!r}.")

    def completed(self, tx: Tx, row: Record) -> None:
        """Tell the delegator what came of it."""
        result = row["result"][:SHOWN] + ("… (task.get shows all)" if len(row["result"]) > SHOWN else "")
        self._report(tx, row, "task_completed", f"{row['title']!r} is done.\n{result}")

    def failed(self, tx: Tx, row: Record, party: tuple[str, str], refused: bool) -> None:
        """Tell the delegator that it was refused, given up, or is tried again."""
        kind = "task_rejected" if refused else "status_update"
        next_ = "task.delegate gives it to another." if row["state"] == "dead" else "It is tried again."
        said = "refused" if refused else "given up" if row["state"] == "dead" else "not done yet"
        self._report(tx, row, kind, f"{row['title']!r} was {said}: {row['error']}\n{next_}", party)

    def cancelled(self, tx: Tx, row: Record, call: Call) -> None:
        """Tell who works on it, or was to, to stop."""
        agent = row["holder_agent"] or row["assignee"]
        if agent and agent != call.agent:
            text = f"Stop: {row['title']!r} (task {row['id']}) was cancelled. {row['error']}".rstrip()
            sender = (None, OWNER) if call.agent is None else (call.agent, row["delegator_name"] or call.agent)
            self._post(tx, row, "status_update", text, sender, (agent, row["assignee_name"] or agent))

    def _report(self, tx: Tx, row: Record, kind: str, text: str, party: tuple[str, str] | None = None) -> None:
        sender = party or (row["assignee"], row["assignee_name"])
        if row["delegator"] and sender[0] and sender[0] != row["delegator"]:
            self._post(tx, row, kind, text, sender, self._delegator(row))

    def _delegator(self, row: Record) -> tuple[str | None, str]:
        return (None if row["delegator"] == OWNER else row["delegator"], row["delegator_name"])

    def _post(
        self,
        tx: Tx,
        row: Record,
        kind: str,
        text: str,
        sender: tuple[str | None, str],
        to: tuple[str | None, str],
    ) -> None:
        data: dict[str, Any] = {"task": row["id"]}  # as the message room wants it for each kind
        if kind == "task_rejected":
            data["reason"] = row["error"]
        elif kind == "status_update":
            data |= {"status": row["state"], "attempt": row["attempt"]}
        self._messages.post_in(
            tx, sender=sender, to=to, text=text, kind=kind, data=data, user=row["user"], org=row["org"]
        )
