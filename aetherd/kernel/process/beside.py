"""What the terminal room needs of a process: its place, and shims that stand beside it.

A person's terminal runs under the agent's uid and in its home, but in a cgroup of its own, so that pausing
the agent does not freeze the person.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import anyio.to_thread
from sqlmodel import Session

from aetherd.core.errors import NotFound, Unavailable
from aetherd.kernel.process.bounds import pool_of
from aetherd.kernel.process.states import ENDED, State
from aetherd.kernel.process.tables import IncarnationRow, ProcessRow
from aetherd.operations.beside import Place
from aetherd.operations.sandboxes import OWN
from aetherd.runtime import Launch
from aetherd.shim.client import ShimError

if TYPE_CHECKING:
    from aetherd.kernel.process.workshop import Workshop

SHELL_ENV = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin", "SHELL": "/bin/bash"}


class Beside:
    """Starts and ends shims beside processes."""

    def __init__(self, workshop: Workshop) -> None:
        self._w = workshop

    async def place_of(self, pid: int) -> Place:
        """Return where a process stands."""

        def query(session: Session) -> tuple[ProcessRow | None, IncarnationRow | None]:
            row = session.get(ProcessRow, pid)
            return row, None if row is None else session.get(IncarnationRow, (pid, row.incarnation))

        row, inc = await self._w.store.read(query)
        if row is None:
            raise NotFound(f"no process {pid}; process.list shows those there are", kind="process", id=pid)
        return Place(
            pid=pid,
            agent=row.agent,
            user=row.user,
            org=row.org,
            parent=row.parent_agent,
            home=self._w.settings.home / "agents" / row.agent / "home",
            alive=State(row.state) not in ENDED,
            stdio=inc.stdio if inc is not None else None,
            directory=self._w.shim_dir(pid, row.incarnation) if inc is not None and inc.os_pid else None,
            title=f"{row.name} ({row.runtime})",
            controlled=row.want == "tui",
            tier=row.tier,
            door=self._w.host.door(pid),
            door_inside=self._w.walls.door(row),
            graphical=bool(json.loads(row.sandbox).get("graphical")),
        )

    async def start_beside(
        self,
        pid: int,
        directory: Path,
        argv: Sequence[str],
        *,
        cwd: Path,
        rows: int = 24,
        cols: int = 80,
        name: str,
        env: Mapping[str, str] | None = None,
        stdio: Literal["pty", "pipes"] = "pty",
    ) -> None:
        """Start a shim in the process's place, `env` on top of that of a shell; raises `Unavailable`."""
        row = await self._w.read_row(pid)
        home = self._w.settings.home / "agents" / row.agent / "home"
        found = {**SHELL_ENV, "HOME": str(home), "AETHER_AGENT": row.agent, **await self.environment(pid)}
        launch = Launch(tuple(argv), {**found, **(env or {})}, cwd, stdio, needs=(home,))
        door = self._w.host.door(pid)
        try:
            await self._w.host.start_shim(
                directory,
                self._w.host.identity(name, row.uid),
                launch,
                rows=rows,
                cols=cols,
                home=home,
                mounts=await self._w.mounts(row.agent),
                reach=(door,),
                own=(door / OWN,),
                pool=pool_of(row),
                inside=await self._w.walls.standing(row),
            )
        except ShimError as exc:
            raise Unavailable(f"what was to run beside process {pid} could not be started: {exc}", pid=pid) from exc

    async def environment(self, pid: int) -> dict[str, str]:
        """Return what rooms have to tell all programs of a process, such as its display."""
        if not self._w.launch_env:
            return {}
        place = await self.place_of(pid)
        return {name: value for look in self._w.launch_env for name, value in (await look(place)).items()}

    async def end_beside(self, name: str) -> None:
        """Kill its whole tree and remove its cgroup."""
        identity = self._w.host.identity(name, None)
        await anyio.to_thread.run_sync(self._w.host.trees.kill, identity.tree, identity.marker)
        await anyio.to_thread.run_sync(self._w.host.trees.remove, identity.tree)

    def terminal_dir(self, name: str) -> Path:
        """Return where a terminal's shim files live."""
        return self._w.host.shims / name
