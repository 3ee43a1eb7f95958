"""Control groups as places that hold the processes of one tree: found, made, frozen, killed."""

import contextlib
import errno
import os
import select
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

from aetherd.shim import syscalls

ASIDE = "aetherd-self"
"""Group below a delegated one into which the processes of that one move, so that it can be divided."""
_SETTLE = 1.0
"""Seconds the kernel gets to freeze or thaw a group."""


class Group(Protocol):
    """Hold the processes of one tree, as a directory of a cgroup file system."""

    path: Path

    def freeze(self, on: bool) -> None:
        """Stop or resume every process of the group, now and those that join."""

    def frozen(self) -> bool:
        """Tell whether all of it stands still."""

    def kill(self) -> bool:
        """Kill the whole group at once and return True; False when the kernel has no such thing."""


def members(path: Path) -> set[int]:
    """Return the pids in a group and in all groups below it; none when there is no such group."""
    pids: set[int] = set()
    for place in _below(path):
        try:
            pids.update(int(word) for word in (place / "cgroup.procs").read_text().split())
        except OSError:
            continue  # removed meanwhile, or a threaded group that cannot be listed
    return pids - {0}


def remove(path: Path) -> None:
    """Remove a group and the groups below it. Raises OSError when processes are left in it."""
    give_up = time.monotonic() + 0.5
    for place in sorted(_below(path), key=lambda found: len(found.parts), reverse=True):
        while True:
            try:
                place.rmdir()
                break
            except FileNotFoundError:
                break
            except OSError:  # a killed process leaves a moment after it is dead
                if time.monotonic() >= give_up:
                    raise
                select.select((), (), (), 0.005)


def _below(path: Path) -> Iterator[Path]:
    for place, _, _ in os.walk(path):
        yield Path(place)


class Unified:
    """A group of the unified hierarchy (cgroup v2), which freezes and kills as one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def freeze(self, on: bool) -> None:
        """Write the wish and wait until the kernel has fulfilled it."""
        (self.path / "cgroup.freeze").write_text("1" if on else "0")
        _settle(lambda: self.frozen() == on)

    def frozen(self) -> bool:
        """Read what is, not what was wished."""
        return "frozen 1" in _text(self.path / "cgroup.events")

    def kill(self) -> bool:
        """Kill by one write, which no fork can outrun."""
        try:
            (self.path / "cgroup.kill").write_text("1")
        except FileNotFoundError:
            return not self.path.exists()
        except OSError as exc:
            if exc.errno != errno.ENODEV:
                raise  # ENODEV: somebody removed it while we wrote; then nothing is in it
        return True


class Freezer:
    """A group of the v1 freezer: it freezes as one, and is killed one by one while it stands still."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def freeze(self, on: bool) -> None:
        """Write the wish and wait until the kernel has fulfilled it."""
        (self.path / "freezer.state").write_text("FROZEN" if on else "THAWED")
        _settle(lambda: self.frozen() == on)

    def frozen(self) -> bool:
        """Tell whether every process has stopped."""
        return _text(self.path / "freezer.state").strip() == "FROZEN"

    def kill(self) -> bool:
        """Return False: v1 has no such file."""
        return False


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _settle(done: Callable[[], bool]) -> None:
    give_up = time.monotonic() + _SETTLE
    while not done() and time.monotonic() < give_up:
        select.select((), (), (), 0.002)


def unified_root(name: str) -> Path | None:
    """Return a writable group of ours in a mounted unified hierarchy, made if need be; None without one."""
    for mount in _mounts("cgroup2", ""):
        # As root at the top: a group below the daemon's own would end with the daemon's service. Without root
        # only the own group (delegated) can be divided.
        parents = [mount] if os.geteuid() == 0 else [mount / own_group().removesuffix(f"/{ASIDE}").lstrip("/")]
        for parent in parents:
            root = parent / name
            writable = os.access(parent / "cgroup.procs", os.W_OK) and _made(root)
            if writable and (root / "cgroup.kill").exists():
                return root
    return None


def own_unified_root(name: str) -> Path | None:
    """Mount a unified hierarchy beside v1 and return our group in it; None when that is not permitted."""
    if os.geteuid() != 0:
        return None
    place = own_mount(name)
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.path.ismount(place):
            syscalls.mount("none", str(place), "cgroup2", 0, None)
    except OSError:
        return None
    root = place / name
    return root if _made(root) and (root / "cgroup.kill").exists() else None


def own_mount(name: str) -> Path:
    """Return where `own_unified_root` mounts."""
    return Path("/run") / name / "cgroup2"


def freezer_root(name: str) -> Path | None:
    """Return a writable group of ours in a v1 freezer hierarchy, made if need be; None without one."""
    return legacy_root("freezer", name)


def legacy_root(controller: str, name: str) -> Path | None:
    """Return a writable group of ours in the v1 hierarchy of a controller, made if need be; None without one."""
    for mount in _mounts("cgroup", controller):
        root = mount / name
        if _made(root) and os.access(root / "cgroup.procs", os.W_OK):
            return root
    return None


def pass_on(group: Path, wanted: Iterable[str]) -> frozenset[str]:
    """Have the groups below one of the unified hierarchy get controllers; return which of `wanted` they get.

    A delegated group that its own processes live in cannot be divided: they move into a group below it first.
    """
    found = set(_text(group / "cgroup.controllers").split()) & set(wanted)
    file = group / "cgroup.subtree_control"
    for controller in found - set(_text(file).split()):
        for attempt in range(2):
            try:
                file.write_text(f"+{controller}")
                break
            except OSError as exc:
                if attempt or exc.errno != errno.EBUSY or os.geteuid() == 0:
                    break
                _step_aside(group)
    return frozenset(found & set(_text(file).split()))


def _step_aside(group: Path) -> None:
    with contextlib.suppress(OSError):
        (group / ASIDE).mkdir(exist_ok=True)
        for pid in _text(group / "cgroup.procs").split():
            (group / ASIDE / "cgroup.procs").write_text(pid)


def field(path: Path, name: str) -> int | None:
    """Return the number beside a name in a file of lines `name number`; None when it is not there."""
    for line in _text(path).splitlines():
        word, _, value = line.partition(" ")
        if word == name and value.strip().isdecimal():
            return int(value)
    return None


def _made(root: Path) -> bool:
    try:
        root.mkdir(exist_ok=True)
    except OSError:
        return False
    return True


def _mounts(kind: str, option: str) -> list[Path]:
    """Return the mount points of a file system type whose options hold a word."""
    found = []
    for line in _text(Path("/proc/self/mounts")).splitlines():
        _, place, fs_type, options = line.split(" ")[:4]
        if fs_type == kind and (not option or option in options.split(",")):
            found.append(Path(place.encode().decode("unicode_escape")))
    return found


def own_group(controller: str | None = None) -> str:
    """Return our own group in the unified hierarchy, or in the v1 hierarchy of a controller; "/" when in none."""
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(",") if controller else not controllers:
            return path
    return "/"
