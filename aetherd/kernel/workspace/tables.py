"""Rows of the workspace room."""

from __future__ import annotations

from sqlalchemy import Text
from sqlmodel import Field, SQLModel


class WorkspaceRow(SQLModel, table=True):
    """A shared directory; a removed one stays as a row so that its id and gid are never given to another."""

    __tablename__ = "workspace"

    id: str = Field(primary_key=True)
    name: str = Field(index=True)
    description: str | None = Field(default=None, sa_type=Text)
    agent: str | None = None  # who made it; None: a person
    user: str
    org: str
    gid: int | None = None  # the group that writes there, and the uid a person acts as; None without root
    seen_ns: int = 0  # newest change time of a file that was recorded
    created_at: str
    created_by: str
    removed_at: str | None = None


class MountRow(SQLModel, table=True):
    """An agent that has a workspace."""

    __tablename__ = "workspace_mount"

    workspace: str = Field(primary_key=True)
    agent: str = Field(primary_key=True, index=True)
    name: str  # the agent's, as it was called then
    mode: str  # rw, ro
    uid: int | None = None  # whose files are the agent's
    created_at: str
    created_by: str


class ReservationRow(SQLModel, table=True):
    """A path that somebody keeps others off; gone when it ends."""

    __tablename__ = "workspace_reservation"

    id: str = Field(primary_key=True)
    workspace: str = Field(index=True)
    path: str
    tree: bool  # with everything beneath
    mode: str  # exclusive, shared
    agent: str | None = None
    holder: str  # the agent's name, or the person
    pid: int | None = Field(default=None, index=True)
    reason: str = Field(sa_type=Text)
    began_ns: int
    created_at: str
    expires_at: str


class ChangeRow(SQLModel, table=True):
    """A file that changed."""

    __tablename__ = "workspace_change"
    __table_args__ = {"sqlite_autoincrement": True}

    seq: int | None = Field(default=None, primary_key=True)
    workspace: str = Field(index=True)
    path: str = Field(sa_type=Text)
    kind: str  # created, modified, removed
    agent: str | None = None
    by: str | None = None  # name of who did it; None: not known
    maybe: str = Field(default="[]", sa_type=Text)  # JSON: names of those it may have been
    via: str  # fs: through fs.*; seen: found in the directory
    at: str


class ConflictRow(SQLModel, table=True):
    """A write past a reservation."""

    __tablename__ = "workspace_conflict"
    __table_args__ = {"sqlite_autoincrement": True}

    seq: int | None = Field(default=None, primary_key=True)
    workspace: str = Field(index=True)
    reservation: str
    path: str = Field(sa_type=Text)
    kind: str
    holder: str
    holder_agent: str | None = None
    by: str | None = None
    by_agent: str | None = None
    maybe: str = Field(default="[]", sa_type=Text)
    reason: str = Field(sa_type=Text)  # why it was reserved
    count: int = 1
    first_at: str
    at: str
