"""What a face gets: the whole house as a value, without a view of any room."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from aetherd.core.clock import Clock
from aetherd.core.config import Settings
from aetherd.events import Hub
from aetherd.operations.dispatch import Dispatcher
from aetherd.operations.doors import Doors
from aetherd.operations.gateway import ModelGateway
from aetherd.operations.grants import Grants
from aetherd.operations.operation import Call, Face, ProgressFn
from aetherd.operations.registry import Registry


class Authenticate(Protocol):
    """Turn a credential into who is calling."""

    async def __call__(
        self, token: str, face: Face, *, door: int | None = None, progress: ProgressFn | None = None
    ) -> Call:
        """Return a fresh `Call` that tells its progress there; raises `Unauthenticated`.

        `door` is the process whose own socket the caller came through: any token but its own is refused.
        """
        ...


class Sessions(Protocol):
    """One-time links and cookies for people."""

    async def open_link(self, call: Call) -> str:
        """Return a login code: single use, 10 minutes."""
        ...

    async def redeem(self, code: str) -> str:
        """Return a session token for a code; raises `Unauthenticated`."""
        ...

    async def end(self, token: str) -> None:
        """End a session."""
        ...


class ByteChannel(Protocol):
    """A two-way stream of raw bytes, such as a terminal a person is attached to."""

    writable: bool

    async def receive(self) -> bytes | None:
        """Return the next bytes, or None at the end."""
        ...

    async def send(self, data: bytes) -> None:
        """Type; raises `Forbidden` when read-only."""
        ...

    async def resize(self, rows: int, cols: int) -> None:
        """Tell the new size; ignored when read-only."""
        ...

    async def ack(self, count: int) -> None:
        """Note that the viewer has shown this many more bytes."""
        ...

    @property
    def end(self) -> dict[str, Any]:
        """How it ended, for the viewer."""
        ...


class Attach(Protocol):
    """Opens the byte channel of one kind of thing."""

    def __call__(self, key: str, ticket: str | None, call: Call | None) -> AbstractAsyncContextManager[ByteChannel]:
        """Open by one-time ticket, or for a caller authenticated by cookie."""
        ...


class FileBodies(Protocol):
    """Whole files, for up- and download."""

    async def open_file(self, call: Call, agent: str, path: str) -> FileBody:
        """Open for reading; raises `NotFound`, `Forbidden`, `Invalid`."""
        ...

    async def put_file(self, call: Call, agent: str, path: str, body: AsyncIterator[bytes]) -> dict[str, Any]:
        """Write atomically; returns stat."""
        ...


class FileBody(Protocol):
    """An open file."""

    size: int
    modified: float
    media_type: str

    def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield bytes start <= i < end."""
        ...

    async def aclose(self) -> None:
        """Close."""
        ...


@dataclass(slots=True)
class House:
    """Everything a face needs."""

    settings: Settings
    clock: Clock
    registry: Registry
    dispatcher: Dispatcher
    hub: Hub
    doors: Doors
    authenticate: Authenticate
    sessions: Sessions
    grants: Grants
    sees: Callable[[Call], Callable[[str | None, str, str], bool]]  # for event filters
    catalog: dict[str, Any]
    attach: Mapping[str, Attach] = field(default_factory=dict)
    files: FileBodies | None = None
    llm: ModelGateway | None = None
    health: Callable[[], dict[str, Any]] = dict
    metrics: Callable[[Call, Mapping[str, float]], Awaitable[bytes]] | None = None  # the text of /metrics
    static: Path | None = None  # the built console
    stop: Callable[[], None] = lambda: None  # ask the daemon to end
    ready: bool = False
