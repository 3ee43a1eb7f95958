"""What a tier of sandboxes is, and what each shows of this machine."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from aetherd.core.errors import Unavailable
from aetherd.operations.sandboxes import DOOR, HTTP_PORT, OWN, PROXY_PORT, Inside, Plan

__all__ = [
    "DOOR",
    "HTTP_PORT",
    "MB",
    "OWN",
    "PROXY_PORT",
    "RUN",
    "SYSTEM",
    "THEIRS",
    "TOP",
    "Inside",
    "Plan",
    "Tier",
    "binds_of",
    "record",
    "sizes",
    "within",
]

SYSTEM = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
THEIRS = tuple(map(Path, ("/dev", "/etc", "/proc", "/sys", "/usr", *(f"/{name}" for name in SYSTEM))))
"""Directories that a sandbox has from the system: what lies there is there already, or is not for an agent."""
TOP = (Path("/"), Path("/tmp"), Path("/var"), Path("/var/tmp"), Path("/run"))
"""Directories that no agent gets whole, also when it works there."""
MB = 1 << 20
RUN = 16 * MB  # bytes of /run/user


class Tier(Protocol):
    """One way to put walls around a process. Sandboxes outlive the daemon and are named by our pid."""

    @property
    def name(self) -> str:
        """Its name, as a person writes it."""
        ...

    async def probe(self) -> str | None:
        """Return why it does not work on this machine; None when it does."""
        ...

    async def hold(self, plan: Plan) -> Inside:
        """Return the sandbox of a process as the plan says: the one that stands, if it is like that, else a new one.

        It stays until `drop`. Raises `Unavailable`; then nothing is left.
        """
        ...

    async def find(self, pid: int) -> Inside | None:
        """Return the sandbox of a process as it stands, made by this daemon or one before it."""
        ...

    async def drop(self, pid: int) -> None:
        """End the sandbox and everything in it; nothing when there is none."""
        ...

    async def pids(self) -> list[int]:
        """Return the pids that have a sandbox, or something left of one."""
        ...


def binds_of(plan: Plan, house: Path) -> Iterator[tuple[Path, Path, bool]]:
    """Yield (outside, inside, read-only) of what a sandbox shows of this machine's files, parents first; blocks.

    `house` is the daemon's home: of it, nothing but what the plan names is shown, wherever the process works. Raises
    `Unavailable` for one that shall work there and not in what is its own.
    """
    ours = any(within(place, house) for place in (plan.cwd, plan.cwd.resolve()))
    if ours and not any(within(plan.cwd, place) for place in _own(plan)):
        raise Unavailable(f"{plan.cwd} is the daemon's own; name another `cwd`", field="cwd")
    wanted: dict[Path, bool] = {}
    for path, readonly in _wanted(plan):
        for place in {path, path.resolve()}:
            if place.exists() and place not in TOP and not any(within(place, one) for one in THEIRS):
                wanted[place] = readonly and wanted.get(place, True)
    for path in sorted(wanted):
        above = [one for one in path.parents if one in wanted]
        if not above or wanted[above[0]] != wanted[path] or within(house, above[0]):
            yield path, path, wanted[path]
    # Read-only: else a program could put a link there and have our keeper connect to what it may not itself.
    yield plan.door, DOOR, True
    yield plan.door / OWN, DOOR / OWN, False


def record(plan: Plan, binds: Iterable[tuple[Path, Path, bool]]) -> str:
    """Return what a sandbox of this plan shows and where its ports lead, to be compared with another's."""
    shown = [[str(outside), str(inside), readonly] for outside, inside, readonly in binds]
    more = {"ports": sorted(plan.ports), "devices": sorted(map(str, plan.devices)), "gpus": sorted(plan.gpus)}
    return json.dumps({"binds": shown, **more})


def sizes(plan: Plan) -> tuple[int, int]:
    """Return the bytes that /tmp and /dev/shm may hold; full, /tmp must not be what ends the sandbox."""
    memory = plan.limits.get("memory_mb")
    tmp = min(512, int(memory) // 2) if memory else 512
    return tmp * MB, (256 if plan.wish.get("graphical") else 64) * MB


def within(path: Path, top: Path) -> bool:
    """Tell whether a path is that directory or lies in it."""
    return path == top or top in path.parents


def _wanted(plan: Plan) -> Iterator[tuple[Path, bool]]:
    yield from ((plan.home, False), (plan.config, False))
    yield from ((mount.path, mount.readonly) for mount in plan.mounts)
    if not any(within(plan.cwd, place) for place in _own(plan)):
        yield plan.cwd, False
    yield from ((path, True) for path in plan.needs)


def _own(plan: Plan) -> tuple[Path, ...]:
    return (plan.home, plan.config, *(mount.path for mount in plan.mounts))
