"""Rows of the template room."""

from __future__ import annotations

from sqlalchemy import Text, UniqueConstraint
from sqlmodel import Field, SQLModel


class TemplateRow(SQLModel, table=True):
    """A template of somebody's own; it never changes."""

    __tablename__ = "template"
    __table_args__ = (UniqueConstraint("org", "user", "name"), {"sqlite_autoincrement": True})

    seq: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True)
    name: str
    spec: str = Field(sa_type=Text)  # JSON
    forked_from: str | None = None
    agent: str | None = None  # nobody's: agents make none
    user: str
    org: str
    created_at: str
    created_by: str


class RatingRow(SQLModel, table=True):
    """One person's rating of one template."""

    __tablename__ = "template_rating"

    template: str = Field(primary_key=True)  # name of a built-in one, id of an own one
    org: str = Field(primary_key=True)
    user: str = Field(primary_key=True)
    rating: int
    at: str
