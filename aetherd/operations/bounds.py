"""What rooms know of each other's limits: what a process may use, what it uses, and how that is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class Usage:
    """What everything of one process uses now; None: nothing on this machine measures it.

    Memory in bytes without the page cache that can go (the peak with it), `cpu_s` of processors, since its start.
    `source`: its cgroup, or the sum over its living processes, which knows nothing of those that have ended.
    """

    memory_bytes: int | None
    memory_peak: int | None
    processes: int | None
    cpu_s: float | None
    oom_kills: int
    source: Literal["cgroup", "processes"]


@dataclass(frozen=True, slots=True)
class Bounded:
    """A process that has not ended, and its limits in force: fields of process.spawn's `limits`."""

    pid: int
    agent: str
    name: str
    user: str
    org: str
    tier: str
    state: str
    started_at: str | None
    limits: Mapping[str, Any]
    metered: bool = False  # its calls to models go through the gateway
    budget_usd: float | None = None  # for it and all it starts
    claimed_usd: float = 0.0  # as its runtime tells
    claimed_tokens: int = 0
    tool_calls: int = 0  # as its runtime tells


class Bounds(Protocol):
    """The limits of processes, `process.bounds`."""

    @property
    def enforced(self) -> tuple[str, str]:
        """Return what enforces limits (cgroup2, cgroup1 or rlimit), and what that leaves out, in words."""
        ...

    async def set_limits(self, pid: int, changes: Mapping[str, Any], by: str) -> dict[str, Any]:
        """Change `cpu`, `memory_mb`, `pids` or `disk_mb` of a process while it runs; None lifts one.

        Returns the limits now in force. Raises `NotFound`, `Conflict`, `Invalid` and `Unavailable`.
        """
        ...

    async def measured(self, pid: int) -> Usage | None:
        """Return what the kernel measures of a process's pool; None where it has none, and only `usage` tells."""
        ...

    async def usage(self, pid: int) -> Usage:
        """Measure everything of a process."""
        ...

    async def living(self) -> Sequence[Bounded]:
        """Return the processes that have not ended."""
        ...

    async def hold(self, pid: int, reason: str) -> bool:
        """Pause a process because of a limit; False when it cannot be, or is paused already."""
        ...
