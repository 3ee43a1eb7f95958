"""Rows as plain dicts, for rooms whose hot paths the ORM would make several times as dear."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlmodel import Session


def fetch(cursor: sqlite3.Cursor) -> list[dict[str, Any]]:
    """Return all that a statement gives, by column name."""
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def bare(session: Session) -> sqlite3.Cursor:
    """Return a cursor on a reader's bare connection."""
    connection = session.connection().connection.dbapi_connection
    assert isinstance(connection, sqlite3.Connection)
    return connection.cursor()
