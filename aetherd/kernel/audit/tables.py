"""Rows of the audit room."""

from __future__ import annotations

from sqlalchemy import Text
from sqlmodel import Field, SQLModel


class AuditRow(SQLModel, table=True):
    """Who did what through which face; written in the same transaction as the change."""

    __tablename__ = "audit"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, primary_key=True)
    at: str
    call: str = Field(index=True)
    actor: str = Field(index=True)
    agent: str | None = Field(default=None, index=True)
    pid: int | None = None
    user: str
    org: str
    face: str
    operation: str = Field(index=True)
    effect: str | None = None
    subject: str | None = None
    input: str = Field(sa_type=Text)  # JSON, secrets hidden, long texts as their length
    outcome: str  # ok, refused, failed, open
    code: str | None = None
    approval: str | None = None
    ms: float | None = None
