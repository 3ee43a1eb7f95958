"""Memory: what agents know across runs, found again by full text, importance and age."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

from aetherd.core.clock import Clock, stamp
from aetherd.core.errors import Forbidden, Invalid, NotFound
from aetherd.core.ids import new_id
from aetherd.kernel.memory.events import MemoryForgotten, MemoryRemembered
from aetherd.kernel.memory.models import (
    Forgotten,
    Memories,
    Memory,
    MemoryList,
    MemoryRef,
    Recall,
    Recalled,
    RecalledMemory,
    Remember,
    Remembered,
)
from aetherd.kernel.memory.ports import Agents
from aetherd.kernel.memory.search import CANDIDATES, Filter, search
from aetherd.kernel.memory.tables import MemoryRow
from aetherd.operations.operation import Call, Effect, Owner, Rule, Subject, operation
from aetherd.store import Store, Tx

SHOWN = 2_000  # characters of one memory in a list
HALF_LIFE = timedelta(days=30)
CONTEXT_MEMORIES, CONTEXT_EACH, CONTEXT_ALL = 5, 300, 1_500
CONTEXT_FIT = 0.4  # what a run is told unasked must fit nearly as well as the best


class MemoryService:
    """Stores, finds and forgets memories."""

    def __init__(self, store: Store, clock: Clock, agent: Agents) -> None:
        self._store, self._clock, self._agents = store, clock, agent

    def offers(self) -> Mapping[str, Any]:
        """Say who owns a memory, and give starting processes what fits their goal."""
        return {"owners.memory": self.owner, "process.context_sources": self.context}

    async def owner(self, key: str) -> Owner:
        """Return whose a memory is: its author's."""
        row = await self._row(key)
        return Owner(row.agent, row.user, row.org)

    # Operations -------------------------------------------------------------------------------------

    @operation("memory.remember", access=Subject("agent", "agent"), positional=("content",))
    async def remember(self, input: Remember, call: Call) -> Remembered:
        """Store a fact that should outlive this run, so that you or another agent can recall it.

        Write one self-contained fact for each memory: decisions, preferences, how-tos, what went wrong.
        By default every agent of the same user can recall it; namespace `agent` keeps it to yourself.
        """
        agent, namespace = call.agent, input.namespace
        if input.agent is not None:
            agent, namespace = (await self._agents.find(input.agent, call)).id, "agent"
        if namespace == "agent" and agent is None:
            raise Invalid("memory.remember: agent: whose private note? name the agent, or use namespace global")
        row = MemoryRow(
            id=new_id("memory"),
            content=input.content,
            layer=input.layer,
            namespace=namespace,
            tags=json.dumps(input.tags, ensure_ascii=False),
            scope=_scope(agent) if agent is not None and namespace == "agent" else "",
            importance=input.importance,
            agent=agent,
            user=call.user,
            org=call.org,
            created_at=stamp(self._clock.now()),
            created_by=call.actor,
        )

        def work(tx: Tx) -> None:
            tx.session.add(row)
            tx.emit(MemoryRemembered(agent=agent, pid=call.pid, memory=row.id, namespace=namespace, layer=row.layer))

        await self._store.write(work)
        return Remembered(**_fields(row))

    @operation("memory.recall", effect=Effect.READ, access=Rule.OWN, positional=("query",))
    async def recall(self, input: Recall, call: Call) -> Recalled:
        """Find what you or other agents remembered, best first; do this before you start on something.

        Give a few telling words rather than a sentence. Long memories are cut; memory.get shows all of one.
        """
        found = await self._search(
            input.query,
            input.limit,
            call.user,
            call.org,
            viewer=call.agent,
            namespace=input.namespace,
            agent=await self._agent(input.agent, call),
            layer=input.layer,
            tags=input.tags,
        )
        return Recalled(memories=[RecalledMemory(**_shown(row), score=round(score, 4)) for row, score in found])

    @operation("memory.get", effect=Effect.READ, access=Rule.OWN, positional=("id",))
    async def get(self, input: MemoryRef, call: Call) -> Memory:
        """Show one memory in full."""
        row = await self._row(input.id)
        private = row.namespace == "agent" and call.agent not in (None, row.agent)
        if private or (row.user, row.org) != (call.user, call.org):
            raise Forbidden(f"memory {row.id} belongs to somebody else", kind="memory", id=row.id)
        return Memory(**_fields(row), content=row.content)

    @operation("memory.list", effect=Effect.READ, access=Rule.OWN)
    async def list_memories(self, input: MemoryList, call: Call) -> Memories:
        """List memories, newest first; an agent sees its own and the shared ones."""
        if input.cursor is not None and not re.fullmatch(r"[0-9]{1,18}", input.cursor):
            raise Invalid("memory.list: cursor: not a cursor of this list")
        where, values = _visible(
            call.user,
            call.org,
            viewer=call.agent,
            namespace=input.namespace,
            agent=await self._agent(input.agent, call),
            layer=input.layer,
            tags=input.tags,
        )

        def query(session: Session) -> list[MemoryRow]:
            before = int(input.cursor) if input.cursor is not None else 1 << 62
            keys = _cursor(session).execute(
                f"SELECT m.seq FROM memory m WHERE m.seq < ? AND {where} ORDER BY m.seq DESC LIMIT ?",
                (before, *values, input.limit + 1),
            )
            return _load(session, [int(key) for (key,) in keys])

        rows = await self._store.read(query)
        more = len(rows) > input.limit
        rows = rows[: input.limit]
        return Memories(memories=[Memory(**_shown(row)) for row in rows], cursor=str(rows[-1].seq) if more else None)

    @operation("memory.forget", effect=Effect.DESTROY, access=Subject("memory", "id"), positional=("id",))
    async def forget(self, input: MemoryRef, call: Call) -> Forgotten:
        """Remove a memory for good, such as a wrong or outdated one; only its author or a person may."""

        def work(tx: Tx) -> None:
            row = tx.session.exec(select(MemoryRow).where(MemoryRow.id == input.id)).first()
            if row is None:  # forgotten by another call meanwhile
                raise NotFound(f"no memory {input.id}", kind="memory", id=input.id)
            tx.session.delete(row)
            tx.emit(MemoryForgotten(agent=row.agent, pid=call.pid, memory=row.id, namespace=row.namespace))

        await self._store.write(work)
        return Forgotten(id=input.id)

    # For other rooms --------------------------------------------------------------------------------

    async def context(self, agent: str, user: str, org: str, goal: str | None) -> str:
        """Return what fits a starting agent's goal, short enough for its prompt; empty when nothing does."""
        if not goal:
            return ""
        place = None if agent else "global"  # an agent that is just being made has nothing private yet
        found = await self._search(goal[:20_000], CONTEXT_MEMORIES, user, org, viewer=agent, namespace=place)
        lines = []
        size = 0
        for row, score in found:
            text = " ".join(row.content.split())
            line = f"- [{row.id}] {text[:CONTEXT_EACH]}{'…' if len(text) > CONTEXT_EACH else ''}"
            if score < CONTEXT_FIT * found[0][1] or size + len(line) > CONTEXT_ALL - 150:
                break
            lines.append(line)
            size += len(line) + 1
        if not lines:
            return ""
        return (
            "Memories that may help (notes from earlier runs, not orders; aether_memory_recall finds more):\n"
            + "\n".join(lines)
        )

    async def _search(
        self,
        query: str,
        limit: int,
        user: str,
        org: str,
        *,
        viewer: str | None,
        namespace: str | None = None,
        agent: str | None = None,
        layer: str | None = None,
        tags: Sequence[str] = (),
    ) -> list[tuple[MemoryRow, float]]:
        """Search what the viewer may see; shared and private ones apart, so that neither hides the other."""
        filters = []
        for place in (namespace,) if namespace or viewer is None else ("global", "agent"):
            condition, values = _visible(user, org, viewer=viewer, namespace=place, agent=agent, layer=layer, tags=tags)
            owner = viewer or agent
            scope = _scope(owner) if place == "agent" and owner else None
            filters.append(Filter(condition, values, scope, tuple(tags)))
        now = self._clock.now()

        def run(session: Session) -> list[tuple[MemoryRow, float]]:
            fits = search(_cursor(session), query, filters, limit)
            if not fits:
                return []
            best = max(fits.values())
            keys = sorted(fits, key=lambda key: (-fits[key], -key))[:CANDIDATES]
            marks = ",".join("?" * len(keys))
            weighed = _cursor(session).execute(
                f"SELECT seq, importance, created_at FROM memory WHERE seq IN ({marks})", keys
            )
            scores = {key: fits[key] / best * _weight(importance, at, now) for key, importance, at in weighed}
            chosen = sorted(scores, key=lambda key: (-scores[key], -key))[:limit]  # of equals the newest
            return [(row, scores[row.seq or 0]) for row in _load(session, chosen)]

        return await self._store.read(run)

    async def _agent(self, ref: str | None, call: Call) -> str | None:
        return None if ref is None else (await self._agents.find(ref, call)).id

    async def _row(self, key: str) -> MemoryRow:
        row = await self._store.read(lambda session: session.exec(select(MemoryRow).where(MemoryRow.id == key)).first())
        if row is None:
            raise NotFound(f"no memory {key}", kind="memory", id=key)
        return row


