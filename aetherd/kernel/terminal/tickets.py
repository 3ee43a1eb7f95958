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
    terminal: str
    call: Call
    ends: float


class Tickets:
    """The tickets that were not used yet, oldest first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, _Ticket] = {}

    def issue(self, terminal: str, call: Call) -> str:
        """Return a secret that opens this terminal once, for this caller."""
        now = self._clock.monotonic()
        for secret in [secret for secret, ticket in self._open.items() if ticket.ends <= now]:
            del self._open[secret]
        while len(self._open) >= MOST:
            del self._open[next(iter(self._open))]
        secret = secrets.token_urlsafe(32)
        self._open[secret] = _Ticket(terminal, call, now + LIFE_S)
        return secret

    def redeem(self, secret: str, terminal: str, call: Call | None) -> Call:
        """Return the call the ticket was made by; it is used up in any case."""
        ticket = self._open.pop(secret, None)
        if ticket is None or ticket.ends <= self._clock.monotonic():
            raise Unauthenticated("this ticket was used already or is too old; ask terminal.attach for a new one")
        if ticket.terminal != terminal:
            raise Unauthenticated("this ticket is for another terminal")
        if call is not None and (call.user, call.org, call.agent) != (
            ticket.call.user, ticket.call.org, ticket.call.agent,
        ):  # fmt: skip
            raise Unauthenticated("this ticket was made by somebody else")
        return ticket.call
