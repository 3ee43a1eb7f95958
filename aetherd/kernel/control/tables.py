"""Rows of the control room."""

from __future__ import annotations

from sqlmodel import Field, SQLModel


class LeaseRow(SQLModel, table=True):
    """Who holds the keyboard of a process; one row per process that was ever held."""

    __tablename__ = "control_lease"

    pid: int = Field(primary_key=True)
    agent: str
    user: str
    org: str
    holder: str | None = None
    step: str = "free"
    reason: str | None = None
    since: str | None = None
    expires_at: str | None = None
    requested: str | None = None
    interrupted: bool = False  # a turn was cut off by the takeover, so the agent is told to go on
