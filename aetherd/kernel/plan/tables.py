"""Rows of the plan room."""

from __future__ import annotations

from sqlalchemy import Text
from sqlmodel import Field, SQLModel


class PlanRow(SQLModel, table=True):
    """The living plan of an agent: a new one takes the place of the old."""

    __tablename__ = "plan"

    agent: str = Field(primary_key=True)
    id: str = Field(unique=True)
    pid: int | None = None  # the process that wrote it last
    user: str
    org: str
    title: str
    steps: str = Field(sa_type=Text)  # JSON: the tree
    version: int
    created_at: str
    updated_at: str
