"""What comes back from a provider."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from aetherd.core.errors import Unavailable
from aetherd.operations.gateway import Headers


@dataclass(frozen=True, slots=True)
class Reply:
    """A provider's answer, whose body is still to come."""

    status: int
    headers: Headers
    kind: str  # media type
    chunks: AsyncGenerator[bytes, None]


class Lost(Unavailable):
    """Raised when a provider cannot be reached or cut its answer; `sent`: it may have begun to work."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent
