"""Sharing: a private memory becomes others' too, or another agent gets a copy; what it was is never lost."""

from __future__ import annotations

import json

from aetherd.core.errors import Conflict, Invalid
from aetherd.core.ids import new_id
from aetherd.kernel.memory import rows
from aetherd.kernel.memory.events import MemoryShared
from aetherd.kernel.memory.journal import TAG
from aetherd.kernel.memory.models import MemoryShare
from aetherd.kernel.memory.rows import Record
from aetherd.kernel.memory.scopes import GLOBAL, Place, Scopes
from aetherd.operations.operation import Call
from aetherd.store import Tx


async def target(scopes: Scopes, input: MemoryShare, row: Record, call: Call) -> Place:
    """Return where a memory is to be seen."""
    to = await scopes.agent(input.to, call)
    if to is not None:
        return Place("agent", to)
    if input.namespace == "team" and (row["agent"] or call.agent) is None:
        raise Invalid("team: this memory is a person's; give it to an agent with `to`", field="namespace")
    return await scopes.place(input.namespace or "workspace", input.workspace, row["agent"], call)


def share(tx: Tx, key: str, place: Place, scopes: Scopes, call: Call, now: str) -> Record:
    """Widen a memory where its author goes on seeing it, else make a copy; returns what is there now."""
    row = rows.living(tx.cursor, key)
    if row["scope"] in ("", place.scope):
        raise Conflict(
            f"memory {key} is {'global' if not row['scope'] else 'there'} already", id=key, namespace=row["namespace"]
        )
    from_namespace, author = row["namespace"], row["agent"]
    tags = rows.packed([tag for tag in json.loads(row["tags"]) if row["journal"] is None or tag != TAG])
    moved = {
        "namespace": place.namespace,
        "place": place.key if place.namespace in ("team", "workspace") else None,
        "scope": place.scope,
        "tags": tags,
        "updated_at": now,
    }
    keeps = place == GLOBAL or author is None or scopes.sight(row["user"], row["org"], author).has(place.scope)
    if keeps and place.namespace != "agent" and (from_namespace == "agent" or place == GLOBAL):
        source = None
        rows.change(tx.cursor, row["seq"], {**moved, "journal": None})
        row |= {**moved, "journal": None}
    else:
        source = key
        given = place.key if place.namespace == "agent" else author
        row |= {
            **moved,
            "id": new_id("memory"),
            "agent": given,
            "origin": key,
            "created_by": call.actor,
            "journal": None,
        }
        row["seq"] = rows.insert(tx.cursor, {name: row[name] for name in rows.COLUMNS.split(", ")})
    tx.emit(
        MemoryShared(
            agent=row["agent"],
            pid=call.pid,
            memory=row["id"],
            namespace=place.namespace,
            from_namespace=from_namespace,
            source=source,
        )
    )
    return row
