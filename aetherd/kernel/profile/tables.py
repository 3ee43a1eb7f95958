"""Rows of the profile room."""

from __future__ import annotations

from sqlalchemy import Text
from sqlmodel import Field, SQLModel


class ProfileRow(SQLModel, table=True):
    """What people wrote of an agent; all else is counted when somebody asks."""

    __tablename__ = "profile"

    agent: str = Field(primary_key=True)
    user: str
    org: str
    notes: str = Field(sa_type=Text)
    expertise: str = Field(sa_type=Text)  # JSON list
    updated_at: str
    updated_by: str
