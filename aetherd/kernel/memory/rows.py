"""Memory rows as plain dicts: the ORM would cost a recall, and what is acknowledged a second, twice as much."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from aetherd.core.errors import Conflict, NotFound
from aetherd.kernel.memory.tables import MemoryRow, MergedRow
from aetherd.store.rows import fetch

Record = dict[str, Any]
SHOWN = 2_000  # characters of one memory in a list
KEPT = ", ".join(name for name in MemoryRow.model_fields if name in MergedRow.model_fields)
COLUMNS = f"{KEPT}, journal"


def load(cursor: sqlite3.Cursor, keys: Sequence[int]) -> list[Record]:
    """Return rows in the order of their keys; long contents only as far as lists show them."""
    if not keys:
        return []
    cut = COLUMNS.replace("content", f"substr(content, 1, {SHOWN}) AS content, length(content) > {SHOWN} AS truncated")
    marks = ",".join("?" * len(keys))
    rows = {
        row["seq"]: row for row in fetch(cursor.execute(f"SELECT seq, {cut} FROM memory WHERE seq IN ({marks})", keys))
    }
    return [rows[key] for key in keys if key in rows]


def find(cursor: sqlite3.Cursor, key: str) -> Record:
    """Return a memory by its id, living or merged; `merged_into` says which."""
    for query in (
        f"SELECT seq, {COLUMNS}, NULL AS merged_into FROM memory WHERE id = ?",
        f"SELECT NULL AS seq, {KEPT}, NULL AS journal, merged_into FROM memory_merged WHERE id = ?",
    ):
        if found := fetch(cursor.execute(query, (key,))):
            return found[0]
    raise NotFound(f"no memory {key}; memory.list shows those there are", kind="memory", id=key)


def living(cursor: sqlite3.Cursor, key: str) -> Record:
    """Return a memory that is found by itself; one that was merged names what it became."""
    row = find(cursor, key)
    if row["merged_into"] is not None:
        into = row["merged_into"]
        raise Conflict(f"memory {key} was merged into {into}; use that one", id=key, merged_into=into)
    return row


def insert(cursor: sqlite3.Cursor, row: Mapping[str, Any]) -> int:
    """Write a memory and return its key; what is left out of it is NULL."""
    names = ", ".join(row)
    done = cursor.execute(f"INSERT INTO memory ({names}) VALUES ({','.join('?' * len(row))})", tuple(row.values()))
    assert done.lastrowid is not None
    return done.lastrowid


def change(cursor: sqlite3.Cursor, seq: int, values: Mapping[str, Any]) -> None:
    """Change columns of a memory; triggers do what follows for its index."""
    names = ", ".join(f"{name} = ?" for name in values)
    cursor.execute(f"UPDATE memory SET {names} WHERE seq = ?", (*values.values(), seq))


def packed(tags: Sequence[str]) -> str:
    """Return tags as they are written."""
    return json.dumps(tags, ensure_ascii=False)


def fields(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what every answer shows of a memory."""
    return {
        "id": row["id"],
        "layer": row["layer"],
        "namespace": row["namespace"],
        "workspace": row["place"] if row["namespace"] == "workspace" else None,
        "tags": json.loads(row["tags"]),
        "importance": row["importance"],
        "agent": row["agent"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "journal": row["journal"],
    }


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a memory as lists show it."""
    return {**fields(row), "content": row["content"], "truncated": bool(row["truncated"])}
