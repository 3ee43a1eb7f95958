"""One-time tickets for byte channels: in memory, so a restart ends them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from aetherd.core.clock import Clock
from aetherd.core.errors import Unauthenticated
from aetherd.operations.operation import Call

LIFE_S: Final = 60.0
MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class _Ticket:
    key: str
    call: Call
    ends: float


class Tickets:
    """The tickets of one `kind` of channel that were not used yet, oldest first."""

    def __init__(self, clock: Clock, kind: str) -> None:
        self._clock, self._kind = clock, kind
        self._open: dict[str, _Ticket] = {}

    def issue(self, key: str, call: Call) -> str:
        """Return a secret that opens this channel once, for this caller."""
        now = self._clock.monotonic()
        for secret in [secret for secret, ticket in self._open.items() if ticket.ends <= now]:
            del self._open[secret]
        while len(self._open) >= MOST:
            del self._open[next(iter(self._open))]
        secret = secrets.token_urlsafe(32)
        self._open[secret] = _Ticket(key, call, now + LIFE_S)
        return secret

    def redeem(self, secret: str, key: str, call: Call | None) -> Call:
        """Return the call the ticket was made by; it is used up in any case."""
        ticket = self._open.pop(secret, None)
        if ticket is None or ticket.ends <= self._clock.monotonic():
            raise Unauthenticated(f"this ticket was used already or is too old; ask {self._kind}.attach for a new one")
        if ticket.key != key:
            raise Unauthenticated(f"this ticket is for another {self._kind}")
        if call is not None and (call.user, call.org, call.agent) != (
            ticket.call.user, ticket.call.org, ticket.call.agent,
        ):  # fmt: skip
            raise Unauthenticated("this ticket was made by somebody else")
        return ticket.call
