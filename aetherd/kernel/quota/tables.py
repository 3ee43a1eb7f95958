"""Rows of the quota room."""

from __future__ import annotations

from sqlalchemy import Text
from sqlmodel import Field, SQLModel

EVERY = ""  # as agent: every agent of the user


class QuotaRow(SQLModel, table=True):
    """What a user's agent, or every one of them, may use."""

    __tablename__ = "quota"

    user: str = Field(primary_key=True)
    org: str = Field(primary_key=True)
    agent: str = Field(primary_key=True)
    limits: str = Field(sa_type=Text)  # JSON of QuotaLimits
    updated_at: str
    updated_by: str
