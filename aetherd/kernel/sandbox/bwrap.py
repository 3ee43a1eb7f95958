"""Tier `bwrap`: bubblewrap makes a view of this machine that holds the agent's own things and the system's programs.

Nothing of it has rights: it is run as the agent's uid, in a user namespace of its own. A keeper holds it, and every
program enters it from outside with a filter of system calls (docs/adr/0012-sandboxes.md). It works without root too;
then all agents have the daemon's uid, and their walls are the namespaces alone.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import anyio
import anyio.to_thread

from aetherd.core.config import Settings
from aetherd.core.errors import Unavailable
from aetherd.kernel.sandbox import etc
from aetherd.kernel.sandbox.keepers import Keepers
from aetherd.kernel.sandbox.plan import OWN, RUN, SYSTEM, Inside, Plan, binds_of, record, sizes, within
from aetherd.kernel.sandbox.seccomp import program
from aetherd.shim.client import Held, HoldRequest
from aetherd.shim.frames import READY_FD, STATUS_FD
from aetherd.shim.views import windows

SECCOMP_FD, PASSWD_FD, GROUP_FD = 10, 11, 12
FIRST = f"echo ready >&{READY_FD}; exec {READY_FD}>&- {STATUS_FD}>&-; exec sleep infinity"


class Bwrap:
    """Makes, finds and ends bubblewrap's sandboxes."""

    name = "bwrap"

    def __init__(self, settings: Settings, keepers: Keepers) -> None:
        self._settings, self._keepers = settings, keepers
        self._trouble: str | None = None
        self._probed = False
        self._renewed, self._renewing = False, threading.Lock()

    async def probe(self) -> str | None:
        """Return why it does not work here, found out by making one; once it did, that is not asked again."""
        if not self._probed or self._trouble is not None:  # somebody may have installed it meanwhile
            self._trouble, self._probed = await self._try(), True
        return self._trouble

    async def hold(self, plan: Plan) -> Inside:
        """Return the sandbox of a process: the one that stands, if it shows what the plan says, else a new one."""

        def look() -> Held | HoldRequest | None:  # in one go: each way to a thread and back costs some of a start
            binds = list(binds_of(plan, self._settings.home))
            told = record(plan, binds)
            if self._keepers.directory(plan.pid).exists():
                held = self._keepers.found(plan.pid)
                return held if held is not None and self._keepers.noted(plan.pid) == told else None
            return self._request(plan, binds, told)

        try:
            if (found := await anyio.to_thread.run_sync(look)) is None:  # another one is held there, or left
                await self.drop(plan.pid)
                found = await anyio.to_thread.run_sync(look)
        except OSError as exc:  # the disk is full, or a place of the agent's is gone
            raise Unavailable(f"no sandbox for process {plan.pid}: {exc}", pid=plan.pid) from exc
        if isinstance(found, HoldRequest):
            try:
                found = await self._keepers.hold(plan, found)
            except BaseException:
                await self.drop(plan.pid)
                raise
        assert found is not None
        return self._keepers.inside(found)

    async def find(self, pid: int) -> Inside | None:
        """Return the sandbox of a process as it stands."""
        held = await anyio.to_thread.run_sync(self._keepers.found, pid)
        return None if held is None else self._keepers.inside(held)

    async def drop(self, pid: int) -> None:
        """End the sandbox and everything in it."""
        await self._keepers.release(pid)

    async def pids(self) -> list[int]:
        """Return the pids that have a sandbox, or something left of one."""
        return await self._keepers.pids("passwd")

    def _request(self, plan: Plan, binds: Sequence[tuple[Path, Path, bool]], told: str) -> HoldRequest:
        uid = os.geteuid() if plan.uid is None else plan.uid
        if uid == 0:
            raise Unavailable("agents have no uid of their own here, and root is not fenced in; see system.doctor")
        if (trouble := _missing()) is not None:
            raise Unavailable(f"no sandbox for process {plan.pid}: {trouble}")
        directory = self._keepers.make(plan.pid)
        (directory / "passwd").write_text(f"agent:x:{uid}:{uid}:agent:{plan.home}:/bin/bash\n")
        (directory / "group").write_text(f"agent:x:{uid}:\n")
        self._keepers.note(plan.pid, told)
        shown = self._etc()
        seen = [(shown, True), *((path, readonly) for path, _, readonly in binds)]
        view = None if plan.uid is None else windows(plan.uid, seen)
        return HoldRequest(
            directory="",
            door="",
            doors={},
            argv=["bwrap", *_walls(plan, uid, shown), *self._mounts(binds), *_end(plan)],
            env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
            uid=plan.uid,
            gid=plan.uid,
            groups=[mount.gid for mount in plan.mounts if mount.gid is not None],
            windows=view,
            files={
                SECCOMP_FD: str(self._keepers.filter()),
                PASSWD_FD: str(directory / "passwd"),
                GROUP_FD: str(directory / "group"),
            },
        )

    def _mounts(self, binds: Iterable[tuple[Path, Path, bool]]) -> Iterator[str]:
        covered = False
        for outside, inside, readonly in binds:
            if not covered and within(inside, self._settings.home):
                covered = True
            yield from ("--ro-bind" if readonly else "--bind", str(outside), str(inside))
            if not covered and within(self._settings.home, inside):
                yield from ("--perms", "0711", "--tmpfs", str(self._settings.home))
                covered = True

    def _etc(self) -> Path:
        """Return the /etc of sandboxes, up to date as of our start."""
        place = self._settings.home / "shim" / "etc"
        with self._renewing:
            if not self._renewed:
                etc.renew(place)
                self._renewed = True
        return place

    async def _try(self) -> str | None:
        """Make a sandbox of nothing and end it."""
        if (trouble := await anyio.to_thread.run_sync(_missing)) is not None:
            return trouble
        pid = 0  # no process of ours has it
        place = self._settings.run_dir / "p" / str(pid)
        home = self._settings.home / "agents" / ".probe"
        uid = self._settings.agent_uid_base - 1 if os.geteuid() == 0 else None
        try:
            await anyio.to_thread.run_sync(_make_places, (place / OWN, home), uid)
            await self.hold(Plan(pid, "", uid, home, home, home, place))
        except Unavailable as exc:
            return exc.message.removeprefix(f"no sandbox for process {pid}: ")
        except OSError as exc:
            return str(exc)
        finally:
            with anyio.CancelScope(shield=True):
                await self.drop(pid)
                await anyio.to_thread.run_sync(_remove, (place, home))
        return None


