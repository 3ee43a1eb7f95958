"""Tier `host`: how a process is started on this machine itself, under a uid of its own when we are root.

An agent's uid cannot walk through a directory that is closed to others, such as /root or `$AETHER_HOME`
(0700). So for each such directory the child gets a mount namespace in which it is an empty place with only
the paths that the agent needs bound into it: it reaches its home, its door and its runtime, and sees nothing
of the rest.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from aetherd import __version__
from aetherd.core.config import Settings
from aetherd.core.errors import Invalid
from aetherd.operations.errands import Mount
from aetherd.operations.sandboxes import OWN, Inside
from aetherd.runtime import Launch
from aetherd.shim.client import Spawned, SpawnFailed, SpawnRequest, Zygote
from aetherd.shim.limits import Caps, Limiter
from aetherd.shim.tree import Trees
from aetherd.shim.views import windows as view

logger = logging.getLogger(__name__)

PROBE_ENV = {"PATH": "/usr/bin:/bin"}
EXPENDABLE = 500  # when memory is full a command goes, not what holds its sandbox
LONGEST_SOCKET = 100  # bytes; the kernel takes 107


@dataclass(frozen=True, slots=True)
class Identity:
    """Under whom a process runs."""

    uid: int | None  # None: the daemon's own
    marker: str  # AETHER_PROCESS: by it leftovers are found
    tree: str  # name of its cgroup


@dataclass(frozen=True, slots=True)
class Pool:
    """What everything that belongs to one process may use together; `fenced`: it stands in a sandbox."""

    name: str
    caps: Caps
    fenced: bool = False


class Host:
    """Starts shims through the zygote and owns the process trees."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.key = hashlib.sha256(str(settings.home).encode()).hexdigest()[:8]
        self.own_uids = False
        self.why_shared = "the daemon does not run as root"
        self._zygote: Zygote | None = None
        self._trees: Trees | None = None
        self._limiter: Limiter | None = None
        self.shims = settings.home / "shim"

    async def start(self) -> None:
        """Start the zygote and find out what this machine offers."""
        if len(str(self.settings.run_dir / "p" / "1000000" / "s")) > LONGEST_SOCKET:
            raise Invalid(f"AETHER_HOME is too long a path for sockets: {self.settings.home}; use a shorter one")
        self.shims.mkdir(mode=0o700, exist_ok=True)
        (self.settings.run_dir / "p").mkdir(mode=0o711, exist_ok=True)
        self._trees = await anyio.to_thread.run_sync(Trees, f"aetherd-{self.key}")
        self._limiter = await anyio.to_thread.run_sync(Limiter, f"aetherd-{self.key}")
        self._zygote = await Zygote.start(self.settings.run_dir, name=f"zygote-{__version__}")
        if os.geteuid() == 0:
            await self._probe()

    async def stop(self) -> None:
        """Let the zygote go; processes go on."""
        if self._zygote is not None:
            await self._zygote.aclose()

    @property
    def trees(self) -> Trees:
        """The process trees; blocking, call in a thread."""
        assert self._trees is not None
        return self._trees

    @property
    def limiter(self) -> Limiter:
        """The pools of limits; blocking, call in a thread."""
        assert self._limiter is not None
        return self._limiter

    def join(self, tree: str, pool: Pool | None) -> list[str]:
        """Make the groups of a tree and of its pool and return the directories to join; blocking."""
        if pool is None:
            return self.trees.make(tree)
        bounded = self.limiter.make(pool.name, pool.caps)
        return [*self.trees.make(tree, self.limiter.within(pool.name)), *bounded]

    def forget_pool(self, name: str) -> bool:
        """Remove a pool; False while something is left in it, such as a person's terminal. Blocking."""
        try:
            self.limiter.remove(name)
        except OSError:
            return False
        return True

    def identity(self, name: str, uid: int | None) -> Identity:
        """Return under whom the process or terminal of this name runs."""
        return Identity(uid if self.own_uids else None, f"{self.key}-{name}", name)

    def door(self, pid: int) -> Path:
        """Return the directory of a process's own socket."""
        return self.settings.run_dir / "p" / str(pid)

    def doors(self) -> list[int]:
        """Return the pids that have a door directory."""
        return [int(place.name) for place in (self.settings.run_dir / "p").iterdir() if place.name.isdecimal()]

    def make_door(self, pid: int, uid: int | None) -> Path:
        """Make the directory that only this process may enter; returns the socket's path."""
        place = self.door(pid)
        place.mkdir(mode=0o750, exist_ok=True)
        own = place / OWN
        own.mkdir(mode=0o700, exist_ok=True)
        if uid is not None:
            os.chown(place, 0, uid)
            os.chmod(place, 0o750)
            os.chown(own, uid, uid, follow_symlinks=False)
        return place / "s"

    def drop_door(self, pid: int) -> None:
        """Remove the directory of a process that has ended, also while nobody served its door."""
        shutil.rmtree(self.door(pid), ignore_errors=True)

    async def start_shim(
        self,
        directory: Path,
        identity: Identity,
        launch: Launch,
        *,
        rows: int,
        cols: int,
        home: Path,
        rlimits: Mapping[str, Sequence[int]] | None = None,
        reach: Iterable[Path] = (),
        mounts: Sequence[Mount] = (),
        own: Iterable[Path] = (),
        pool: Pool | None = None,
        inside: Inside | None = None,
    ) -> Spawned:
        """Start a command under an identity; `reach` is what else it reads, `own` what it also writes.

        `inside` is the sandbox it is born in; there it reaches what that shows.
        """
        assert self._zygote is not None
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # noqa: ASYNC240 - one quick system call
        cgroups = await anyio.to_thread.run_sync(self.join, identity.tree, pool)
        windows, groups = None, []
        if identity.uid is not None:
            groups = [mount.gid for mount in mounts if mount.gid is not None]
        if identity.uid is not None and inside is None:
            shared = [(mount.path, mount.readonly) for mount in mounts]
            seen = [
                (home, False),
                *((path, False) for path in own),
                *((path, True) for path in (*launch.needs, *reach)),
            ]
            windows = view(identity.uid, [*seen, *shared])
        request = SpawnRequest(
            directory=str(directory),
            argv=launch.argv,
            # Its own last: there is no other way out of a sandbox, and no other place for temporary files.
            env={**launch.env, **(inside.env if inside else {}), "AETHER_PROCESS": identity.marker},
            cwd=str(launch.cwd),
            stdio=launch.stdio,
            rows=rows,
            cols=cols,
            uid=identity.uid,
            gid=identity.uid,
            groups=groups,
            umask=0o002 if groups else 0o022,  # what it makes in a workspace is its group's to write
            cgroups=cgroups,
            windows=windows,
            rlimits=rlimits or {},
            enter=None if inside is None else inside.enter,
            seccomp=None if inside is None else inside.seccomp,
            oom_score_adj=EXPENDABLE if pool is not None and pool.fenced else None,
        )
        return await self._zygote.spawn(request)

    async def _probe(self) -> None:
        """Try the real thing once: another uid behind windows. Where that is not allowed, say so."""
        assert self._zygote is not None
        directory = self.shims / f"probe-{os.getpid()}"
        home = self.settings.home / "agents"
        home.mkdir(mode=0o711, exist_ok=True)
        launch = Launch(("/bin/true",), PROBE_ENV, Path("/"), "pipes")
        self.own_uids = True
        try:
            identity = self.identity("probe", self.settings.agent_uid_base - 1)
            await self.start_shim(directory, identity, launch, rows=24, cols=80, home=home)
        except SpawnFailed as exc:
            if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                return  # that proves nothing; a spawn that could not have its own uid would fail, never share ours
            self.own_uids = False
            self.why_shared = f"this machine does not let us give agents a uid of their own: {exc}"
            logger.warning("agents share the daemon's uid: %s", exc)
        finally:
            await anyio.to_thread.run_sync(_remove_later, directory)


def _remove_later(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
