"""Merging: near-duplicates become the newest of them; the others are kept, found by their id alone."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlmodel import Session

from aetherd.kernel.memory import rows
from aetherd.kernel.memory.duplicates import Duplicates, Group
from aetherd.kernel.memory.events import MemoryConsolidated
from aetherd.kernel.memory.models import Merged
from aetherd.kernel.memory.search import Filter, Index
from aetherd.operations.operation import Call
from aetherd.store import Tx
from aetherd.store.rows import bare

TAGS = 20


@dataclass(frozen=True, slots=True)
class Look:
    """What one look through memories found."""

    groups: list[Group]
    looked_at: int
    cursor: str | None  # where older ones begin


def look(session: Session, filter: Filter, similarity: float, limit: int, before: int) -> Look:
    """Find what says the same."""
    cursor = bare(session)
    groups, keys = Duplicates(cursor, filter, similarity, Index(cursor)).groups(limit, before)
    return Look(groups, len(keys), str(keys[-1]) if len(keys) == limit else None)


def wire(group: Group) -> Merged:
    """Return what would become of some that say the same."""
    return Merged(
        id=group.keeper["id"],
        content=group.keeper["content"][: rows.SHOWN],
        sources=[row["id"] for row in group.others],
        similarity=round(group.similarity, 3),
    )


def merge(group: Group, call: Call, now: str, tx: Tx) -> Group | None:
    """Merge what still is as it was when it was looked at; None when nothing of it is."""
    unchanged = [row for row in (group.keeper, *group.others) if _same(tx, row)]
    if len(unchanged) < 2 or unchanged[0] is not group.keeper:
        return None
    keeper, others = unchanged[0], unchanged[1:]
    tags = dict.fromkeys(tag for row in unchanged for tag in json.loads(row["tags"]))
    for row in others:
        tx.cursor.execute(
            f"INSERT INTO memory_merged ({rows.KEPT}, merged_into, merged_at, merged_by) "
            f"SELECT {rows.KEPT}, ?, ?, ? FROM memory WHERE seq = ?",
            (keeper["id"], now, call.actor, row["seq"]),
        )
        tx.cursor.execute("UPDATE memory_merged SET merged_into = ? WHERE merged_into = ?", (keeper["id"], row["id"]))
        tx.cursor.execute("DELETE FROM memory WHERE seq = ?", (row["seq"],))
    values = {
        "tags": rows.packed(list(tags)[:TAGS]),
        "importance": max(row["importance"] for row in unchanged),
        "updated_at": now,
    }
    rows.change(tx.cursor, keeper["seq"], values)
    kept = rows.find(tx.cursor, keeper["id"])
    merged = [row["id"] for row in others]
    tx.emit(
        MemoryConsolidated(
            agent=kept["agent"], pid=call.pid, memory=kept["id"], namespace=kept["namespace"], merged=merged
        )
    )
    return Group(keeper, others, group.similarity)


def _same(tx: Tx, row: rows.Record) -> bool:
    found = tx.cursor.execute("SELECT content, layer, scope FROM memory WHERE seq = ?", (row["seq"],)).fetchone()
    return bool(found == (row["content"], row["layer"], row["scope"]))
