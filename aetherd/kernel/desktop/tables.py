"""Rows of the desktop room."""

from __future__ import annotations

from sqlmodel import Field, SQLModel


class DesktopRow(SQLModel, table=True):
    """A desktop beside a process; a process has one that lives, at most."""

    __tablename__ = "desktop"

    id: str = Field(primary_key=True)  # also the name of its directory and of its process tree
    pid: int = Field(index=True)
    agent: str = Field(index=True)
    parent: str | None = None  # the agent that spawned that one
    user: str
    org: str
    width: int
    height: int
    created_at: str
    ended_at: str | None = Field(default=None, index=True)