def _make_places(places: Iterable[Path], uid: int | None) -> None:
    for place in places:
        place.mkdir(mode=0o711, parents=True, exist_ok=True)
        if uid is not None:
            os.chown(place, uid, uid)


def _remove(places: Iterable[Path]) -> None:
    for place in places:
        shutil.rmtree(place, ignore_errors=True)


def _missing() -> str | None:
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed; on Debian and Ubuntu: apt install bubblewrap"
    if program() is None:
        return f"aetherd has no filter of system calls for this processor ({os.uname().machine})"
    return None


def _walls(plan: Plan, uid: int, shown: Path) -> Iterator[str]:
    """Yield what every sandbox has: namespaces, the system's programs, places of its own."""
    yield from ("--unshare-user", "--uid", str(uid), "--gid", str(uid), "--disable-userns", "--unshare-pid")
    yield from ("--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--die-with-parent", "--hostname", "agent")
    yield "--clearenv"
    yield from ("--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin")
    yield from ("--ro-bind", "/usr", "/usr")
    for name in SYSTEM:
        place = Path("/", name)
        if place.is_symlink():
            yield from ("--symlink", os.readlink(place), str(place))
        elif place.is_dir():
            yield from ("--ro-bind", str(place), str(place))
    yield from ("--ro-bind", str(shown), "/etc")
    yield from ("--ro-bind-data", str(PASSWD_FD), "/etc/passwd", "--ro-bind-data", str(GROUP_FD), "/etc/group")
    tmp, shm = sizes(plan)
    yield from ("--proc", "/proc", "--dev", "/dev")
    yield from ("--size", str(shm), "--perms", "1777", "--tmpfs", "/dev/shm")
    for device in plan.devices:
        yield from ("--dev-bind", str(device), str(device))
    yield from ("--remount-ro", "/dev")
    yield from ("--size", str(tmp), "--perms", "1777", "--tmpfs", "/tmp")
    yield from ("--dir", "/var", "--symlink", "../tmp", "/var/tmp")
    yield from ("--size", str(RUN), "--perms", "0700", "--tmpfs", "/run/user")


def _end(plan: Plan) -> Iterator[str]:
    yield from ("--remount-ro", "/", "--chdir", "/", "--seccomp", str(SECCOMP_FD))
    yield from ("--json-status-fd", str(STATUS_FD), "--", "/bin/sh", "-c", FIRST)
