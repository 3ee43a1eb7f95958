"""Task rows as plain dicts, as the writer's own cursor gives them: the ORM would cost a claim three times as much."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from aetherd.core.errors import Forbidden, NotFound
from aetherd.kernel.task.models import Task
from aetherd.operations.operation import Call
from aetherd.store.rows import fetch

Record = dict[str, Any]
SHOWN = 2_000  # characters of a text or a result in a list, or of an input


def find(cursor: sqlite3.Cursor, key: str) -> Record:
    """Return a task by its id."""
    found = fetch(cursor.execute("SELECT * FROM task WHERE id = ?", (key,)))
    if not found:
        raise NotFound(f"no task {key}; task.list shows those there are", kind="task", id=key)
    return found[0]


def seen(cursor: sqlite3.Cursor, key: str, call: Call) -> Record:
    """Return a task that the caller may know of: of the same user, and not given to others alone."""
    row = find(cursor, key)
    if not visible(row, call):
        raise Forbidden(f"task {key} belongs to somebody else", kind="task", id=key)
    return row


def visible(row: Record, call: Call) -> bool:
    """Tell whether the caller may know of a task: agents of a user share its queues, not what one was given."""
    if (row["user"], row["org"]) != (call.user, call.org):
        return False
    parties = (row["agent"], row["assignee"], row["delegator"], row["holder_agent"])
    return call.agent is None or not row["assignee"] or call.agent in parties


VISIBLE = "(assignee = '' OR ? IN (agent, assignee, delegator, holder_agent))"  # the same, for lists


def needs(cursor: sqlite3.Cursor, keys: Sequence[str]) -> dict[str, list[str]]:
    """Return what each of some tasks waits or waited for."""
    found: dict[str, list[str]] = {key: [] for key in keys}
    marks = ",".join("?" * len(keys))
    for key, need in cursor.execute(
        f"SELECT task, needs FROM task_dependency WHERE task IN ({marks}) ORDER BY task, rowid", tuple(keys)
    ):
        found[key].append(need)
    return found


def wire(row: Record, depends_on: Sequence[str], whole: bool = True) -> Task:
    """Return a task as it is shown; in lists its long texts are cut."""
    text, result = row["text"], row["result"]
    truncated = not whole and max(len(text), len(result or "")) > SHOWN
    if truncated:
        text, result = text[:SHOWN], result and result[:SHOWN]
    return Task(
        id=row["id"],
        title=row["title"],
        text=text,
        truncated=truncated,
        queue=row["queue"],
        priority=-row["rank"],
        state=row["state"],
        agent=row["agent"],
        to=row["assignee"] or None,
        holder=row["holder"] if row["state"] in ("claimed", "done") else None,
        attempt=row["attempt"],
        max_attempts=row["max_attempts"],
        due=row["due"],
        parent=row["parent"],
        depends_on=list(depends_on),
        result=result,
        reason=row["error"],
        data=None if row["data"] is None else json.loads(row["data"]),
        created_at=row["created_at"],
        claimed_at=row["claimed_at"],
        ended_at=row["ended_at"],
    )
