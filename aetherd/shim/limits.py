"""Hard limits of everything that belongs to one process, whatever tree it is in. Blocking calls.

A *pool* is a control group with limits on memory, processes and CPU. On cgroup v2 the trees of a process are groups
below its pool. On v1 a pool is one group in each of three or four hierarchies, which a program joins beside its tree.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aetherd.shim import cgroups
from aetherd.shim.tree import POOL

MECHANISMS = ("cgroup2", "cgroup1", "rlimit")
"""Ways to bound a pool, best first; "rlimit" bounds single processes, and is no business of this module."""
CONTROLLERS = ("memory", "pids", "cpu")
PERIOD_US = 100_000
_UNLIMITED = "max"


@dataclass(frozen=True, slots=True)
class Caps:
    """The most a pool may use: bytes of memory (swap in it), processes and threads, cores; None for no bound."""

    memory: int | None = None
    pids: int | None = None
    cpu: float | None = None

    def __bool__(self) -> bool:
        return self != Caps()


@dataclass(frozen=True, slots=True)
class Usage:
    """What a pool uses: bytes of memory without the page cache that can go, the peak with it, processes, CPU seconds.

    None: this machine does not measure it. `oom_kills` counts processes killed because memory was full.
    """

    memory: int | None
    memory_peak: int | None
    pids: int | None
    cpu_s: float | None
    oom_kills: int


class Pools(Protocol):
    """Pools of one kind of control groups."""

    controllers: frozenset[str]

    def make(self, name: str, caps: Caps) -> list[str]:
        """Make a pool, or find it, and bound it; return the directories that its programs join."""

    def change(self, name: str, caps: Caps, members: Iterable[int]) -> None:
        """Change what a pool may use; one that is made now takes in `members`. Raises OSError."""

    def usage(self, name: str) -> Usage | None:
        """Measure a pool; None when there is none."""

    def oom_kills(self, name: str) -> int:
        """Count the processes that were killed because the pool's memory was full."""

    def names(self) -> set[str]:
        """Return the names of all pools."""

    def remove(self, name: str) -> None:
        """Remove a pool. Raises OSError while processes are left in it."""


class Limiter:
    """Bound pools by the best means of this machine, chosen once.

    `root_name` is the one of `tree.Trees`. `mechanism` forces one of MECHANISMS; `reason` says why it is not cgroups,
    and `controllers` what of memory, pids and cpu is bounded.
    """

    def __init__(self, root_name: str, *, mechanism: str | None = None) -> None:
        """Raises OSError when the forced mechanism does not work here."""
        self.mechanism, self.reason = "rlimit", ""
        self.pools: Pools | None = None
        for candidate in MECHANISMS if mechanism is None else (mechanism,):
            pools = _pools(candidate, root_name)
            if pools is not None or candidate == "rlimit":
                self.mechanism, self.pools = candidate, pools
                break
        else:
            raise OSError(f"no {mechanism} on this machine")
        if self.pools is None:
            self.reason = "no control group of this machine that we may write to has a memory, pids or cpu controller"
        self.controllers = self.pools.controllers if self.pools is not None else frozenset()

    def make(self, name: str, caps: Caps) -> list[str]:
        """Make a pool and return what its programs join beside their tree's group; nothing where it needs none."""
        return self.pools.make(name, caps) if self.pools is not None else []

    def within(self, name: str) -> str | None:
        """Return the group in which the trees of a pool are made; None where they stand for themselves."""
        return pool_group(name) if self.mechanism == "cgroup2" else None

    def change(self, name: str, caps: Caps, members: Iterable[int] = ()) -> None:
        """Change a pool that is in use. `members` are all its processes, for one that had no bound before."""
        if self.pools is not None:
            self.pools.change(name, caps, members)

    def usage(self, name: str) -> Usage | None:
        """Measure a pool; None when there is none."""
        return self.pools.usage(name) if self.pools is not None else None

    def oom_kills(self, name: str) -> int:
        """Count the processes that were killed because the pool's memory was full."""
        return self.pools.oom_kills(name) if self.pools is not None else 0

    def names(self) -> set[str]:
        """Return the names of all pools there are."""
        return self.pools.names() if self.pools is not None else set()

    def remove(self, name: str) -> None:
        """Remove a pool. Raises OSError while processes are left in it."""
        if self.pools is not None:
            self.pools.remove(name)


