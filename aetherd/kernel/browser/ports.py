"""What the browser room needs of its neighbours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

Display = Callable[[int], Awaitable[Mapping[str, str] | None]]
"""Of a desktop room: pid -> the environment in which a program opens its windows there, None without a desktop."""


class Control(Protocol):
    """Who holds the keyboard of a process."""

    def holder_of(self, pid: int) -> str | None:
        """Return the actor who has taken a process over, None while nobody has."""
        ...


class Fetched(Protocol):
    """An answer of the web."""

    @property
    def status(self) -> int:
        """HTTP status."""
        ...

    @property
    def url(self) -> str:
        """Where it came from, after redirects."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers, names in lower case."""
        ...

    @property
    def body(self) -> bytes:
        """Its body, as far as it was read."""
        ...

    @property
    def truncated(self) -> bool:
        """Whether the body was longer."""
        ...


class Egress(Protocol):
    """The only way out: the network room, which asks the agent's policy and guards this machine's network."""

    async def fetch(
        self,
        agent: str | None,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        max_bytes: int,
        deadline_s: float,
    ) -> Fetched:
        """Fetch; raises `Forbidden` when it is not allowed, also after a redirect, `Unavailable` without an answer."""
        ...
