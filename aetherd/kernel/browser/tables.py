"""Rows of the browser room."""

from __future__ import annotations

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel


class BrowserRow(SQLModel, table=True):
    """A browser that was started beside a process; an agent has one profile, so at most one of its browsers lives."""

    __tablename__ = "browser"
    __table_args__ = (Index("ix_browser_living", "agent", unique=True, sqlite_where=text("ended_at IS NULL")),)

    id: str = Field(primary_key=True)  # also the name of its shim's directory and of its process tree
    pid: int = Field(index=True)
    agent: str
    parent: str | None = None  # the agent that spawned that one
    user: str
    org: str
    headless: bool
    tab: str | None = None  # the one that was used last
    created_at: str
    ended_at: str | None = None
    reason: str | None = None  # why it ended
