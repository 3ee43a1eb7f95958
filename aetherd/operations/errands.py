"""Commands that one room has another run as an agent: what it takes, and how it went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Mount(Protocol):
    """A shared directory that is bound into a process's view."""

    @property
    def path(self) -> Path:
        """Where it is, outside and inside."""
        ...

    @property
    def readonly(self) -> bool:
        """Whether it may only look."""
        ...

    @property
    def gid(self) -> int | None:
        """The group whose members write there; None where agents share the daemon's uid."""
        ...


@dataclass(frozen=True, slots=True)
class Errand:
    """How a command went: `code` is None when it was killed, at its deadline or by a signal."""

    code: int | None
    output: bytes  # the last of it
    dropped: int  # bytes before that
    error: bytes
    late: bool  # its deadline came first


class Errands(Protocol):
    """Runs commands that belong to no process."""

    async def run(
        self,
        name: str,
        uid: int | None,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        home: Path,
        mounts: Sequence[Mount],
        deadline_s: float,
        keep: int,
        rlimits: Mapping[str, Sequence[int]] | None = None,
    ) -> Errand:
        """Run a command as that uid with only `home` and the mounts open to it. Raises `Unavailable`."""
        ...

    async def end(self, name: str) -> None:
        """Kill all that is left of an errand."""
        ...
