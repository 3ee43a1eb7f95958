"""Rows of the flow room."""

from __future__ import annotations

from sqlalchemy import Index, Text, text
from sqlmodel import Field, SQLModel


class FlowRow(SQLModel, table=True):
    """One run of a flow; `agent` started it, None a person."""

    __tablename__ = "flow"
    __table_args__ = (
        Index("ix_flow_open", "user", "org", sqlite_where=text("ended_at IS NULL")),
        {"sqlite_autoincrement": True},
    )

    seq: int | None = Field(default=None, primary_key=True)  # the order of starting
    id: str = Field(unique=True)
    name: str
    state: str
    definition: str = Field(sa_type=Text)  # JSON, as it was checked
    inputs: str = Field(sa_type=Text)  # JSON
    outputs: str | None = Field(default=None, sa_type=Text)  # JSON
    error: str | None = Field(default=None, sa_type=Text)
    budget: float | None = None
    cost_usd: float = 0  # once it has ended
    caller: str = Field(sa_type=Text)  # JSON: as whom its steps act
    agent: str | None = Field(default=None, index=True)
    user: str
    org: str
    created_at: str
    created_by: str
    ended_at: str | None = None


class StepRow(SQLModel, table=True):
    """What is known of one step; a step that was not begun has no row."""

    __tablename__ = "flow_step"

    flow: str = Field(primary_key=True)
    path: str = Field(primary_key=True)  # the names that lead to it: `each/3/check`
    seq: int  # the order of beginning
    kind: str
    state: str
    attempt: int = 1
    pid: int | None = None  # the process of this attempt
    approval: str | None = None  # the question that waits for a person
    due: str | None = None  # when it is tried again
    output: str | None = Field(default=None, sa_type=Text)  # JSON
    error: str | None = Field(default=None, sa_type=Text)
    cost_usd: float = 0
    started_at: str
    ended_at: str | None = None
    max_workers: int | None = None  # bounds on what its process may start
    max_depth: int | None = None
    budget: float | None = None


class FlowProcessRow(SQLModel, table=True):
    """A process that a step started, or that such a process started."""

    __tablename__ = "flow_process"
    __table_args__ = (
        Index("ix_flow_process_step", "flow", "step"),
        Index("ix_flow_process_wish", "wish", sqlite_where=text("wish != '' AND gone = 0")),
    )

    pid: int = Field(primary_key=True)
    flow: str = Field(primary_key=True)
    step: str = Field(primary_key=True)
    depth: int  # 0: the step's own
    reserved: float = 0  # USD it may cost
    wish: str = ""  # what shall become of it: `stop`, or `release` once it rests
    gone: bool = False
