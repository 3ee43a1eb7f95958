"""Rows of the process room."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Text, text
from sqlmodel import Field, SQLModel


class ProcessRow(SQLModel, table=True):
    """One run of an agent; `pid` is a counter that is never reused."""

    __tablename__ = "process"
    __table_args__ = (
        Index("ix_process_limited", "limited_until", sqlite_where=text("limited_until IS NOT NULL")),
        {"sqlite_autoincrement": True},
    )

    pid: int | None = Field(default=None, primary_key=True)
    agent: str = Field(index=True)
    user: str
    org: str
    parent_agent: str | None = None
    name: str
    role: str | None = None
    runtime: str
    goal: str | None = Field(default=None, sa_type=Text)
    context: str = Field(default="", sa_type=Text)
    argv: str = "[]"  # JSON
    cwd: str
    limits: str = "{}"  # JSON
    secret: str  # names the 0600 file that holds its environment and token
    toolset: str
    priority: int = 0
    parent: int | None = None
    rows: int
    cols: int
    model: str | None = None
    template: str | None = None

    state: str = Field(index=True)
    phase: str | None = None
    phase_source: str | None = None
    phase_at: str | None = None
    reason: str | None = None
    incarnation: int = 0
    want: str = "headless"  # the mode it shall be in; differs from the incarnation's during a hand-over
    step: str | None = None  # where a hand-over is
    turn: bool = False  # the model is at work
    waiting: int = 0  # questions to a person that are open and that hold it up

    limited_at: str | None = None  # since when it waits for a usage limit; until it got something done again
    limited_until: str | None = None  # when it is told to go on; None: it is at work, or may be
    limited_told: str | None = None  # when the limit lifts, as the runtime was told
    limited_times: int = 0  # how often in a row it was hit

    uid: int | None = None
    tier: str = "host"
    sandbox: str = Field(default="{}", sa_type=Text)  # JSON of what was wished for
    resumes: bool = False  # started on the agent's last conversation
    session: str | None = None
    model_seen: str | None = None
    permission_mode: str | None = None
    tools_connected: bool | None = None

    created_at: str
    started_at: str | None = None
    exited_at: str | None = None
    exit_code: int | None = None
    exit_signal: int | None = None
    ended_by: str | None = None
    outcome: str = "running"
    result: str = Field(default="", sa_type=Text)
    error: str | None = Field(default=None, sa_type=Text)
    oom_kills: int = 0  # programs of it that the kernel killed for memory, as far as they were told of
    cost_usd: float = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    metered: bool = False  # cost and tokens are the gateway's figures; else the runtime's own
    claimed_usd: float = 0  # what the runtime itself tells
    claimed_tokens: int = Field(default=0, sa_type=BigInteger)
    budget_nano: int | None = Field(default=None, sa_type=BigInteger)  # nanodollars
    tool_calls: int = 0


class IncarnationRow(SQLModel, table=True):
    """One runtime process of a process: one shim, its output from offset 0."""

    __tablename__ = "process_incarnation"

    pid: int = Field(primary_key=True)
    number: int = Field(primary_key=True)
    mode: str
    stdio: str
    os_pid: int | None = None
    start_time: int | None = None
    boot_id: str | None = None
    offset: int = 0  # output decoded and committed
    frame: int = 0  # last input frame given to the shim
    decoder: str | None = Field(default=None, sa_type=Text)  # JSON
    resumed: bool = False
    started_at: str
    ended_at: str | None = None
    code: int | None = None
    signal: int | None = None


class InputRow(SQLModel, table=True):
    """Something to tell a runtime, at most once."""

    __tablename__ = "process_input"

    id: str = Field(primary_key=True)
    pid: int = Field(index=True)
    kind: str  # say, interrupt, answer
    text: str = Field(default="", sa_type=Text)  # what to say, or JSON of the answer
    priority: str = "next"
    by: str
    key: str | None = Field(default=None, unique=True)  # makes a delivery idempotent
    state: str = Field(index=True)  # queued, sending, sent, delivered, failed
    incarnation: int | None = None
    frame: int | None = None
    created_at: str
