"""What the token room takes and gives."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aetherd.core.model import Model, Page


class TokenCreate(Model):
    """A credential for a script, a client or a reader."""

    name: str = Field(min_length=1, max_length=100, description="what it is for")
    scopes: list[str] = Field(
        default=["*:read"],
        max_length=100,
        description="`room:read|write|admin`, `*:read`, `*:write` or `*`; never more than your own",
    )
    toolset: Literal["worker", "lead", "operator", "all"] = Field(
        default="operator", description="which tools it is shown over MCP"
    )
    expires_in_s: float | None = Field(
        default=90 * 86_400, gt=0, description="seconds until it ends; null keeps it until revoked"
    )


class Token(Model):
    """A credential without its secret."""

    id: str
    name: str
    kind: Literal["owner", "api", "process", "session"]
    scopes: list[str]
    toolset: str
    agent: str | None
    pid: int | None
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    created_by: str


class TokenMade(Token):
    """A new credential; the secret is shown this once."""

    secret: str


class TokenList(Page):
    """Which tokens."""

    revoked: bool = Field(default=False, description="also those revoked or expired")


class Tokens(Model):
    """A page of tokens."""

    tokens: list[Token]
    cursor: str | None = None


class TokenRef(Model):
    """Names one token."""

    id: str = Field(description="token id")
