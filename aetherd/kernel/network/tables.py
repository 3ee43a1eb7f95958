"""Rows of the network room."""

from __future__ import annotations

from sqlalchemy import Index, Text
from sqlmodel import Field, SQLModel


class PolicyRow(SQLModel, table=True):
    """What an agent may reach."""

    __tablename__ = "network_policy"

    agent: str = Field(primary_key=True)
    user: str
    org: str
    mode: str
    rules: str = Field(sa_type=Text)  # JSON list of their texts
    updated_at: str
    updated_by: str


class RequestRow(SQLModel, table=True):
    """One request, as it was decided."""

    __tablename__ = "network_request"
    __table_args__ = (Index("ix_network_request_agent", "agent", "seq"),)

    seq: int | None = Field(default=None, primary_key=True)
    pid: int | None
    agent: str
    user: str
    org: str
    at: str
    allowed: bool
    method: str
    host: str
    port: int
    path: str | None
    address: str | None
    reason: str | None
    rule: str | None
