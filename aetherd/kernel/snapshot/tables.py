"""Rows of the snapshot room."""

from __future__ import annotations

from sqlalchemy import Text
from sqlmodel import Field, SQLModel


class SnapshotRow(SQLModel, table=True):
    """An agent as it was: `digest` is of its manifest, which names everything else."""

    __tablename__ = "snapshot"

    id: str = Field(primary_key=True)
    agent: str = Field(index=True)
    agent_name: str
    user: str
    org: str
    parent_agent: str | None = None
    name: str | None = None
    kind: str  # manual, auto, safety
    state: str = Field(index=True)  # creating, ready
    pid: int | None = None  # the process it was taken of, when one lived or had lived
    runtime: str | None = None
    session: str | None = None
    event: int = 0  # id of the newest event when it was taken
    digest: str = ""
    files: int = 0
    bytes: int = 0
    stored: int = 0  # bytes it added to the store
    frozen_ms: float = 0
    created_at: str
    created_by: str


class RestoreRow(SQLModel, table=True):
    """Files that are being brought back: what is written here tells a later daemon which state is whole."""

    __tablename__ = "snapshot_restore"

    id: str = Field(primary_key=True)
    snapshot: str
    agent: str = Field(index=True)
    fork: bool  # the agent was made for it
    places: str = Field(sa_type=Text)  # JSON: [directory, where the new one was built, inode of the new one]
    done: bool = False  # the new state holds; without it the old one does
    created_at: str