def pool_group(name: str) -> str:
    """Return the name of a pool's group in the unified hierarchy."""
    return POOL + name


class UnifiedPools:
    """Pools of cgroup v2, below the group that holds our trees."""

    def __init__(self, root: Path) -> None:
        """Raises OSError when `root` passes none of our controllers on."""
        self.root = root
        self.controllers = cgroups.pass_on(root.parent, CONTROLLERS) and cgroups.pass_on(root, CONTROLLERS)
        if not self.controllers:
            raise OSError(errno.ENODEV, f"{root} has no controllers")

    def make(self, name: str, caps: Caps) -> list[str]:
        place = self._place(name)
        with contextlib.suppress(FileExistsError):
            place.mkdir()
        self.change(name, caps, ())
        return []

    def change(self, name: str, caps: Caps, members: Iterable[int]) -> None:
        place = self._place(name)
        if not place.is_dir():
            raise OSError(errno.ENOENT, f"it was started without a pool; limits reach it from its next start: {name}")
        if "memory" in self.controllers:
            with contextlib.suppress(FileNotFoundError):  # no swap in this kernel
                (place / "memory.swap.max").write_text(_UNLIMITED if caps.memory is None else "0")
            (place / "memory.max").write_text(_bound(caps.memory))
        if "pids" in self.controllers:
            (place / "pids.max").write_text(_bound(caps.pids))
        if "cpu" in self.controllers:
            quota = _UNLIMITED if caps.cpu is None else str(_quota(caps.cpu))
            (place / "cpu.max").write_text(f"{quota} {PERIOD_US}")

    def usage(self, name: str) -> Usage | None:
        place = self._place(name)
        if not place.is_dir():
            return None
        memory = _number(place / "memory.current")
        cpu = cgroups.field(place / "cpu.stat", "usage_usec")
        return Usage(
            memory=None if memory is None else _settled(memory, cgroups.field(place / "memory.stat", "inactive_file")),
            memory_peak=_number(place / "memory.peak"),
            pids=_number(place / "pids.current"),
            cpu_s=None if cpu is None else cpu / 1e6,
            oom_kills=self.oom_kills(name),
        )

    def oom_kills(self, name: str) -> int:
        return cgroups.field(self._place(name) / "memory.events", "oom_kill") or 0

    def names(self) -> set[str]:
        return {place.name.removeprefix(POOL) for place in self.root.glob(f"{POOL}*")}

    def remove(self, name: str) -> None:
        cgroups.remove(self._place(name))

    def _place(self, name: str) -> Path:
        return self.root / pool_group(name)


