"""What the sandbox room needs from its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aetherd.operations.beside import Beside
from aetherd.operations.bounds import Bounds
from aetherd.operations.errands import Mount
from aetherd.operations.operation import Owner


class Row(Protocol):
    """A process as it is written."""

    uid: int | None
    tier: str
    cwd: str
    sandbox: str  # what was wished, as JSON


class Processes(Beside, Protocol):
    """The process room."""

    bounds: Bounds

    async def row_of(self, pid: int) -> Row:
        """Return it as it is written; raises `NotFound`."""
        ...

    async def owner(self, key: int) -> Owner:
        """Return whose a process is."""
        ...

    async def mounts(self, agent: str) -> Sequence[Mount]:
        """Return the shared directories an agent's programs reach."""
        ...
