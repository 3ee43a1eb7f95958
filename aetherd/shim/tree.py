"""The whole tree of a process: counted, signalled, frozen and killed, whatever it forked. Blocking calls.

A tree is the processes of its group (where the machine has control groups), those whose environment at exec
held `AETHER_PROCESS=<marker>`, all that descend from these, and the orphans its shim adopted.
"""

import contextlib
import os
import re
import select
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from aetherd.shim import cgroups
from aetherd.shim.proc import stat

MECHANISMS = ("cgroup2", "cgroup2-own-mount", "cgroup1-freezer", "processes")
"""Ways to hold a tree, best first."""
POOL = "pool-"
"""How the names of groups begin that hold the trees of one pool of limits."""
MARKER = b"AETHER_PROCESS="
SHIM_NAME = b"aether-shim"


class Trees:
    """Work on process trees by the best means of this machine, chosen once.

    `root_name` names our groups and is the daemon's own, such as "aetherd-1a2b3c". `mechanism` forces one of
    MECHANISMS; without it the first that works is taken. Every method takes the `name` of a tree (letters,
    digits, "-", "_", ".") and most its `marker`, the value of AETHER_PROCESS in its environment. A marker is
    looked for on the whole machine, so it must be unique there, not only for one daemon.
    """

    def __init__(self, root_name: str, *, mechanism: str | None = None) -> None:
        """Raises ValueError for a bad name, OSError when the forced mechanism does not work here."""
        self._root: Path | None = None
        self.mechanism = "processes"
        for candidate in MECHANISMS if mechanism is None else (mechanism,):
            root = _root(candidate, _checked(root_name))
            if root is not None or candidate == "processes":
                self.mechanism, self._root = candidate, root
                break
        else:
            raise OSError(f"no {mechanism} on this machine")
        if self._root is not None and self._root.is_relative_to(cgroups.own_mount(root_name)):
            self.mechanism = "cgroup2-own-mount"  # mounted by an earlier run of ours

    def make(self, name: str, within: str | None = None) -> list[str]:
        """Make the group of a tree and return the directories to join: none with "processes".

        `within` names the group of a pool of limits (limits.py) that it is made below.
        """
        group = self._group(name)
        if group is None:
            return []
        path = group.path
        if within is not None and self._root is not None and not path.is_dir():
            path = self._root / _checked(within) / name
        path.mkdir(exist_ok=True)
        return [str(path)]

    def members(self, name: str, marker: str) -> list[int]:
        """Return the pids of a tree; zombies do not count."""
        return sorted(self._find(name, marker))

    def freeze(self, name: str, marker: str) -> None:
        """Let every process of the tree stand still."""
        group = self._group(name)
        if group is not None and group.path.is_dir():
            group.freeze(True)
        self._stop(name, marker, group)

    def thaw(self, name: str, marker: str) -> None:
        """Let the tree go on."""
        group = self._group(name)
        outside = self._outside(name, marker, group)  # looked for before the rest competes with us for processors
        if group is not None and group.path.is_dir():
            group.freeze(False)
        _send(outside, signal.SIGCONT)

    def frozen(self, name: str, marker: str) -> bool:
        """Tell whether the whole tree stands still; a tree without processes does not."""
        group = self._group(name)
        found = self._find(name, marker)
        if group is not None and group.path.is_dir() and cgroups.members(group.path) and not group.frozen():
            return False
        outside = self._outside(name, marker, group)
        return bool(found) and all((now := stat(pid)) is None or now[0] in "Tt" for pid in outside)

    def signal(self, name: str, marker: str, signum: int) -> int:
        """Send a signal to every process of the tree and return to how many."""
        return len(_send(self._find(name, marker), signum))

    def kill(self, name: str, marker: str, *, deadline: float = 2.0) -> list[int]:
        """Kill the tree and wait for it to be gone; return who is left after `deadline` seconds."""
        give_up = time.monotonic() + deadline
        group = self._group(name)
        while True:
            if group is None or not group.kill():
                # It must stand still first: a tree that forks faster than we read never ends otherwise.
                with contextlib.suppress(OSError):
                    if group is not None and group.path.is_dir():
                        group.freeze(True)
                self._stop(name, marker, group)
            found = self._find(name, marker)
            _send(found, signal.SIGKILL)
            with contextlib.suppress(OSError):
                if isinstance(group, cgroups.Freezer) and group.path.is_dir():
                    group.freeze(False)  # v1 delivers even a SIGKILL only to what runs
            _wait(found, min(0.1, max(0.0, give_up - time.monotonic())))
            left = self._find(name, marker)
            if not left or time.monotonic() >= give_up:
                return sorted(left)

    def remove(self, name: str) -> None:
        """Remove the group of a tree. Raises OSError when processes are left in it."""
        group = self._group(name)
        if group is not None:
            cgroups.remove(group.path)

    def _group(self, name: str) -> cgroups.Group | None:
        if self._root is None:
            _checked(name)
            return None
        path = self._root / _checked(name)
        if not path.is_dir():
            path = next(self._root.glob(f"{POOL}*/{name}"), path)
        return cgroups.Freezer(path) if self.mechanism == "cgroup1-freezer" else cgroups.Unified(path)

    def _find(self, name: str, marker: str) -> dict[int, int]:
        """Return pid -> start time of the tree.

        Each start time is read before the proof that the pid belongs to the tree. So when the pid is used
        again in between, the start time kept is not that of the new process, and nothing is sent to it.
        """
        group = self._group(name)
        everybody = _everybody()
        grouped = cgroups.members(group.path) if group is not None else set()
        marked = {pid for pid in everybody if _marked(pid, marker)}
        shims = {everybody[pid][0] for pid in marked if _comm(everybody[pid][0]) == SHIM_NAME}
        below = _below(marked | shims | grouped, everybody)
        found = (grouped | marked | below) - _untouchable(everybody)
        return {pid: everybody[pid][1] for pid in found if pid in everybody}

    def _outside(self, name: str, marker: str, group: cgroups.Group | None) -> dict[int, int]:
        """Return the part of the tree that the group does not hold."""
        inside = cgroups.members(group.path) if group is not None else set()
        return {pid: start for pid, start in self._find(name, marker).items() if pid not in inside}

    def _stop(self, name: str, marker: str, group: cgroups.Group | None) -> None:
        """Stop what is outside the group, again and again until a look finds nobody new."""
        stopped: set[tuple[int, int]] = set()
        for _ in range(50):
            fresh = {
                pid: start for pid, start in self._outside(name, marker, group).items() if (pid, start) not in stopped
            }
            if not fresh:
                break
            _send(fresh, signal.SIGSTOP)
            stopped.update(fresh.items())
        give_up = time.monotonic() + 0.5
        while time.monotonic() < give_up:  # one that runs on another processor stops a moment later
            states = [stat(pid) for pid, _ in stopped]
            if all(now is None or now[0] in "TtZX" for now in states):
                return
            select.select((), (), (), 0.001)


