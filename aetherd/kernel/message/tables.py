"""Rows of the message room. The partial index is what waits for whom, in the order of sending."""

from __future__ import annotations

from sqlalchemy import Index, Text, text
from sqlmodel import Field, SQLModel


class MessageRow(SQLModel, table=True):
    """One message; `agent` is its sender, None a person or the house."""

    __tablename__ = "message"
    __table_args__ = (
        Index("ix_message_waiting", "recipient", "seq", sqlite_where=text("state = 'queued'")),
        {"sqlite_autoincrement": True},
    )

    seq: int | None = Field(default=None, primary_key=True)  # the order of sending
    id: str = Field(unique=True)
    thread: str = Field(index=True)
    correlation: str | None = None  # a request and all that answers it
    reply_to: str | None = None
    agent: str | None = Field(default=None, index=True)
    sender_name: str
    recipient: str | None = Field(default=None, index=True)  # agent id; None: the person
    recipient_name: str
    kind: str
    priority: str
    state: str = Field(index=True)
    pid: int | None = None  # the process whose runtime is told it, or was
    text: str = Field(sa_type=Text)
    data: str | None = Field(default=None, sa_type=Text)  # JSON, checked by its kind
    user: str
    org: str
    created_at: str
    created_by: str
    delivered_at: str | None = None
    read_at: str | None = None
    acked_at: str | None = None
    failed_at: str | None = None
    failed_reason: str | None = None
