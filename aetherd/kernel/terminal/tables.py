"""Rows of the terminal room."""

from __future__ import annotations

from sqlmodel import Field, SQLModel


class TerminalRow(SQLModel, table=True):
    """A terminal somebody opened beside a process; a process's own screen has no row."""

    __tablename__ = "terminal"

    id: str = Field(primary_key=True)  # also the name of its directory and of its process tree
    pid: int = Field(index=True)
    agent: str = Field(index=True)
    parent: str | None = None  # the agent that spawned that one
    user: str
    org: str
    title: str
    rows: int
    cols: int
    created_at: str
    ended_at: str | None = Field(default=None, index=True)
    exit_code: int | None = None
