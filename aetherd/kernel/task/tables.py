"""Rows of the task room. The partial indexes are what makes a claim and a sweep look at one row each."""

from __future__ import annotations

from sqlalchemy import Index, Text, text
from sqlmodel import Field, SQLModel


class TaskRow(SQLModel, table=True):
    """One task; `agent` made it, None a person. Empty texts stand for nobody, so that indexes find them."""

    __tablename__ = "task"
    __table_args__ = (
        Index("ix_task_next", "user", "org", "queue", "assignee", "rank", "seq", sqlite_where=text("state = 'queued'")),
        Index("ix_task_due", "due", sqlite_where=text("state IN ('claimed', 'delayed')")),
        Index("ix_task_open", "user", "org", sqlite_where=text("ended_at IS NULL")),
        Index("ix_task_holder", "holder_pid", sqlite_where=text("state = 'claimed'")),
        Index("ix_task_done", "holder_agent", "queue", sqlite_where=text("state = 'done'")),
        {"sqlite_autoincrement": True},
    )

    seq: int | None = Field(default=None, primary_key=True)  # the order of making
    id: str = Field(unique=True)
    parent: str | None = Field(default=None, index=True)  # the task it is a part of
    title: str
    text: str = Field(sa_type=Text)
    data: str | None = Field(default=None, sa_type=Text)  # JSON, opaque to us
    queue: str
    rank: int  # minus the priority: one ascending index gives the order
    state: str
    blocked: int = 0  # tasks it waits for that are not done
    attempt: int = 0
    max_attempts: int
    backoff_s: float
    due: str | None = None  # when the lease ends, or when it is tried again
    assignee: str = ""  # the only agent that may claim it
    assignee_name: str = ""
    runner: int | None = Field(default=None, index=True)  # pid of the process that was spawned for it
    delegator: str = ""  # who is told how it goes: an agent id, or `owner`
    delegator_name: str = ""
    holder: str = ""  # actor who claimed it last; kept when the lease ran out
    holder_agent: str | None = None
    holder_pid: int | None = None
    lease: str = ""
    result: str | None = Field(default=None, sa_type=Text)
    error: str | None = Field(default=None, sa_type=Text)
    agent: str | None = Field(default=None, index=True)
    user: str
    org: str
    created_at: str
    created_by: str
    claimed_at: str | None = None
    ended_at: str | None = None


class DependencyRow(SQLModel, table=True):
    """One task waits for another."""

    __tablename__ = "task_dependency"

    task: str = Field(primary_key=True)
    needs: str = Field(primary_key=True, index=True)
