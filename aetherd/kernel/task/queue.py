"""The rules of the queue, each inside the caller's transaction on the one writer: that makes a claim exactly once."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta

import anyio

from aetherd.core.clock import Clock, stamp
from aetherd.core.context import Origin
from aetherd.core.errors import Conflict, Exhausted
from aetherd.kernel.task.events import (
    TaskCancelled,
    TaskClaimed,
    TaskCompleted,
    TaskCreated,
    TaskDelegated,
    TaskExpired,
    TaskFailed,
    TaskQueued,
)
from aetherd.kernel.task.notices import Notices
from aetherd.kernel.task.rows import Record, find, seen
from aetherd.kernel.task.tables import TaskRow
from aetherd.operations.operation import Call
from aetherd.store import Tx
from aetherd.store.rows import fetch

MOST_OPEN = 20_000  # unfinished tasks of one user
BACKOFF_MAX_S = 3600.0
SWEPT = 200  # tasks that one sweep looks after in a transaction

TAKE = "state = 'claimed', holder = ?, holder_agent = ?, holder_pid = ?, lease = ?, claimed_at = ?, due = ?"
FIRST = (
    "SELECT * FROM (SELECT rank, seq FROM task WHERE state = 'queued' AND user = ? AND org = ? AND queue = ? "
    "AND assignee = ? ORDER BY rank, seq LIMIT 1)"
)
NEXT = (
    f"UPDATE task SET attempt = attempt + 1, {TAKE} WHERE seq = "
    f"(SELECT seq FROM ({FIRST} UNION ALL {FIRST}) ORDER BY rank, seq LIMIT 1) RETURNING *"
)
FREE = "holder = '', holder_agent = NULL, holder_pid = NULL, lease = ''"


class Queue:
    """Makes, gives out and takes back tasks."""

    def __init__(self, clock: Clock, notices: Notices) -> None:
        self._clock, self._notices = clock, notices
        self.news = anyio.Event()  # something can be claimed that could not when this was made

    def now(self, ahead: float = 0) -> str:
        """Return the wire form of now, or of some seconds later."""
        return stamp(self._clock.now() + timedelta(seconds=ahead))

    # In ----------------------------------------------------------------------------------------------

    def room(self, tx: Tx, call: Call, count: int) -> None:
        """Refuse when the user has too many unfinished tasks."""
        full = tx.execute(
            "SELECT 1 FROM task WHERE user = ? AND org = ? AND ended_at IS NULL LIMIT 1 OFFSET ?",
            (call.user, call.org, MOST_OPEN - count),
        ).fetchone()
        if full:
            raise Exhausted(f"{MOST_OPEN:,} tasks are unfinished; complete or cancel some first (task.list)")

    def put(self, tx: Tx, row: TaskRow, needs: Sequence[str], call: Call) -> Record:
        """Insert a task that waits for others; they exist, or were put before it or after it in this transaction."""
        for need in needs:
            tx.execute("INSERT INTO task_dependency (task, needs) VALUES (?, ?)", (row.id, need))
        marks = ",".join("?" * len(needs))
        for key, state in tx.execute(f"SELECT id, state FROM task WHERE id IN ({marks})", tuple(needs)).fetchall():
            if state == "cancelled":
                raise Conflict(f"task {key} was cancelled: what waits for it is never done", id=key)
            row.blocked -= state == "done"
        row.blocked += len(needs)
        row.state = "waiting" if row.blocked else "queued"
        tx.session.add(row)
        tx.session.flush()
        tx.emit(
            TaskCreated(
                agent=row.agent,
                pid=call.pid,
                task=row.id,
                queue=row.queue,
                title=row.title,
                state=row.state,
                parent=row.parent,
            )
        )
        record = find(tx.cursor, row.id)
        if not row.blocked:
            self._offer(tx, record)
        return record

    def give(self, tx: Tx, key: str, call: Call, to: tuple[str, str], by: tuple[str, str], pid: int | None) -> Record:
        """Give an unclaimed task to one agent; a dead letter begins anew."""
        row = seen(tx.cursor, key, call)
        if row["state"] == "claimed":
            raise Conflict(f"{_held(row)}; wait, or cancel it", id=key)
        if row["state"] in ("done", "cancelled"):
            raise Conflict(f"task {key} is {row['state']}; make a new one", id=key, state=row["state"])
        if pid is not None and row["blocked"]:
            raise Conflict(
                f"task {key} waits for {row['blocked']} others; start an agent when they are done, or give it `to` one "
                "that exists",
                id=key,
            )
        state = "waiting" if row["blocked"] else "queued"
        attempt = 0 if row["state"] == "dead" else row["attempt"]
        (row,) = fetch(
            tx.execute(
                "UPDATE task SET state = ?, attempt = ?, due = NULL, ended_at = NULL, assignee = ?, assignee_name = ?, "
                f"delegator = ?, delegator_name = ?, runner = ?, {FREE} WHERE id = ? RETURNING *",
                (state, attempt, *to, *by, pid, key),
            )
        )
        tx.emit(TaskDelegated(agent=to[0], pid=pid, task=key, queue=row["queue"], title=row["title"], by=call.actor))
        if state == "queued" and pid is None:  # a process that was started for it has it as its goal
            self._offer(tx, row)
        return row

    # Out and back ------------------------------------------------------------------------------------

    def next(self, tx: Tx, call: Call, queue: str, lease_s: float) -> Record | None:
        """Claim the most urgent task of a queue that the caller may have; None when there is none."""
        place = (call.user, call.org, queue)
        found = fetch(tx.execute(NEXT, (*self._taker(call, lease_s), *place, "", *place, call.agent or "")))
        if not found:
            return None
        return self._claimed(tx, found[0], call)

    def take(self, tx: Tx, key: str, call: Call, lease_s: float, lease: str | None) -> Record:
        """Claim this task, or renew the lease on it."""
        row = seen(tx.cursor, key, call)
        if row["state"] == "claimed":
            if row["holder"] != call.actor or lease not in (row["lease"], None if call.agent else row["lease"]):
                raise Conflict(_held(row), id=key, until=row["due"])
            return fetch(tx.execute("UPDATE task SET due = ? WHERE id = ? RETURNING *", (self.now(lease_s), key)))[0]
        if row["state"] != "queued":
            raise Conflict(_unready(row), id=key, state=row["state"])
        if row["assignee"] not in ("", call.agent):
            raise Conflict(f"task {key} is for {row['assignee_name']} alone; delegate it to change that", id=key)
        (row,) = fetch(
            tx.execute(
                f"UPDATE task SET attempt = attempt + 1, {TAKE} WHERE id = ? RETURNING *",
                (*self._taker(call, lease_s), key),
            )
        )
        return self._claimed(tx, row, call)

    def _taker(self, call: Call, lease_s: float) -> tuple[object, ...]:
        return (call.actor, call.agent, call.pid, secrets.token_hex(8), self.now(), self.now(lease_s))

    def _claimed(self, tx: Tx, row: Record, call: Call) -> Record:
        tx.emit(
            TaskClaimed(
                agent=call.agent,
                pid=call.pid,
                task=row["id"],
                queue=row["queue"],
                title=row["title"],
                attempt=row["attempt"],
                until=row["due"],
            )
        )
        self._notices.accepted(tx, row)
        return row

    def complete(self, tx: Tx, key: str, call: Call, result: str, lease: str | None) -> Record:
        """End a task that the caller holds, and let go what waited for it."""
        row = self._holding(tx, key, call, lease)
        (row,) = fetch(
            tx.execute(
                "UPDATE task SET state = 'done', result = ?, error = NULL, due = NULL, lease = '', ended_at = ? "
                "WHERE id = ? RETURNING *",
                (result, self.now(), key),
            )
        )
        tx.emit(TaskCompleted(agent=call.agent, pid=call.pid, task=key, queue=row["queue"], attempt=row["attempt"]))
        self._notices.completed(tx, row)
        freed = fetch(
            tx.execute(
                "UPDATE task SET blocked = blocked - 1, "
                "state = CASE WHEN blocked = 1 AND state = 'waiting' THEN 'queued' ELSE state END "
                "WHERE blocked > 0 AND id IN (SELECT task FROM task_dependency WHERE needs = ?) RETURNING *",
                (key,),
            )
        )
        for each in freed:
            if each["state"] == "queued":
                self._queued(tx, each)
        return row

    def fail(self, tx: Tx, key: str, call: Call, reason: str, retry: bool, lease: str | None) -> Record:
        """End an attempt: try again after a pause that doubles, or give up; who was given a task may refuse it."""
        row = seen(tx.cursor, key, call)
        refused = row["assignee"] == call.agent and row["state"] in ("queued", "waiting", "delayed")
        if not refused:
            row = self._holding(tx, key, call, lease)
        again = retry and not refused and row["attempt"] < row["max_attempts"]
        pause = min(BACKOFF_MAX_S, row["backoff_s"] * 2 ** (row["attempt"] - 1))
        state = "dead" if not again else "delayed" if pause else "queued"
        due = self.now(pause) if state == "delayed" else None
        row = self._back(tx, key, state, reason, due)
        tx.emit(
            TaskFailed(
                agent=call.agent,
                pid=call.pid,
                task=key,
                queue=row["queue"],
                attempt=row["attempt"],
                state=state,
                due=due,
            )
        )
        self._notices.failed(tx, row, (call.agent or "", row["assignee_name"]), refused)
        if state == "queued":
            self._queued(tx, row)
        return row

    def cancel(self, tx: Tx, key: str, call: Call, reason: str) -> list[str]:
        """End a task, its parts, and all that waited for any of them."""
        named = seen(tx.cursor, key, call)
        if named["state"] in ("done", "cancelled"):
            raise Conflict(f"task {key} is {named['state']} already", id=key, state=named["state"])
        gone = fetch(
            tx.execute(
                "WITH RECURSIVE gone(id) AS (SELECT ? UNION SELECT id FROM task WHERE parent = ? UNION "
                "SELECT task FROM task_dependency JOIN gone ON needs = gone.id) "
                "UPDATE task SET state = 'cancelled', error = ?, due = NULL, ended_at = ? "
                "WHERE id IN gone AND state NOT IN ('done', 'cancelled') RETURNING *",
                (key, key, reason, self.now()),
            )
        )
        for row in gone:
            tx.emit(TaskCancelled(agent=row["agent"], task=row["id"], queue=row["queue"], reason=reason))
            self._notices.cancelled(tx, row, call)
        tx.execute(
            f"UPDATE task SET {FREE} WHERE state = 'cancelled' AND id IN ({','.join('?' * len(gone))})",
            tuple(row["id"] for row in gone),
        )
        return [row["id"] for row in gone]

    # By itself ---------------------------------------------------------------------------------------

    def sweep(self, tx: Tx) -> int:
        """Take back what was not done in time, and let in what is tried again; returns how many."""
        rows = fetch(
            tx.execute(
                "SELECT * FROM task WHERE state IN ('claimed', 'delayed') AND due <= ? ORDER BY due LIMIT ?",
                (self.now(), SWEPT),
            )
        )
        for row in rows:
            tx.origin = Origin("system", None, row["user"], row["org"])
            if row["state"] == "delayed":
                tx.execute("UPDATE task SET state = 'queued', due = NULL WHERE id = ?", (row["id"],))
                self._queued(tx, row)
            else:
                self._expired(tx, row, f"the lease of {row['holder']} ended")
        return len(rows)

    def process_ended(self, tx: Tx, pid: int, reason: str) -> None:
        """Take back what a process held, and give up what it was started for."""
        rows = fetch(
            tx.execute(
                "SELECT * FROM task WHERE holder_pid = ? AND state = 'claimed' UNION "
                "SELECT * FROM task WHERE runner = ? AND state IN ('queued', 'delayed', 'waiting')",
                (pid, pid),
            )
        )
        for row in rows:
            tx.execute(f"UPDATE task SET {FREE} WHERE id = ?", (row["id"],))
            self._expired(tx, row, reason, over=row["runner"] == pid)

    def _expired(self, tx: Tx, row: Record, reason: str, over: bool = False) -> None:
        """Queue it again, unless it was tried often enough; who held it may still complete it until another claims."""
        state = "dead" if over or row["attempt"] >= row["max_attempts"] else "queued"
        (fresh,) = fetch(
            tx.execute(
                "UPDATE task SET state = ?, error = ?, due = NULL, ended_at = ? WHERE id = ? RETURNING *",
                (state, reason, self.now() if state == "dead" else None, row["id"]),
            )
        )
        tx.emit(
            TaskExpired(
                agent=row["holder_agent"] or row["assignee"] or None,
                pid=row["holder_pid"] or row["runner"],
                task=row["id"],
                queue=row["queue"],
                attempt=row["attempt"],
                state=state,
                reason=reason,
            )
        )
        if state == "dead":
            party = (row["assignee"] or row["holder_agent"] or "", row["assignee_name"])
            self._notices.failed(tx, fresh, party, refused=False)
        else:
            self._queued(tx, fresh)

    def _queued(self, tx: Tx, row: Record) -> None:
        tx.emit(TaskQueued(agent=row["agent"], task=row["id"], queue=row["queue"], attempt=row["attempt"]))
        self._offer(tx, row)

    def _offer(self, tx: Tx, row: Record) -> None:
        self._notices.offer(tx, row)
        tx.after(self._tell)

    def _tell(self) -> None:
        self.news.set()
        self.news = anyio.Event()

    def _back(self, tx: Tx, key: str, state: str, error: str, due: str | None) -> Record:
        return fetch(
            tx.execute(
                f"UPDATE task SET state = ?, error = ?, due = ?, ended_at = ?, {FREE} WHERE id = ? RETURNING *",
                (state, error, due, self.now() if state == "dead" else None, key),
            )
        )[0]

    def _holding(self, tx: Tx, key: str, call: Call, lease: str | None) -> Record:
        """Return a task that the caller holds, or held until its lease ended and nobody has taken since."""
        row = seen(tx.cursor, key, call)
        mine = row["holder"] == call.actor and lease in (None, row["lease"])
        if mine and row["state"] in ("claimed", "queued", "dead"):
            return row
        if row["state"] == "claimed":
            raise Conflict(f"{_held(row)}: you do not hold it", id=key, until=row["due"])
        if row["state"] == "queued":
            raise Conflict(f"you do not hold task {key}; claim it first (task.claim)", id=key, state="queued")
        raise Conflict(_unready(row), id=key, state=row["state"])


def _held(row: Record) -> str:
    return f"task {row['id']} is held by {row['holder']} until {row['due']}"


def _unready(row: Record) -> str:
    said = {
        "waiting": f"waits for {row['blocked']} others to be done",
        "delayed": f"failed and is tried again at {row['due']}",
        "done": "is done already",
        "dead": "was given up; task.delegate gives it another chance",
        "cancelled": "was cancelled",
    }[row["state"]]
    why = f" ({row['error']})" if row["error"] and row["state"] in ("dead", "cancelled") else ""
    return f"task {row['id']} {said}{why}"
