"""Runtimes: which there are, what each was seen to do, and installing one with nothing system-wide."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from aetherd.core.clock import Clock, stamp
from aetherd.core.config import Settings
from aetherd.core.errors import AetherError, Conflict, Invalid, NotFound, Unavailable
from aetherd.kernel.runtime import models as m
from aetherd.kernel.runtime.events import RuntimeInstalled, RuntimeInstallFailed, RuntimeRemoved
from aetherd.kernel.runtime.installer import Installer, Step, pinned, tools_of
from aetherd.kernel.runtime.ports import Installable, Processes
from aetherd.kernel.runtime.sealed import damage, head_of
from aetherd.kernel.runtime.shelf import Shelf
from aetherd.operations.observed import Observations
from aetherd.operations.operation import Call, Effect, Rule, operation
from aetherd.runtime import Package, Report, Runtime
from aetherd.store import Store

logger = logging.getLogger(__name__)

CHECK_S = 15.0
TOLD_S = 0.1  # progress is passed on as often, not for each of a thousand packages


@dataclass(slots=True)
class Job:
    """An install under way; whoever asks for the same one meanwhile follows it."""

    runtime: str
    version: str
    begun: float
    now: m.Progress
    news: anyio.Event = field(default_factory=anyio.Event)
    error: AetherError | None = None
    done: bool = False

    def tell(self, progress: m.Progress, *, done: bool = False) -> None:
        """Let everybody who follows know."""
        self.now, self.done = progress, done
        self.news.set()
        self.news = anyio.Event()


class RuntimeService:
    """Knows the adapters; installs, checks and removes what they drive."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Clock,
        runtimes: Mapping[str, Runtime],
        observations: Observations,
        process: Processes,
    ) -> None:
        self._store, self._clock = store, clock
        self._runtimes, self._observations, self._process = runtimes, observations, process
        self._shelf = Shelf(settings.home / "runtimes")
        self._installer = Installer(self._shelf, os.environ)
        self._jobs: dict[str, Job] = {}
        self._group: TaskGroup | None = None
        for adapter in runtimes.values():  # before any process is started again
            if isinstance(adapter, Installable):
                adapter.prefix = self._shelf.place / short(adapter.name)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Clear away what an earlier daemon was making, then install what is asked for."""
        await anyio.to_thread.run_sync(self._shelf.open)
        try:
            async with anyio.create_task_group() as self._group:
                yield
                self._group.cancel_scope.cancel()
        finally:
            self._group = None

    # For the rooms below ------------------------------------------------------------------------------

    async def reports(self) -> Mapping[str, Report]:
        """Ask every adapter whether it can run here, side by side; what it lacks says how to get it."""
        found: dict[str, Report] = {}

        async def look(name: str, adapter: Runtime) -> None:
            found[name] = await self._report(adapter)

        async with anyio.create_task_group() as group:
            for name, adapter in self._runtimes.items():
                group.start_soon(look, name, adapter)
        return {name: found[name] for name in self._runtimes}

    # Operations -------------------------------------------------------------------------------------

    @operation("runtime.list", effect=Effect.READ, access=Rule.ANYONE)
    async def list_runtimes(self, input: m.Nothing, call: Call) -> m.Runtimes:
        """List the runtimes there are: which can run here, in which version, and what is missing."""
        reports = await self.reports()
        infos = [await self._info(adapter, reports[name]) for name, adapter in self._runtimes.items()]
        return m.Runtimes(runtimes=infos)

    @operation("runtime.get", effect=Effect.READ, access=Rule.ANYONE, positional=("runtime",))
    async def get(self, input: m.RuntimeRef, call: Call) -> m.RuntimeDetails:
        """Show a runtime: version, what is missing, what is installed, and what it was seen to do."""
        adapter = self._named(input.runtime)
        info = await self._info(adapter, await self._report(adapter))
        package = _package(adapter)
        head = await anyio.to_thread.run_sync(self._head, adapter) or {}
        seen = self._observations.get(adapter.name)
        return m.RuntimeDetails(
            **info.model_dump(),
            observed=[m.Observed(**asdict(one)) for one in seen.behaviours] if seen else [],
            observed_version=seen.version if seen else None,
            packages=list(package.npm) if package else [],
            node=package.node if package else None,
            bytes=head.get("bytes"),
            files=head.get("files"),
            installed_at=head.get("installed_at"),
            processes=await self._running(adapter.name) if call.agent is None else [],
        )

    @operation("runtime.install", access=Rule.PEOPLE, positional=("runtime",), long=True)
    async def install(self, input: m.RuntimeRef, call: Call) -> AsyncIterator[m.Progress]:
        """Install the pinned version with the Node it needs, below aetherd's home; or repair it.

        It goes on when the caller leaves; asked again meanwhile, it tells how far it is. Scripts of packages are
        never run. What was there before is in use until the last step, and is what remains when one fails.
        """
        job = self._start(self._named(input.runtime))
        while not job.done:
            news, now = job.news, job.now
            yield now
            await anyio.sleep(TOLD_S)
            if job.now is now and not job.done:
                await news.wait()
        if job.error is not None:
            raise job.error
        yield job.now

    @operation("runtime.check", effect=Effect.READ, access=Rule.PEOPLE, positional=("runtime",), long=True)
    async def check(self, input: m.RuntimeRef, call: Call) -> m.Checked:
        """Read every installed file again and compare it with its checksum, then ask the runtime its version."""
        adapter = self._named(input.runtime)
        name = adapter.name
        place = await anyio.to_thread.run_sync(self._shelf.current, short(name))
        damaged = await anyio.to_thread.run_sync(damage, place) if place is not None else []
        report = await self._report(adapter)
        problem = report.missing
        if damaged:
            problem = f"{len(damaged)} or more files are not as they were installed; repair it: {_command(name)}"
        ok = report.available and not damaged
        return m.Checked(runtime=name, ok=ok, version=report.version, damaged=damaged, problem=problem)

    @operation("runtime.update", access=Rule.PEOPLE, positional=("runtime",), long=True)
    async def update(self, input: m.UpdateRef, call: Call) -> m.Updated:
        """Change what is installed to the versions this aetherd pins; running processes keep the one they have."""
        adapters = [self._named(input.runtime)] if input.runtime else list(self._runtimes.values())
        updated: list[m.Progress] = []
        unchanged: list[str] = []
        for adapter in adapters:
            package = _package(adapter)
            installed = await anyio.to_thread.run_sync(self._shelf.version, short(adapter.name))
            if package is None or installed is None:
                if input.runtime:
                    raise Conflict(f"{adapter.name} is not installed below aetherd's home; {_how(adapter)}")
                continue
            if installed == pinned(package)[1]:
                unchanged.append(adapter.name)
                continue
            updated.append(await self._followed(self._start(adapter), call))
        return m.Updated(updated=updated, unchanged=unchanged)

    @operation("runtime.remove", effect=Effect.DESTROY, access=Rule.PEOPLE, positional=("runtime",))
    async def remove(self, input: m.RuntimeRef, call: Call) -> m.Removed:
        """Remove an installed runtime with all its versions; homes and conversations of agents stay."""
        adapter = self._named(input.runtime)
        name = short(adapter.name)
        if adapter.name in self._jobs:
            raise Conflict(f"{adapter.name} is being installed; wait until that has ended")
        version = await anyio.to_thread.run_sync(self._shelf.version, name)
        if version is None or _package(adapter) is None:  # a directory of that name is another runtime's
            raise NotFound(f"{adapter.name} is not installed below aetherd's home", kind="runtime", id=adapter.name)
        if pids := await self._running(adapter.name):
            raise Conflict(f"{adapter.name} is in use by {_pids(pids)}; end them first", pids=pids)
        freed = await anyio.to_thread.run_sync(self._shelf.remove, name)
        await self._tidy()
        await self._store.write(lambda tx: tx.emit(RuntimeRemoved(runtime=adapter.name, version=version)))
        return m.Removed(runtime=adapter.name, version=version, freed_bytes=freed)

    # Inside -----------------------------------------------------------------------------------------

    def _named(self, name: str) -> Runtime:
        """Return the adapter of a runtime name, or of its short form."""
        for adapter in self._runtimes.values():
            if name in (adapter.name, short(adapter.name)):
                return adapter
        known = ", ".join(self._runtimes)
        raise NotFound(f"no runtime {name!r}; there are {known}", kind="runtime", id=name)

    def _start(self, adapter: Runtime) -> Job:
        """Begin an install, or return the one that is under way."""
        if (job := self._jobs.get(adapter.name)) is not None:
            return job
        if (package := _package(adapter)) is None:
            raise Invalid(f"{adapter.name} is not installed by aetherd; {_how(adapter)}", field="runtime")
        if self._group is None:
            raise Unavailable("aetherd is starting or shutting down")
        version, begun = pinned(package)[1], self._clock.monotonic()
        now = m.Progress(runtime=adapter.name, version=version, step="waiting", detail="it begins", elapsed_s=0)
        job = self._jobs[adapter.name] = Job(adapter.name, version, begun, now)
        self._group.start_soon(self._work, job, package)
        return job

    async def _work(self, job: Job, package: Package) -> None:
        name = short(job.runtime)

        def progress(step: Step | str, detail: str) -> m.Progress:
            elapsed = round(self._clock.monotonic() - job.begun, 1)
            return m.Progress.model_validate(
                {"runtime": job.runtime, "version": job.version, "step": step, "detail": detail, "elapsed_s": elapsed}
            )

        async def say(step: Step, detail: str) -> None:
            job.tell(progress(step, detail))

        last = job.now
        try:
            before = await anyio.to_thread.run_sync(self._shelf.version, name)
            made = {"installed_at": stamp(self._clock.now())}
            place = await self._installer.install(name, package, made, say)
            await self._tidy(job.runtime)
            told = RuntimeInstalled(runtime=job.runtime, version=job.version, before=before)
            await self._store.write(lambda tx: tx.emit(told))
            last = progress("done", f"{job.version} is in use, at {place}")
        except AetherError as exc:
            job.error = exc
            logger.warning("%s was not installed: %s", job.runtime, exc.message)
            await self._told_of(RuntimeInstallFailed(runtime=job.runtime, error=exc.message))
        except Exception:  # the boundary of a child task: it must not end the daemon
            logger.exception("the install of %s failed", job.runtime)
            job.error = Unavailable(f"{job.runtime} could not be installed; the log says why")
        finally:
            del self._jobs[job.runtime]
            job.tell(last, done=True)

    async def _told_of(self, failed: RuntimeInstallFailed) -> None:
        """Write that an install failed; a disk that is full takes no event either, and must not end the daemon."""
        try:
            await self._store.write(lambda tx: tx.emit(failed))
        except AetherError as exc:
            logger.warning("that the install of %s failed is not in the event log: %s", failed.runtime, exc.message)

    async def _followed(self, job: Job, call: Call) -> m.Progress:
        """Wait for an install, passing its progress on."""
        while not job.done:
            news = job.news
            if call.progress is not None:
                await call.progress(job.now.elapsed_s, None, f"{job.now.step}: {job.now.detail}")
            if not job.done:
                await news.wait()
        if job.error is not None:
            raise job.error
        return job.now

    async def _tidy(self, runtime: str | None = None) -> None:
        """Remove versions nothing runs from any more, and tools no pin names."""
        if runtime is not None and not await self._running(runtime):
            await anyio.to_thread.run_sync(self._shelf.prune, short(runtime))
        packages = [package for adapter in self._runtimes.values() if (package := _package(adapter))]
        wanted = {tool for package in packages for tool in tools_of(package)}
        await anyio.to_thread.run_sync(self._shelf.prune_tools, wanted)

    async def _running(self, runtime: str) -> list[int]:
        """Return the pids that run it and have not ended."""
        living = await self._process.bounds.living()
        return [one.pid for one in living if (await self._process.row_of(one.pid)).runtime == runtime]

    async def _report(self, adapter: Runtime) -> Report:
        report = Report(available=False, missing=f"its check did not end in {CHECK_S:g} s")
        with anyio.move_on_after(CHECK_S):
            report = await anyio.to_thread.run_sync(_look, adapter, abandon_on_cancel=True)
        return report

    async def _info(self, adapter: Runtime, report: Report) -> m.RuntimeInfo:
        package, name = _package(adapter), short(adapter.name)
        installed = await anyio.to_thread.run_sync(self._shelf.version, name)
        whole = await anyio.to_thread.run_sync(self._head, adapter)
        job = self._jobs.get(adapter.name)
        wanted = pinned(package)[1] if package else None
        state = "ready" if report.available else "missing"
        if job is not None:
            state = "installing"
        elif installed is not None and (whole is None or not report.available):
            state = "broken"
        elif installed is not None and installed != wanted:
            state = "outdated"
        return m.RuntimeInfo.model_validate(
            {
                "name": adapter.name,
                "title": adapter.hints.title,
                "summary": adapter.hints.summary,
                "state": state,
                "available": report.available,
                "version": report.version,
                "path": report.path,
                "missing": report.missing,
                "installable": package is not None,
                "pinned": wanted,
                "installed": installed,
                "installing": job.now if job else None,
                "needs": list(adapter.hints.needs),
                "capabilities": asdict(adapter.capabilities),
            }
        )

    def _head(self, adapter: Runtime) -> dict[str, Any] | None:
        place = self._shelf.current(short(adapter.name))
        return None if place is None else head_of(place)


def short(name: str) -> str:
    """Return the name of a runtime's directory: `acp:codex` is `codex`."""
    return name.rpartition(":")[2]


def _package(adapter: Runtime) -> Package | None:
    return adapter.package if isinstance(adapter, Installable) else None


def _command(name: str) -> str:
    return f"aetherctl runtime install {short(name)}"


def _how(adapter: Runtime) -> str:
    """Say how to get it."""
    return f"install it: {_command(adapter.name)}" if _package(adapter) else adapter.hints.install or "it needs nothing"


def _look(adapter: Runtime) -> Report:
    try:
        return adapter.check()
    except Exception as exc:  # one that is broken must not hide the others
        logger.exception("the check of the runtime %s failed", adapter.name)
        return Report(available=False, missing=f"its check failed: {exc}")


def _pids(pids: Sequence[int]) -> str:
    return ", ".join(f"p{pid}" for pid in pids[:5]) + (f" and {len(pids) - 5} more" if len(pids) > 5 else "")
