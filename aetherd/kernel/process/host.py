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
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread

from aetherd import __version__
from aetherd.core.config import Settings
from aetherd.core.errors import Invalid, Unavailable
from aetherd.operations.errands import Mount
from aetherd.runtime import Launch
from aetherd.shim.client import Spawned, SpawnFailed, SpawnRequest, Zygote
from aetherd.shim.tree import Trees

logger = logging.getLogger(__name__)

PROBE_ENV = {"PATH": "/usr/bin:/bin"}
LONGEST_SOCKET = 100  # bytes; the kernel takes 107


@dataclass(frozen=True, slots=True)
class Identity:
    """Under whom a process runs."""

    uid: int | None  # None: the daemon's own
    marker: str  # AETHER_PROCESS: by it leftovers are found
    tree: str  # name of its cgroup


class Host:
    """Starts shims through the zygote and owns the process trees."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.key = hashlib.sha256(str(settings.home).encode()).hexdigest()[:8]
        self.own_uids = False
        self.why_shared = "the daemon does not run as root"
        self._zygote: Zygote | None = None
        self._trees: Trees | None = None
        self.shims = settings.home / "shim"

    async def start(self) -> None:
        """Start the zygote and find out what this machine offers."""
        if len(str(self.settings.run_dir / "p" / "1000000" / "s")) > LONGEST_SOCKET:
            raise Invalid(f"AETHER_HOME is too long a path for sockets: {self.settings.home}; use a shorter one")
        self.shims.mkdir(mode=0o700, exist_ok=True)
        (self.settings.run_dir / "p").mkdir(mode=0o711, exist_ok=True)
        self._trees = await anyio.to_thread.run_sync(Trees, f"aetherd-{self.key}")
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
        if uid is not None:
            os.chown(place, 0, uid)
            os.chmod(place, 0o750)
        return place / "s"

    def drop_door(self, pid: int) -> None:
        """Remove the directory of a process that has ended, also while nobody served its door."""
        with suppress(OSError):
            (self.door(pid) / "s").unlink(missing_ok=True)
            self.door(pid).rmdir()

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
    ) -> Spawned:
        """Start a command under an identity; `reach` is what it must get at beside its home and its workspaces."""
        assert self._zygote is not None
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # noqa: ASYNC240 - one quick system call
        cgroups = await anyio.to_thread.run_sync(self.trees.make, identity.tree)
        windows, groups = None, []
        if identity.uid is not None:
            shared = [(mount.path, mount.readonly) for mount in mounts]
            seen = [(home, False), *((path, True) for path in (*launch.needs, *reach))]
            windows = self.windows(identity.uid, [*seen, *shared])
            groups = [mount.gid for mount in mounts if mount.gid is not None]
        request = SpawnRequest(
            directory=str(directory),
            argv=launch.argv,
            env={**launch.env, "AETHER_PROCESS": identity.marker},
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
        )
        return await self._zygote.spawn(request)

    def windows(self, uid: int, paths: Iterable[tuple[Path, bool]]) -> dict[str, Any] | None:
        """Return which directories to cover and what to bind, so that the uid reaches exactly these paths."""
        cover: set[Path] = set()
        binds: dict[Path, bool] = {}
        for path, readonly in paths:
            for real in {path, path.resolve()}:
                blocked = _blocked_ancestor(real, uid)
                if blocked is not None and real.exists():
                    cover.add(blocked)
                    binds[real] = readonly and binds.get(real, True)
        if not cover:
            return None
        kept = [
            path
            for path in sorted(binds)
            if not any(parent in binds and binds[parent] == binds[path] for parent in path.parents)
        ]
        return {
            "cover": [str(path) for path in sorted(cover)],
            "binds": [{"path": str(path), "readonly": binds[path]} for path in kept],
        }

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


def refuse_other_tiers(wish: Any) -> None:
    """Raise `Unavailable` for what only a sandbox could give."""
    if wish.tier not in (None, "host"):
        raise Unavailable(f"sandbox tier {wish.tier} is not built yet; only host is", tier=wish.tier)
    for name in ("network", "image", "graphical", "gpu"):
        if getattr(wish, name):
            raise Unavailable(f"sandbox.{name} needs a sandbox tier, and only host is built yet", field=name)


def _blocked_ancestor(path: Path, uid: int) -> Path | None:
    """Return the topmost directory above the path that the uid may not walk through."""
    for directory in reversed(path.parents):
        try:
            found = directory.stat()
        except OSError:
            return None
        mine = found.st_uid == uid and found.st_mode & stat.S_IXUSR
        if not (mine or found.st_mode & stat.S_IXOTH):
            return directory
    return None


def _remove_later(directory: Path) -> None:
    import shutil

    shutil.rmtree(directory, ignore_errors=True)
