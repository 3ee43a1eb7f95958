"""What the runtime room needs: adapters that can be installed, and the processes that run."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from aetherd.operations.bounds import Bounds
from aetherd.runtime import Package


@runtime_checkable
class Installable(Protocol):
    """An adapter whose runtime can be fetched: it looks below `prefix / "current"` first, then on PATH."""

    package: Package | None
    prefix: Path | None


class Row(Protocol):
    """A process as it is written."""

    runtime: str


class Processes(Protocol):
    """The process room."""

    bounds: Bounds

    async def row_of(self, pid: int) -> Row:
        """Return it as it is written; raises `NotFound`."""
        ...
