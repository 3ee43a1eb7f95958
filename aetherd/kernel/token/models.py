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
    audience: Literal["house", "mcp", "api"] = Field(
        default="house", description="where it is taken: everywhere, only over MCP, or everywhere but MCP"
    )
    confirm: bool = Field(
        default=False,
        description="ask a person before it destroys anything: in its MCP client where that can ask, else in the inbox",
    )
    expires_in_s: float | None = Field(
        default=90 * 86_400,
        gt=0,
        le=100 * 366 * 86_400,
        description="seconds until it ends; null keeps it until revoked",
    )


class Token(Model):
    """A credential without its secret."""

    id: str
    name: str
    kind: Literal["owner", "api", "process", "session", "access", "refresh"]
    scopes: list[str]
    toolset: str
    audience: str  # house, mcp, api, or the address of /mcp it was granted for
    client: str | None  # the OAuth client it was granted to
    confirm: bool = Field(description="a person is asked before it destroys anything")
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


class ConsentRequest(Model):
    """What a client asks for, as it came."""

    request: str = Field(max_length=8192, description="the query of /authorize, as the client sent it")


class Consent(Model):
    """Who asks, for what, and where the answer goes."""

    client: str
    name: str  # what the client calls itself; anybody may call themselves anything
    redirect_host: str
    local: bool  # the answer goes to a program on this machine
    scopes: list[str]
    toolset: str
    audience: str


class ConsentDecision(ConsentRequest):
    """A person's answer to a client."""

    decision: Literal["allow", "deny"] = Field(description="what is answered")
    scopes: list[str] | None = Field(
        default=None, min_length=1, max_length=100, description="allow only these of those asked for; default all"
    )
    toolset: Literal["worker", "lead", "operator", "all"] = Field(
        default="operator", description="which tools the client is shown"
    )


class ConsentDecided(Model):
    """Where the browser goes now, to tell the client."""

    redirect: str