class LegacyPools:
    """Pools of cgroup v1: one group of the same name in each hierarchy; `roots` maps a controller to our group."""

    def __init__(self, roots: Mapping[str, Path]) -> None:
        """Raises OSError when no hierarchy has one of our controllers."""
        self.roots = dict(roots)
        self.controllers = frozenset(CONTROLLERS) & self.roots.keys()
        if not self.controllers:
            raise OSError(errno.ENODEV, "no v1 hierarchy has a controller of ours")
        if "cpu" in self.roots:
            _weigh(self.roots["cpu"])

    def make(self, name: str, caps: Caps) -> list[str]:
        if not caps and not self._places(name):
            return []  # to join a group waits for a grace period of the kernel: not for nothing
        places = [root / name for root in dict.fromkeys(self.roots.values())]
        for place in places:
            with contextlib.suppress(FileExistsError):
                place.mkdir()
        self._write(name, caps)
        return [str(place) for place in places]

    def change(self, name: str, caps: Caps, members: Iterable[int]) -> None:
        fresh = not self._places(name)
        for place in self.make(name, caps):
            for pid in members if fresh else ():
                with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                    (Path(place) / "cgroup.procs").write_text(str(pid))
        if not fresh:
            self._write(name, caps)

    def usage(self, name: str) -> Usage | None:
        if not self._places(name):
            return None
        memory = self._read(name, "memory", "memory.usage_in_bytes")
        inactive = None
        if memory is not None:
            inactive = cgroups.field(self.roots["memory"] / name / "memory.stat", "total_inactive_file")
        cpu = self._read(name, "cpuacct", "cpuacct.usage")
        return Usage(
            memory=None if memory is None else _settled(memory, inactive),
            memory_peak=self._read(name, "memory", "memory.max_usage_in_bytes"),
            pids=self._read(name, "pids", "pids.current"),
            cpu_s=None if cpu is None else cpu / 1e9,
            oom_kills=self.oom_kills(name),
        )

    def oom_kills(self, name: str) -> int:
        if "memory" not in self.roots:
            return 0
        return cgroups.field(self.roots["memory"] / name / "memory.oom_control", "oom_kill") or 0

    def names(self) -> set[str]:
        return {place.name for root in self.roots.values() for place in root.glob("*/")}

    def remove(self, name: str) -> None:
        for place in self._places(name):
            cgroups.remove(place)

    def _places(self, name: str) -> list[Path]:
        return [root / name for root in dict.fromkeys(self.roots.values()) if (root / name).is_dir()]

    def _write(self, name: str, caps: Caps) -> None:
        if "memory" in self.roots:
            place = self.roots["memory"] / name
            bound = "-1" if caps.memory is None else str(caps.memory)
            files = [place / "memory.limit_in_bytes"]
            if (swapped := place / "memory.memsw.limit_in_bytes").exists():
                files.append(swapped)
            try:
                for file in files:
                    file.write_text(bound)
            except OSError:  # memory may never be above memory and swap: it grows, so the other one first
                for file in reversed(files):
                    file.write_text(bound)
        if "pids" in self.roots:
            (self.roots["pids"] / name / "pids.max").write_text(_bound(caps.pids))
        if "cpu" in self.roots:
            place = self.roots["cpu"] / name
            (place / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (place / "cpu.cfs_quota_us").write_text("-1" if caps.cpu is None else str(_quota(caps.cpu)))

    def _read(self, name: str, controller: str, file: str) -> int | None:
        return _number(self.roots[controller] / name / file) if controller in self.roots else None


def _pools(mechanism: str, root_name: str) -> Pools | None:
    if mechanism not in MECHANISMS:
        raise ValueError(f"no mechanism {mechanism!r}")
    with contextlib.suppress(OSError):
        if mechanism == "cgroup2" and (root := cgroups.unified_root(root_name)) is not None:
            return UnifiedPools(root)
        if mechanism == "cgroup1":
            roots = {name: cgroups.legacy_root(name, root_name) for name in (*CONTROLLERS, "cpuacct")}
            return LegacyPools({name: root for name, root in roots.items() if root is not None})
    return None


def _weigh(root: Path) -> None:
    """Give all agents together the weight of one process per core, when every other one stands for itself.

    Else they are a group among groups, and the default is right.
    """
    if cgroups.own_group("cpu") == "/":
        with contextlib.suppress(OSError):
            (root / "cpu.shares").write_text(str(1024 * (os.cpu_count() or 1)))


def _bound(value: int | None) -> str:
    return _UNLIMITED if value is None else str(value)


def _quota(cores: float) -> int:
    return max(1000, round(cores * PERIOD_US))  # the kernel takes no less than a millisecond


def _settled(memory: int, inactive: int | None) -> int:
    return max(0, memory - (inactive or 0))


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
