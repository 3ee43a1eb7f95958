"""Sandboxes: which walls this machine has, who stands behind which, what they use; commands in them, and images."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskGroup

from aetherd.core.config import Settings
from aetherd.core.errors import AetherError, Conflict, Forbidden, Invalid, Unavailable
from aetherd.core.model import position
from aetherd.kernel.sandbox import models as m
from aetherd.kernel.sandbox.commands import Commands
from aetherd.kernel.sandbox.docker import Engine
from aetherd.kernel.sandbox.events import SandboxImageMade, SandboxOomKilled, SandboxPruned
from aetherd.kernel.sandbox.holding import Holding
from aetherd.kernel.sandbox.images import Images
from aetherd.kernel.sandbox.ports import Processes
from aetherd.operations.beside import Place
from aetherd.operations.bounds import Bounded
from aetherd.operations.lifecycle import Lifecycle
from aetherd.operations.operation import Call, Effect, Rule, Subject, operation
from aetherd.store import Store, Tx

logger = logging.getLogger(__name__)

ONE = Subject("process", "pid")


class SandboxService:
    """Speaks for the tiers; the process room asks `Holding` for a sandbox at every start."""

    def __init__(self, store: Store, settings: Settings, lifecycle: Lifecycle, process: Processes) -> None:
        self._store, self._lifecycle, self._process = store, lifecycle, process
        self._engine = Engine(settings.docker_host)
        self._images = Images(self._engine, settings.home / "images")
        self._commands = Commands(process)
        self._group: TaskGroup | None = None
        self.holding = Holding(settings, self._engine)

    def offers(self) -> Mapping[str, Any]:
        """Give processes their sandboxes, and tell when the kernel kills in one."""
        return {"process.sandboxes": self.holding, "process.oom_hooks": self.killed_in}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Clear away what a daemon before us left: commands nobody waits for, sandboxes without a process."""
        await self._commands.recover()
        try:
            await self.holding.probe()
            await self._prune(dry_run=False)
        except AetherError as exc:  # an engine that is away keeps nobody from starting
            logger.warning("left sandboxes were not looked for: %s", exc.message)
        try:
            async with anyio.create_task_group() as self._group:
                yield
                self._group.cancel_scope.cancel()
        finally:
            self._group = None
            await self.holding.aclose()
            self._engine.close()

    def health(self) -> dict[str, Any]:
        """Say which tiers work, and whether a person should know that none but host does."""
        tiers = self.holding.reasons
        ok = any(reason is None for name, reason in tiers.items() if name != "host")
        detail = "" if ok else "no sandbox works here: " + "; ".join(f"{name}: {why}" for name, why in tiers.items())
        return {"ok": ok, "detail": detail, "tiers": dict(tiers), "default": self.holding.default}

    # Operations -------------------------------------------------------------------------------------

    @operation("sandbox.list", effect=Effect.READ, access=Rule.OWN)
    async def list_sandboxes(self, input: m.SandboxList, call: Call) -> m.Sandboxes:
        """List the tiers of this machine, with the reason where one does not work, and where each process runs."""
        after, cursor = position(input.cursor, 0), None
        found: list[m.Sandbox] = []
        for one in sorted(await self._process.bounds.living(), key=lambda one: one.pid):
            if one.pid > after and call.owns(await self._process.owner(one.pid)):
                if len(found) == input.limit:
                    cursor = str(found[-1].pid)
                    break
                found.append(await self._sandbox(one))
        mechanism, lacking = self._process.bounds.enforced
        return m.Sandboxes(
            tiers=await self._tiers(),
            limits=f"{mechanism}; {lacking}" if lacking else mechanism,
            sandboxes=found,
            cursor=cursor,
        )

    @operation("sandbox.get", effect=Effect.READ, access=ONE, positional=("pid",))
    async def get(self, input: m.SandboxRef, call: Call) -> m.Sandbox:
        """Show where a process runs: tier, uid, image, network, limits, and which paths it reaches."""
        pid = _pid(input, call)
        return await self._sandbox(await self._living(pid))

    @operation("sandbox.exec", access=ONE, positional=("pid", "argv"), long=True)
    async def exec(self, input: m.Exec, call: Call) -> m.Executed:
        """Run a command in a process's sandbox, as its agent, to its end; nothing it started is left.

        What does not fit into the answer is in a file in the agent's home.
        """
        place = await self._own(_pid(input, call), call)
        row = await self._process.row_of(place.pid)
        cwd = Path(row.cwd) / (input.cwd or "")
        uid = row.uid if self._lifecycle.own_uids else None
        return await self._commands.run(place, uid, input.argv, cwd, input.limit, input.timeout_s)

    @operation("sandbox.stats", effect=Effect.READ, access=ONE, positional=("pid",))
    async def stats(self, input: m.SandboxRef, call: Call) -> m.Stats:
        """Measure what everything of a process uses together: memory, processes, processor time."""
        living = await self._living(_pid(input, call))
        used = await self._process.bounds.usage(living.pid)
        return m.Stats(
            pid=living.pid,
            memory_bytes=used.memory_bytes,
            memory_peak=used.memory_peak,
            processes=used.processes,
            cpu_s=used.cpu_s,
            oom_kills=used.oom_kills,
            source=used.source,
            limits=dict(living.limits),
        )

    @operation("sandbox.set_limits", access=ONE, positional=("pid",))
    async def set_limits(self, input: m.SetLimits, call: Call) -> m.LimitsSet:
        """Change the limits of a process while it runs; an agent only tightens them."""
        pid = _pid(input, call)
        wanted = input.model_dump(exclude={"pid"}, exclude_none=True)
        if not wanted:
            raise Invalid("name a limit to change: cpu, memory_mb, pids or disk_mb")
        if call.agent is not None:
            now = (await self._living(pid)).limits
            for name, value in wanted.items():
                if not value or value > now.get(name, value):
                    raise Forbidden(f"an agent only tightens limits; {name} is {now.get(name, 'open')}", field=name)
        changes = {name: value or None for name, value in wanted.items()}
        return m.LimitsSet(pid=pid, limits=await self._process.bounds.set_limits(pid, changes, call.actor))

    @operation("sandbox.images", effect=Effect.READ, access=Rule.ANYONE)
    async def images(self, input: m.Nothing, call: Call) -> m.Images:
        """List the images for the tier docker: those of our recipes, built or not, then others; agents see ours."""
        found = await self._images.all()
        if call.agent is not None:
            found = [image for image in found if image.recipe is not None]
        return m.Images(images=found, unavailable=await self._engine.trouble())

    @operation("sandbox.build_image", access=Rule.PEOPLE, positional=("recipe",), long=True)
    async def build_image(self, input: m.BuildImage, call: Call) -> m.Image:
        """Build an image from a recipe, without a registry: a minute or two.

        What it says is told as it goes, here and by sandbox.images; it goes on when the caller leaves.
        """
        if self._group is None:
            raise Unavailable("aetherd is starting or shutting down")
        build = Build(input, call)
        self._group.start_soon(self._build, build)
        return await build.outcome()

    @operation("sandbox.prune", effect=Effect.DESTROY, access=Rule.PEOPLE)
    async def prune(self, input: m.Prune, call: Call) -> m.Pruned:
        """Remove sandboxes whose process has ended and, if wished, our images that nothing uses."""
        removed = await self._prune(dry_run=input.dry_run)
        if input.images:
            removed += await self._images.prune(dry_run=input.dry_run)
        return m.Pruned(removed=removed, done=not input.dry_run)

    # Inside -----------------------------------------------------------------------------------------

    def killed_in(self, tx: Tx, pid: int, agent: str, kills: int) -> None:
        """Tell that programs were killed because the memory of their process was full."""
        tx.emit(SandboxOomKilled(pid=pid, agent=agent, kills=kills))

    async def _build(self, build: Build) -> None:
        try:
            build.image = await self._images.build(build.wish.recipe, build.wish.way, build.say)
            told = SandboxImageMade(image=build.image.name, recipe=build.wish.recipe)
            await self._store.write(lambda tx: tx.emit(told))
        except AetherError as exc:
            build.error = exc
            logger.warning("image %s was not built: %s", build.wish.recipe, exc.message)
        except Exception:  # the boundary of a child task: it must not end the daemon
            logger.exception("the build of image %s failed", build.wish.recipe)
        finally:
            build.done.set()

    async def _prune(self, *, dry_run: bool) -> list[str]:
        living = {one.pid for one in await self._process.bounds.living()}
        removed = [f"{tier} p{pid}" for tier, pid in await self.holding.orphans(living)]
        if removed and not dry_run:
            await self.holding.end_orphans(living)
            await self._store.write(lambda tx: tx.emit(SandboxPruned(removed=removed)))
        return removed

    async def _tiers(self) -> list[m.TierFound]:
        return [
            m.TierFound(name=name, works=reason is None, default=name == self.holding.default, reason=reason)
            for name, reason in self.holding.reasons.items()
        ]

    async def _living(self, pid: int) -> Bounded:
        for one in await self._process.bounds.living():
            if one.pid == pid:
                return one
        await self._process.place_of(pid)  # not found, if it never was
        raise Conflict(f"process {pid} has ended, and its sandbox with it", pid=pid)

    async def _own(self, pid: int, call: Call) -> Place:
        """Return the place of a process the caller may run commands in."""
        place = await self._process.place_of(pid)
        if call.agent is not None and (call.agent != place.agent or call.pid not in (None, pid)):
            raise Forbidden("an agent runs commands only in its own sandbox", pid=pid)
        if not place.alive:
            raise Conflict(f"process {pid} has ended", pid=pid)
        return place

    async def _sandbox(self, one: Bounded) -> m.Sandbox:
        row = await self._process.row_of(one.pid)
        place = await self._process.place_of(one.pid)
        wish = json.loads(row.sandbox)
        shared: Sequence[m.Mounted] = [
            m.Mounted(path=str(mount.path), readonly=mount.readonly) for mount in await self._process.mounts(one.agent)
        ]
        return m.Sandbox(
            pid=one.pid,
            agent=one.agent,
            name=one.name,
            state=one.state,
            tier=one.tier,
            uid=row.uid if self._lifecycle.own_uids else None,
            image=wish.get("image"),
            network=wish.get("network"),
            graphical=bool(wish.get("graphical")),
            limits=dict(one.limits),
            mounts=[m.Mounted(path=str(place.home), readonly=False), *shared],
        )


class Build:
    """The build of an image, which outlives the call that asked for it."""

    def __init__(self, wish: m.BuildImage, call: Call) -> None:
        self.wish, self.done = wish, anyio.Event()
        self.image: m.Image | None = None
        self.error: AetherError | None = None
        self._progress, self._lines = call.progress, 0

    async def say(self, line: str) -> None:
        """Tell the caller, while it waits."""
        self._lines += 1
        if self._progress is not None:
            await self._progress(self._lines, None, line[:500])

    async def outcome(self) -> m.Image:
        """Wait for what comes of it."""
        try:
            await self.done.wait()
        finally:
            self._progress = None
        if self.image is None:
            raise self.error or Unavailable(f"the build of image {self.wish.recipe} was called off")
        return self.image


def _pid(input: m.SandboxRef, call: Call) -> int:
    pid = input.pid if input.pid is not None else call.pid
    if pid is None:
        raise Invalid("name the process whose sandbox is meant: `pid`", field="pid")
    return pid