def descendants(os_pid: int) -> list[int]:
    """Return the pids of all living processes below one, by their parents; zombies do not count."""
    return sorted(_below({os_pid}, _everybody()))


def _root(mechanism: str, name: str) -> Path | None:
    if mechanism == "cgroup2":
        return cgroups.unified_root(name)
    if mechanism == "cgroup2-own-mount":
        return cgroups.own_unified_root(name)
    if mechanism == "cgroup1-freezer":
        return cgroups.freezer_root(name)
    if mechanism == "processes":
        return None
    raise ValueError(f"no mechanism {mechanism!r}")


def _checked(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}", name) or name.startswith("cgroup."):
        raise ValueError(f"not a name for a process tree: {name!r}")
    return name


def _everybody() -> dict[int, tuple[int, int]]:
    """Return pid -> (parent's pid, start time) of every process that is not dead."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            now = stat(int(entry))
            if now is not None and now[0] not in "ZX":
                found[int(entry)] = (now[1], now[2])
    return found


def _below(roots: Iterable[int], everybody: dict[int, tuple[int, int]]) -> set[int]:
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in everybody.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    queue = list(roots)
    while queue:
        for pid in children.get(queue.pop(), ()):
            if pid not in found:
                found.add(pid)
                queue.append(pid)
    return found


def _untouchable(everybody: dict[int, tuple[int, int]]) -> set[int]:
    """Return init, ourselves and our ancestors."""
    found = {0, 1}
    pid = os.getpid()
    while pid not in found:
        found.add(pid)
        pid = everybody[pid][0] if pid in everybody else 0
    return found


def _marked(pid: int, marker: str) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return MARKER + marker.encode() in file.read().split(b"\0")
    except OSError:
        return False


def _comm(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            return file.read().strip()
    except OSError:
        return b""


def _send(targets: dict[int, int], signum: int) -> list[int]:
    """Signal exactly these processes, by pid and start time; return who got it."""
    reached = []
    for pid, start in targets.items():
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            continue
        try:
            # The descriptor holds one process for good; whether it is the right one is asked after opening.
            now = stat(pid)
            if now is not None and now[2] == start:
                signal.pidfd_send_signal(handle, signum)
                reached.append(pid)
        except OSError:
            continue
        finally:
            os.close(handle)
    return reached


def _wait(targets: dict[int, int], seconds: float) -> None:
    """Wait until all of these have ended, at most so long."""
    give_up = time.monotonic() + seconds
    for pid, start in targets.items():
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            continue
        try:
            now = stat(pid)
            if now is not None and now[2] == start:
                poll = select.poll()
                poll.register(handle, select.POLLIN)
                poll.poll(max(0.0, give_up - time.monotonic()) * 1000)
        finally:
            os.close(handle)
