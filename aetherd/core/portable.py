"""What an adapter says of its files, beside `aetherd/runtime.py`: so a snapshot can hold its conversations."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Keeping:
    """What a snapshot must know of a runtime's files; patterns of paths below the home, `*` also past `/`."""

    secrets: tuple[str, ...] = ()  # credentials: never kept
    private: tuple[str, ...] = ()  # the runtime's own: that they change means nothing by itself
    lines: tuple[str, ...] = ()  # written line by line: cut behind the last whole one
    clean: Mapping[str, Callable[[bytes], bytes]] = field(default_factory=dict)  # by path: without what is secret

    def own(self, path: str) -> bool:
        """Tell whether a file is the runtime's own."""
        return any(fnmatchcase(path, pattern) for pattern in self.private)

    def special(self, path: str) -> bool:
        """Tell whether a file is not kept as it is."""
        return path in self.clean or any(fnmatchcase(path, pattern) for pattern in self.lines)

    def kept(self, path: str, data: bytes) -> bytes:
        """Return what is kept of a special file."""
        return self.clean[path](data) if path in self.clean else data[: data.rfind(b"\n") + 1]


@runtime_checkable
class Portable(Protocol):
    """An adapter whose conversations are files in the agent's home, so that a snapshot can hold and move them."""

    keeping: Keeping

    def holds(self, paths: Collection[str], session: str) -> bool:
        """Tell whether the conversation is among these files."""
        ...

    def fork(self, home: Path, session: str, fresh: str, cwd: tuple[Path, Path]) -> None:
        """Copy a conversation in a home that nobody uses yet: from one id and working directory to another.

        Raises `Conflict` when it is not there. Blocking.
        """
        ...
