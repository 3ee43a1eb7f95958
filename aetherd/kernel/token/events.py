"""What happens to credentials."""

from __future__ import annotations

from typing import Literal

from aetherd.events import Event


class TokenCreated(Event):
    """A credential was made; its secret is nowhere in here."""

    type: Literal["token.created"] = "token.created"
    token: str
    name: str
    scopes: list[str]


class TokenRevoked(Event):
    """A credential ended."""

    type: Literal["token.revoked"] = "token.revoked"
    token: str
    name: str


EVENTS = (TokenCreated, TokenRevoked)
