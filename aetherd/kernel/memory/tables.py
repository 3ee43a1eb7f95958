"""Rows of the memory room. Triggers keep the full-text index `memory_fts` and the vectors true to `memory`."""

from __future__ import annotations

from sqlalchemy import Index, Text
from sqlmodel import Field, SQLModel


class _Fields(SQLModel):
    """What is written of a memory, living or merged into another."""

    content: str = Field(sa_type=Text)
    layer: str
    namespace: str  # agent, team, workspace, global
    tags: str = Field(sa_type=Text)  # JSON list
    scope: str  # words that find its place in the index, see scopes.py; empty for global ones
    importance: float
    agent: str | None = Field(default=None, index=True)  # whose it is; None: a person's
    user: str
    org: str
    created_at: str
    created_by: str
    updated_at: str | None = None
    place: str | None = None  # the workspace, or the agent that leads the team
    origin: str | None = None  # the memory it was copied from


class MemoryRow(_Fields, table=True):
    """One memory; `content`, `tags` and `scope` are indexed for full text."""

    __tablename__ = "memory"
    __table_args__ = (
        Index("ix_memory_agent_journal", "agent", "journal"),
        Index("ux_memory_journal", "journal", unique=True),  # a run is told of once
        {"sqlite_autoincrement": True},
    )

    seq: int | None = Field(default=None, primary_key=True)  # the index's rowid: newest is highest
    id: str = Field(unique=True)
    journal: int | None = None  # pid of the run it tells of; None: remembered on purpose


class MergedRow(_Fields, table=True):
    """A memory that was merged into another: no longer found, still readable by its id."""

    __tablename__ = "memory_merged"

    id: str = Field(primary_key=True)
    merged_into: str = Field(index=True)
    merged_at: str
    merged_by: str


class VectorRow(SQLModel, table=True):
    """Where a memory stands in a model's space; float32, little-endian, of length 1."""

    __tablename__ = "memory_vector"

    seq: int = Field(primary_key=True)
    model: str
    vector: bytes
