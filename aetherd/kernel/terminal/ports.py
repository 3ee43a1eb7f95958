"""What the terminal room needs of its neighbours."""

from __future__ import annotations

from typing import Protocol

from aetherd.operations.beside import Beside
from aetherd.operations.operation import Call


class Processes(Beside, Protocol):
    """The process room."""

    async def may_type(self, pid: int, call: Call | None) -> str | None:
        """Return None when the caller may type into this process, else why not."""
        ...
