"""What is known of a step, in memory and as a row."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from aetherd.store.rows import fetch

Row = dict[str, Any]
ENDED = frozenset({"completed", "failed", "skipped", "cancelled"})
PEOPLE = frozenset({"waiting", "unknown"})  # a person has to say something
WITHIN = frozenset({"parallel", "each", "loop", "vote"})  # kinds that only hold others

_COLUMNS = (
    "flow, path, seq, kind, state, attempt, pid, approval, due, output, error, cost_usd, started_at, ended_at, "
    "max_workers, max_depth, budget"
)
_KEPT = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", ")[4:])
UPSERT = (
    f"INSERT INTO flow_step ({_COLUMNS}) VALUES ({', '.join('?' * len(_COLUMNS.split(', ')))}) "
    f"ON CONFLICT (flow, path) DO UPDATE SET {_KEPT}"
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the processes of a step may start."""

    max_workers: int | None = None
    max_depth: int | None = None
    budget: float | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One step as it was last written."""

    path: str
    seq: int
    kind: str
    state: str
    attempt: int
    started_at: str
    pid: int | None = None
    approval: str | None = None
    due: str | None = None
    output: Any = None
    error: str | None = None
    cost_usd: float = 0.0
    ended_at: str | None = None
    bounds: Bounds = Bounds()
    found: bool = False  # it was under way when aetherd was stopped

    def view(self) -> dict[str, Any]:
        """Return what expressions see of it."""
        return {"output": self.output, "state": self.state, "error": self.error, "cost_usd": self.cost_usd}

    def values(self, flow: str) -> Sequence[Any]:
        """Return its row."""
        output = None if self.output is None else json.dumps(self.output, ensure_ascii=False)
        bounds = (self.bounds.max_workers, self.bounds.max_depth, self.bounds.budget)
        return (
            *(flow, self.path, self.seq, self.kind, self.state, self.attempt, self.pid, self.approval, self.due),
            *(output, self.error, self.cost_usd, self.started_at, self.ended_at, *bounds),
        )


def records_of(cursor: sqlite3.Cursor, flow: str) -> dict[str, Record]:
    """Return what is known of the steps of a flow, after a start."""
    found = {}
    for row in fetch(cursor.execute("SELECT * FROM flow_step WHERE flow = ? ORDER BY seq", (flow,))):
        del row["flow"]
        bounds = Bounds(row.pop("max_workers"), row.pop("max_depth"), row.pop("budget"))
        output = row.pop("output")
        record = Record(**row, output=None if output is None else json.loads(output), bounds=bounds)
        found[record.path] = replace(record, found=record.state == "running")
    return found
