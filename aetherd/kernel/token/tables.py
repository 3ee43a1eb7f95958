"""Rows of the token room."""

from __future__ import annotations

from sqlmodel import Field, SQLModel


class TokenRow(SQLModel, table=True):
    """A credential, hashed at rest."""

    __tablename__ = "token"

    id: str = Field(primary_key=True)
    kind: str = Field(index=True)  # owner, api, process, session, login
    name: str
    digest: str = Field(unique=True)  # SHA-256 of the secret: it has 256 random bits, so no slow hash is needed
    scopes: str  # space separated
    toolset: str
    agent: str | None = Field(default=None, index=True)
    pid: int | None = Field(default=None, index=True)
    user: str
    org: str
    created_at: str
    expires_at: str | None = None
    revoked_at: str | None = None
    created_by: str
