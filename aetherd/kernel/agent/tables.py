"""Rows of the agent room."""

from __future__ import annotations

from sqlalchemy import Text
from sqlmodel import Field, SQLModel


class AgentRow(SQLModel, table=True):
    """An identity; a removed one stays as a row so that its id, name and uid are never given to another."""

    __tablename__ = "agent"

    id: str = Field(primary_key=True)
    name: str = Field(index=True)
    role: str | None = None
    description: str | None = Field(default=None, sa_type=Text)
    template: str | None = None
    agent: str  # itself: every owned row has agent, user, org
    user: str
    org: str
    parent: str | None = None
    uid: int | None = None
    created_at: str
    archived_at: str | None = None
    removed_at: str | None = None