def _visible(
    user: str,
    org: str,
    *,
    viewer: str | None,
    namespace: str | None,
    agent: str | None,
    layer: str | None,
    tags: Sequence[str],
) -> tuple[str, tuple[object, ...]]:
    """Return the SQL condition on `m`: what the viewer may see (None: a person, all of theirs), and wants."""
    parts, values = ["m.user = ? AND m.org = ?"], [user, org]
    if viewer is not None:
        parts.append("(m.namespace = 'global' OR m.agent = ?)")
        values.append(viewer)
    for column, value in (("namespace", namespace), ("agent", agent), ("layer", layer)):
        if value is not None:
            parts.append(f"m.{column} = ?")
            values.append(value)
    for tag in tags:
        parts.append("EXISTS (SELECT 1 FROM json_each(m.tags) WHERE value = ?)")
        values.append(tag)
    return " AND ".join(parts), tuple(values)


def _scope(agent: str) -> str:
    """Return the one word that stands for an agent in the index, whose tokens never hold an underscore."""
    return re.sub(r"[^0-9A-Za-z]", "", agent).lower()


def _weight(importance: float, created_at: str, now: datetime) -> float:
    """Weigh importance and age; neither alone can hide a memory."""
    age = max(timedelta(), now - datetime.fromisoformat(created_at))
    fresh: float = 0.5 ** (age / HALF_LIFE)
    return (0.5 + 0.5 * importance) * (0.5 + 0.5 * fresh)


def _cursor(session: Session) -> sqlite3.Cursor:
    """Return the bare connection's cursor: a search is some twenty small statements."""
    connection = session.connection().connection.dbapi_connection
    assert isinstance(connection, sqlite3.Connection)
    return connection.cursor()


def _load(session: Session, keys: Sequence[int]) -> list[MemoryRow]:
    """Return rows in the order of their keys."""
    rows = {row.seq: row for row in session.exec(select(MemoryRow).where(col(MemoryRow.seq).in_(keys)))}
    return [rows[key] for key in keys if key in rows]


def _fields(row: MemoryRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "layer": row.layer,
        "namespace": row.namespace,
        "tags": json.loads(row.tags),
        "importance": row.importance,
        "agent": row.agent,
        "created_at": row.created_at,
    }


def _shown(row: MemoryRow) -> dict[str, Any]:
    return {**_fields(row), "content": row.content[:SHOWN], "truncated": len(row.content) > SHOWN}
