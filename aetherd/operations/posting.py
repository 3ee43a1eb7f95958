"""How rooms send messages: inside a transaction of their own."""

from __future__ import annotations

from typing import Any, Protocol

from aetherd.store import Tx

OWNER = "owner"  # the person, as a party to messages
HOUSE = "aetherd"  # the daemon itself


class Posting(Protocol):
    """The part of the message room that others write through."""

    def post_in(
        self,
        tx: Tx,
        *,
        sender: tuple[str | None, str],
        to: tuple[str | None, str],
        text: str,
        kind: str,
        data: dict[str, Any],
        user: str,
        org: str,
    ) -> str:
        """Send inside the caller's transaction; parties are agent id (None: the person) and name. Returns its id."""
        ...
