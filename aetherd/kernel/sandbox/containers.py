"""Tier `docker`: a hardened container per process that only stands there; every program enters it from outside.

The container gives the walls: its root file system, its namespaces, its own devices. Commands, terminals and the rest
are born in its namespaces by our own shims (docs/adr/0012-sandboxes.md), so they live and are found again as in every
other tier, and `docker exec` and its attachments, which die with their reader, are not used at all.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread

from aetherd.core.errors import NotFound, Unavailable
from aetherd.kernel.sandbox.docker import Bind, Container, Engine
from aetherd.kernel.sandbox.images import BASE, DESKTOP
from aetherd.kernel.sandbox.keepers import Keepers
from aetherd.kernel.sandbox.plan import MB, RUN, THEIRS, Inside, Plan, binds_of, record, sizes, within

PYTHON = "/usr/bin/python3"


class Docker:
    """Makes, finds and ends containers, one per process, named `aether-<key of the house>-p<pid>`."""

    name = "docker"

    def __init__(self, engine: Engine, keepers: Keepers, home: Path, key: str) -> None:
        self._engine, self._keepers, self._home, self._key = engine, keepers, home, key

    async def probe(self) -> str | None:
        """Return why it does not work here; an image that is missing is told when it is asked for."""
        return await self._engine.trouble()

    async def hold(self, plan: Plan) -> Inside:
        """Return the container of a process, started if need be, with a keeper that listens in its network.

        Raises `Unavailable`; then nothing is left.
        """

        def look() -> tuple[Container, str, str | None, bool]:  # in one go, as each way to a thread costs time
            wanted = self._container(plan)
            told = record(plan, [(bind.outside, bind.inside, bind.readonly) for bind in wanted.binds])
            noted = json.dumps([wanted.image, wanted.uid, told])
            return wanted, noted, self._keepers.noted(plan.pid), self._keepers.directory(plan.pid).exists()

        wanted, noted, kept, left = await anyio.to_thread.run_sync(look)
        if kept == noted and (found := await self.find(plan.pid)) is not None:
            return found
        with anyio.CancelScope(shield=True):  # one who leaves leaves nothing half made
            try:
                if left:
                    await self.drop(plan.pid)
                inside = await self._make(plan, wanted, noted)
            except BaseException:
                await self.drop(plan.pid)
                raise
        return inside

    async def find(self, pid: int) -> Inside | None:
        """Return a container that runs and is kept; one without its keeper has lost its doors, and is ended."""
        standing = await self._engine.standing(self._name(pid))
        if standing is None:
            return None
        found = None if standing.pid is None else await self._keepers.kept(pid, standing.pid, python=PYTHON)
        if found is None:
            await self.drop(pid)
        return found

    async def drop(self, pid: int) -> None:
        """Kill and remove the container of a process."""
        await self._keepers.release(pid)
        await self._engine.remove(self._name(pid))

    async def pids(self) -> list[int]:
        """Return the processes of this house that have a container, running or not."""
        return [int(one.labels["aetherd.pid"]) for one in await self._engine.labelled(f"aetherd.home={self._key}")]

    async def _make(self, plan: Plan, wanted: Container, noted: str) -> Inside:
        image = wanted.image
        try:
            await self._engine.create(wanted)
        except NotFound as exc:
            recipe = image.partition("/")[2].partition(":")[0]
            ours = image in (BASE, DESKTOP)
            mend = f"build it: aetherctl sandbox build-image {recipe}" if ours else "sandbox.images shows those there"
            raise Unavailable(f"Docker has no image {image}; {mend}", image=image) from exc
        first = await self._engine.start(wanted.name)
        if not await anyio.to_thread.run_sync(os.path.lexists, f"/proc/{first}/root{PYTHON}"):
            raise Unavailable(f"the image {image} has no {PYTHON}, which aether's tools need; use another", image=image)
        return await self._keepers.adopt(plan, first, noted, python=PYTHON)

    def _name(self, pid: int) -> str:
        return f"aether-{self._key}-p{pid}"

    def _container(self, plan: Plan) -> Container:
        """Return what the container of a plan is made from; blocking."""
        if plan.uid is None:
            raise Unavailable("agents have no uid of their own here, and root is not fenced in; see system.doctor")
        graphical = bool(plan.wish.get("graphical"))
        memory = int(plan.limits["memory_mb"]) * MB if plan.limits.get("memory_mb") else None
        binds, (tmp, shm) = tuple(self._binds(plan)), sizes(plan)
        tmpfs = {
            "/tmp": f"exec,nosuid,nodev,size={tmp},mode=1777",
            "/run": f"nosuid,nodev,size={MB},mode=755",
            "/run/user": f"nosuid,nodev,size={RUN},mode=1777",
        }
        if any(within(bind.inside, Path("/root")) for bind in binds):
            tmpfs["/root"] = f"nosuid,nodev,size={MB},mode=711"  # in images it is closed, and what lies below with it
        if any(bind.inside in self._home.parents for bind in binds):
            tmpfs[str(self._home)] = f"nosuid,nodev,size={MB},mode=711"  # of it only what is bound into it
        return Container(
            self._name(plan.pid),
            plan.wish.get("image") or (DESKTOP if graphical else BASE),
            plan.uid,
            binds,
            {"aetherd.home": self._key, "aetherd.pid": str(plan.pid), "aetherd.agent": plan.agent},
            tmpfs,
            shm,
            memory,
            plan.limits.get("cpu"),
            plan.limits.get("pids"),
            plan.gpus,
        )

    def _binds(self, plan: Plan) -> Iterator[Bind]:
        """Yield what it sees of this machine's files.

        Our own interpreter is left out, as the image has one; what else a runtime needs from the system's directories
        is shown, as the image has its own of those.
        """
        ours = {Path(sys.base_prefix).resolve(), Path(sys.executable).resolve()}
        for outside, inside, readonly in binds_of(plan, self._home):
            if outside not in ours:
                yield Bind(outside, inside, readonly)
        for path in sorted({real for need in plan.needs for real in (need, need.resolve())} - ours):
            if path.exists() and path not in THEIRS and any(within(path, place) for place in THEIRS):
                yield Bind(path, path, True)
