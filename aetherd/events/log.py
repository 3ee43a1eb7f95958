"""The append-only event log: rows written by the writer thread, pages read by id, retention by id range."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Index, Text, text
from sqlmodel import Field, Session, SQLModel

from aetherd.core.clock import Clock, SystemClock, stamp
from aetherd.core.context import Origin
from aetherd.events.event import Event

CHUNK = 5000


class EventRow(SQLModel, table=True):
    """One event; `body` is the wire JSON after its id, written once and sent as it is."""

    __tablename__ = "event"
    __table_args__ = (
        Index("ix_event_tool_call", "agent", "id", sqlite_where=text("type = 'agent.tool_call'")),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True)
    type: str = Field(index=False)
    pid: int | None = Field(default=None, index=True)
    agent: str | None = Field(default=None, index=True)
    user: str
    org: str
    body: str = Field(sa_type=Text)


@dataclass(frozen=True, slots=True)
class Logged:
    """A committed event: what is needed to route it, and its finished text."""

    id: int
    type: str
    pid: int | None
    agent: str | None
    user: str
    org: str
    body: str
    event: Event | None = None  # None when it was read back from the log

    @property
    def json(self) -> str:
        """The wire form."""
        return f'{{"id":{self.id},{self.body}'


class EventLog:
    """How events become rows, and rows pages."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    def record(self, cursor: sqlite3.Cursor, event: Event, origin: Origin) -> Logged:
        """Insert one event; runs on the writer thread."""
        head = json.dumps(
            {
                "type": event.type,
                "at": stamp(self._clock.now()),
                "actor": origin.actor,
                "call": origin.call,
                "pid": event.pid,
                "agent": event.agent,
            },
            separators=(",", ":"),
        )
        body = f'{head[1:-1]},"data":{event.data()}}}'
        cursor.execute(
            "INSERT INTO event (type, pid, agent, user, org, body) VALUES (?, ?, ?, ?, ?, ?)",
            (event.type, event.pid, event.agent, origin.user, origin.org, body),
        )
        assert cursor.lastrowid is not None
        return Logged(cursor.lastrowid, event.type, event.pid, event.agent, origin.user, origin.org, body, event)

    @staticmethod
    def page(
        session: Session,
        *,
        after: int,
        until: int,
        limit: int = 500,
        types: Sequence[str] = (),
        pid: int | None = None,
        agent: str | None = None,
    ) -> list[Logged]:
        """Return events with after < id <= until, oldest first."""
        sql = "SELECT id, type, pid, agent, user, org, body FROM event WHERE id > :after AND id <= :until"
        values: dict[str, Any] = {"after": after, "until": until, "limit": limit}
        if pid is not None:
            sql += " AND pid = :pid"
            values["pid"] = pid
        if agent is not None:
            sql += " AND agent = :agent"
            values["agent"] = agent
        if types:
            names = {f"type{i}": name for i, name in enumerate(types)}
            sql += f" AND type IN ({','.join(':' + key for key in names)})"
            values |= names
        rows = session.connection().execute(text(sql + " ORDER BY id LIMIT :limit"), values)
        return [Logged(*row) for row in rows]

    @staticmethod
    def forget(cursor: sqlite3.Cursor, keep: int) -> int:
        """Remove at most one chunk of the oldest events beyond `keep`; returns how many went."""
        return cursor.execute(
            "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE id <= "
            "(SELECT seq FROM sqlite_sequence WHERE name = 'event') - ? ORDER BY id LIMIT ?)",
            (keep, CHUNK),
        ).rowcount

    @staticmethod
    def bounds(session: Session) -> tuple[int, int]:
        """Return the oldest and the newest id; (1, 0) when empty. Ids are never reused."""
        row = (
            session.connection()
            .execute(text("SELECT (SELECT min(id) FROM event), (SELECT seq FROM sqlite_sequence WHERE name = 'event')"))
            .one()
        )
        newest = int(row[1] or 0)
        return int(row[0] or newest + 1), newest
