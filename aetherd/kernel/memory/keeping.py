"""Keeping: what is written when something is remembered, changed or forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aetherd.core.clock import Clock, stamp
from aetherd.core.ids import new_id
from aetherd.kernel.memory import rows
from aetherd.kernel.memory.events import MemoryForgotten, MemoryRemembered, MemoryUpdated
from aetherd.kernel.memory.models import Remember
from aetherd.kernel.memory.rows import Record
from aetherd.kernel.memory.scopes import Place, Scopes
from aetherd.kernel.memory.sharing import share
from aetherd.kernel.memory.vectors import Vectors
from aetherd.operations.operation import Call
from aetherd.store import Tx


class Keeper:
    """Writes memories inside a transaction, and has what they say embedded."""

    def __init__(self, clock: Clock, vectors: Vectors | None) -> None:
        self._clock, self._vectors = clock, vectors

    def now(self) -> str:
        """Return the wire form of now."""
        return stamp(self._clock.now())

    def keep(self, tx: Tx, input: Remember, place: Place, call: Call) -> Record:
        """Store a new one."""
        author = place.key if place.namespace == "agent" else call.agent
        row: Record = {
            "id": new_id("memory"),
            "content": input.content,
            "layer": input.layer,
            "namespace": place.namespace,
            "tags": rows.packed(input.tags),
            "scope": place.scope,
            "importance": input.importance,
            "agent": author,
            "user": call.user,
            "org": call.org,
            "created_at": self.now(),
            "created_by": call.actor,
            "updated_at": None,
            "place": place.key if place.namespace in ("team", "workspace") else None,
            "origin": None,
            "journal": None,
        }
        seq = rows.insert(tx.cursor, row)
        tx.emit(
            MemoryRemembered(agent=author, pid=call.pid, memory=row["id"], namespace=place.namespace, layer=input.layer)
        )
        self._says(tx, seq)
        return row

    def change(self, tx: Tx, key: str, values: Mapping[str, Any], call: Call) -> Record:
        """Change what differs; returns the memory as it is now."""
        row = rows.living(tx.cursor, key)
        changed = {name: value for name, value in values.items() if row[name] != value}
        if not changed:
            return row
        fields = list(changed)
        changed["updated_at"] = self.now()
        rows.change(tx.cursor, row["seq"], changed)
        tx.emit(MemoryUpdated(agent=row["agent"], pid=call.pid, memory=key, namespace=row["namespace"], fields=fields))
        if "content" in changed:
            self._says(tx, row["seq"])
        return row | changed

    def share(self, tx: Tx, key: str, place: Place, scopes: Scopes, call: Call) -> Record:
        """Let others see one; returns what is there now."""
        row = share(tx, key, place, scopes, call, self.now())
        self._says(tx, row["seq"])
        return row

    def forget(self, tx: Tx, key: str, call: Call) -> None:
        """Remove one, and what was merged into it."""
        row = rows.find(tx.cursor, key)  # else it was forgotten by another call meanwhile
        for table in ("memory", "memory_merged"):
            tx.cursor.execute(f"DELETE FROM {table} WHERE id = ?", (key,))
        tx.cursor.execute("DELETE FROM memory_merged WHERE merged_into = ?", (key,))
        tx.emit(MemoryForgotten(agent=row["agent"], pid=call.pid, memory=key, namespace=row["namespace"]))

    def _says(self, tx: Tx, seq: int) -> None:
        if self._vectors is not None:
            self._vectors.wrote(tx, seq)
