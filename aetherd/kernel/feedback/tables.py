"""Rows of the feedback room."""

from __future__ import annotations

from sqlalchemy import Text
from sqlmodel import Field, SQLModel


class FeedbackRow(SQLModel, table=True):
    """One person's word on a run or a step."""

    __tablename__ = "feedback"
    __table_args__ = {"sqlite_autoincrement": True}

    seq: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True)
    pid: int = Field(index=True)
    step: int | None = None
    verdict: str
    comment: str = Field(sa_type=Text)
    about: str = Field(sa_type=Text)
    agent: str = Field(index=True)
    user: str
    org: str
    created_at: str
    created_by: str
