"""Rows of the approval room."""

from __future__ import annotations

from sqlalchemy import Text
from sqlmodel import Field, SQLModel


class ApprovalRow(SQLModel, table=True):
    """One question to a person."""

    __tablename__ = "approval"

    id: str = Field(primary_key=True)
    pid: int | None = Field(default=None, index=True)
    agent: str | None = Field(default=None, index=True)
    user: str
    org: str
    state: str = Field(index=True)
    kind: str  # permission, operation, request
    title: str
    tool: str | None = None
    input: str = Field(default="{}", sa_type=Text)  # JSON as shown
    request: str | None = Field(default=None, index=True)  # the runtime's own id, "incarnation/id"
    stored: str | None = Field(default=None, sa_type=Text)  # JSON: the call to run when allowed
    began: bool = False  # the stored call was begun; it is never begun twice
    result: str | None = Field(default=None, sa_type=Text)
    error: str | None = Field(default=None, sa_type=Text)
    origin: str = "[]"  # JSON
    decision: str | None = None
    decided_by: str | None = None
    decided_via: str | None = None  # the face, or how the client asked
    reason: str | None = None
    rule: str | None = None
    created_at: str
    decided_at: str | None = None
    expires_at: str


class ApprovalRuleRow(SQLModel, table=True):
    """An answer given in advance."""

    __tablename__ = "approval_rule"

    id: str = Field(primary_key=True)
    agent: str | None = Field(default=None, index=True)
    pid: int | None = Field(default=None, index=True)  # only for this run
    user: str
    org: str
    pattern: str
    until: str | None = None
    made_by: str
    created_at: str
