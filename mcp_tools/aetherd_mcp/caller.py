"""Who calls: what a transport knows of its peer, and, of who listens beyond one request, what it may see."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from aetherd.operations.house import House
from aetherd.operations.operation import Call


@dataclass(frozen=True, slots=True)
class Credential:
    """What a transport knows of its peer."""

    token: str
    door: int | None = None  # the process whose own socket it came through


credential: ContextVar[Credential | None] = ContextVar("aetherd_mcp_credential", default=None)


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal as it was when it asked."""

    token: str
    door: int | None
    call: Call
    sees: Callable[[str | None, str, str], bool]

    async def renewed(self, house: House) -> Call:
        """Look the credential up again; raises `Unauthenticated` once it has ended."""
        return await house.authenticate(self.token, "mcp", door=self.door)
