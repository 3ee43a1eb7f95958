"""Rows of the reflection room."""

from __future__ import annotations

from sqlalchemy import Text
from sqlmodel import Field, SQLModel


class ReflectionRow(SQLModel, table=True):
    """What was learnt from a run; it never changes."""

    __tablename__ = "reflection"
    __table_args__ = {"sqlite_autoincrement": True}

    seq: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True)
    pid: int = Field(index=True)
    rating: int
    lessons: str = Field(sa_type=Text)  # JSON list
    differently: str | None = Field(default=None, sa_type=Text)
    skill: str | None = Field(default=None, sa_type=Text)
    memory: str
    agent: str = Field(index=True)
    user: str
    org: str
    created_at: str
    created_by: str
