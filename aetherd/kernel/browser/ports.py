"""What the browser room needs of its neighbours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol

from aetherd.operations.beside import Beside

Display = Callable[[int], Awaitable[Mapping[str, str] | None]]
"""Of a desktop room: pid -> the environment in which a program opens its windows there, None without a desktop."""


class Place(Protocol):
    """Where a process runs and whose it is."""

    @property
    def agent(self) -> str:
        """Its agent."""
        ...

    @property
    def user(self) -> str:
        """Its user."""
        ...

    @property
    def org(self) -> str:
        """Its organisation."""
        ...

    @property
    def parent(self) -> str | None:
        """The agent that spawned its agent."""
        ...

    @property
    def home(self) -> Path:
        """Its agent's home, the same inside and outside."""
        ...

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        ...

    @property
    def tier(self) -> str:
        """Its sandbox: docker, bwrap or host."""
        ...


class Processes(Beside, Protocol):
    """The process room."""

    async def place_of(self, pid: int) -> Place:
        """Return where a process runs; raises `NotFound`."""
        ...


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
