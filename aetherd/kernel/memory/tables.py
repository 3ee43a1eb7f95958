"""Rows of the memory room. Their full-text index `memory_fts` is kept by triggers, see the migration 0002."""

from __future__ import annotations

from sqlalchemy import Text
from sqlmodel import Field, SQLModel


class MemoryRow(SQLModel, table=True):
    """One memory; `content`, `tags` and `scope` are indexed for full text."""

    __tablename__ = "memory"
    __table_args__ = {"sqlite_autoincrement": True}

    seq: int | None = Field(default=None, primary_key=True)  # the index's rowid: newest is highest
    id: str = Field(unique=True)
    content: str = Field(sa_type=Text)
    layer: str
    namespace: str  # agent, global
    tags: str = Field(sa_type=Text)  # JSON list
    scope: str  # one word that finds an agent's private memories in the index; empty for shared ones
    importance: float
    agent: str | None = Field(default=None, index=True)  # whose it is; None: a person's
    user: str
    org: str
    created_at: str
    created_by: str
