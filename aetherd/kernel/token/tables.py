"""Rows of the token room."""

from __future__ import annotations

from sqlalchemy import Text
from sqlmodel import Field, SQLModel


class TokenRow(SQLModel, table=True):
    """A credential, hashed at rest."""

    __tablename__ = "token"

    id: str = Field(primary_key=True)
    kind: str = Field(index=True)  # owner, api, process, session, login; access and refresh of an OAuth client
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
    audience: str = "house"  # house, mcp, api, or the address of /mcp that an OAuth client named
    client: str | None = None  # the OAuth client it was granted to
    family: str | None = Field(default=None, index=True)  # one consent: its tokens end together
    confirm: bool = False  # it destroys nothing before a person has said yes
    tools: str | None = Field(default=None, sa_type=Text)  # space separated: the only operations it may use


class ClientRow(SQLModel, table=True):
    """An OAuth client, as it registered itself; it has no secret."""

    __tablename__ = "token_client"

    id: str = Field(primary_key=True)
    name: str
    redirects: str = Field(sa_type=Text)  # JSON list
    created_at: str
    allowed_at: str | None = None  # when a person last allowed it something


class CodeRow(SQLModel, table=True):
    """A code that a client exchanges once, hashed at rest; a used one stays a while, to tell a replay."""

    __tablename__ = "token_code"

    digest: str = Field(primary_key=True)
    client: str
    redirect: str = Field(sa_type=Text)
    challenge: str
    audience: str
    scopes: str
    toolset: str
    family: str
    user: str
    org: str
    expires_at: str
    used_at: str | None = None
