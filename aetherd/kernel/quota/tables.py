"""Rows of the quota room."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Text, text
from sqlmodel import Field, SQLModel

EVERY = ""  # as agent: every agent of the user, each for itself
TOGETHER = "@together"  # as agent: all agents of the user together; with no user: all of the org


class QuotaRow(SQLModel, table=True):
    """What a user's agent, or every one of them, may use."""

    __tablename__ = "quota"

    user: str = Field(primary_key=True)
    org: str = Field(primary_key=True)
    agent: str = Field(primary_key=True)
    limits: str = Field(sa_type=Text)  # JSON of QuotaLimits
    updated_at: str
    updated_by: str


class CallRow(SQLModel, table=True):
    """One call to a model: a reservation, which settling completes. Money in nanodollars."""

    __tablename__ = "quota_call"
    __table_args__ = (
        Index("ix_quota_call_at", "user", "org", "at"),
        Index("ix_quota_call_open", "id", sqlite_where=text("outcome IS NULL")),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True)
    pid: int
    agent: str
    user: str
    org: str
    provider: str
    model: str
    at: str  # counts for the day and month (UTC) it was begun in
    most_nano: int | None = Field(default=None, sa_type=BigInteger)  # None: no known price
    most_tokens: int = Field(sa_type=BigInteger)
    outcome: str | None = None  # None: under way; lost: the daemon ended meanwhile
    settled_at: str | None = None
    model_seen: str | None = None
    input_tokens: int = Field(default=0, sa_type=BigInteger)
    output_tokens: int = Field(default=0, sa_type=BigInteger)
    cache_read_tokens: int = Field(default=0, sa_type=BigInteger)
    cache_write_tokens: int = Field(default=0, sa_type=BigInteger)
    nano: int | None = Field(default=None, sa_type=BigInteger)
    estimated: bool = False
    status: int | None = None
    first_byte_ms: float | None = None
    took_ms: float | None = None


class RunRow(SQLModel, table=True):
    """A run's own budget, and what its own calls came to."""

    __tablename__ = "quota_run"

    pid: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})  # below zero: a flow's account
    agent: str
    name: str  # of the agent
    user: str
    org: str
    parent: int | None = None  # the run that started it, whose budget it spends too
    budget_nano: int | None = Field(default=None, sa_type=BigInteger)
    tokens: int | None = Field(default=None, sa_type=BigInteger)
    steps: int | None = None
    calls: int = 0
    unpriced: int = 0  # calls without a known price
    estimated: int = 0  # calls that were counted by their upper bound
    nano: int = Field(default=0, sa_type=BigInteger)
    input_tokens: int = Field(default=0, sa_type=BigInteger)
    output_tokens: int = Field(default=0, sa_type=BigInteger)
    cache_read_tokens: int = Field(default=0, sa_type=BigInteger)
    cache_write_tokens: int = Field(default=0, sa_type=BigInteger)


class SpentRow(SQLModel, table=True):
    """What was spent and is set aside in one place: a run with all it started, or a day or month of somebody's."""

    __tablename__ = "quota_spent"
    __table_args__ = {"sqlite_with_rowid": False}  # one page less to write for each call

    kind: str = Field(primary_key=True)  # run, flow, agent, user, org
    of: str = Field(primary_key=True)
    period: str = Field(primary_key=True)  # "", 2026-11-20, 2026-11
    nano: int = Field(default=0, sa_type=BigInteger)
    tokens: int = Field(default=0, sa_type=BigInteger)
    reserved_nano: int = Field(default=0, sa_type=BigInteger)
    reserved_tokens: int = Field(default=0, sa_type=BigInteger)
    calls: int = 0


class ToldRow(SQLModel, table=True):
    """That somebody was told of a budget, once for each bound."""

    __tablename__ = "quota_told"

    kind: str = Field(primary_key=True)
    of: str = Field(primary_key=True)
    period: str = Field(primary_key=True)
    what: str = Field(primary_key=True)  # warned usd, exceeded tokens, …
    bound: int = Field(primary_key=True, sa_type=BigInteger)
