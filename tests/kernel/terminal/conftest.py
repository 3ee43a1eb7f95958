"""A process's place with real shims, without a daemon, and the terminal room behind the rules of the house."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from aetherd.core.clock import SystemClock
from aetherd.core.config import Settings
from aetherd.core.errors import Invalid, NotFound
from aetherd.core.ids import new_id
from aetherd.events import EventLog
from aetherd.kernel.terminal.service import TerminalService
from aetherd.operations.dispatch import Authorise, Dispatcher, validate
from aetherd.operations.operation import Call, Owner, operations_of
from aetherd.operations.registry import Registry
from aetherd.shim.client import SpawnFailed, SpawnRequest, Zygote
from aetherd.shim.tree import Trees
from aetherd.store import Store

SCOPES = frozenset({"terminal:read", "terminal:write"})


class LeapClock(SystemClock):
    """The system's clock, which a test may set forward."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead

    def now(self) -> datetime:
        return super().now()


@dataclass
class FakePlace:
    pid: int
    agent: str
    home: Path
    user: str = "owner"
    org: str = "home"
    parent: str | None = None
    alive: bool = True
    stdio: str | None = "pipes"
    directory: Path | None = None
    title: str = "ann (command)"
    controlled: bool = False


@dataclass
class FakeProcesses:
    """The process room as the terminal room sees it."""

    root: Path
    zygote: Zygote
    trees: Trees
    places: dict[int, FakePlace] = field(default_factory=dict)
    holder: str | None = None
    started: list[int] = field(default_factory=list)

    async def place_of(self, pid: int) -> FakePlace:
        if pid not in self.places:
            raise NotFound(f"no process {pid}", kind="process", id=pid)
        return replace(self.places[pid])

    async def owner(self, pid: int) -> Owner:
        place = await self.place_of(pid)
        return Owner(place.agent, place.user, place.org, place.parent)

    async def start_beside(
        self, pid: int, directory: Path, argv: Sequence[str], *, cwd: Path, rows: int, cols: int, name: str
    ) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        groups = await anyio.to_thread.run_sync(self.trees.make, name)
        env = {
            "PATH": os.environ["PATH"], "TERM": "xterm-256color", "AETHER_PROCESS": name, "PS1": "$ ",
            "HOME": str(self.places[pid].home), "LANG": "C.UTF-8",
        }  # fmt: skip
        try:
            spawned = await self.zygote.spawn(
                SpawnRequest(str(directory), argv, env, str(cwd), "pty", rows, cols, cgroups=groups)
            )
        except SpawnFailed as exc:
            raise Invalid(str(exc)) from exc
        self.started.append(spawned.os_pid)

    async def end_beside(self, name: str) -> None:
        await anyio.to_thread.run_sync(self.trees.kill, name, name)
        await anyio.to_thread.run_sync(self.trees.remove, name)

    def terminal_dir(self, name: str) -> Path:
        return self.root / "shim" / name

    async def may_type(self, pid: int, call: Call | None) -> str | None:
        if self.holder is None or (call is not None and call.actor == self.holder):
            return None
        return f"{self.holder} has control of process {pid}"


@dataclass
class Terms:
    """The room, its dispatcher, and short ways to call it."""

    service: TerminalService
    processes: FakeProcesses
    dispatcher: Dispatcher
    clock: LeapClock
    seen: list[Any]

    def as_agent(self, agent: str = "ann", pid: int | None = 7) -> Call:
        return Call(id=new_id("call"), actor=f"agent:{agent}", scopes=SCOPES, face="mcp", agent=agent, pid=pid)

    def as_owner(self, **changes: Any) -> Call:
        return Call(
            **{"id": new_id("call"), "actor": "user:owner", "scopes": frozenset({"*"}), "face": "http", **changes}
        )

    async def __call__(self, verb: str, call: Call | None = None, /, **raw: Any) -> Any:
        return await self.dispatcher.invoke(f"terminal.{verb}", raw, call or self.as_owner())

    async def shell(self, script: str, **raw: Any) -> str:
        """Open a terminal that runs a script."""
        return str((await self("open", pid=7, argv=["/bin/sh", "-c", script], **raw)).terminal)

    def again(self) -> Terms:
        """Return what a daemon that starts again would have: a new room on the same store and processes."""
        return make(self.service._store, self.processes, self.seen)


def make(store: Store, processes: FakeProcesses, seen: list[Any]) -> Terms:
    registry, clock = Registry(), LeapClock()
    service = TerminalService(store, clock, registry, processes)
    for op in operations_of(service):
        registry.add(op)
    registry.add_owners({"process": processes.owner, "terminal": service.offers()["owners.terminal"]})
    authorise = Authorise(registry)
    dispatcher = Dispatcher(registry, [authorise.scope, validate, authorise.subject])
    return Terms(service, processes, dispatcher, clock, seen)


@asynccontextmanager
async def _processes(root: Path) -> AsyncIterator[FakeProcesses]:
    root.mkdir(mode=0o700)
    trees = await anyio.to_thread.run_sync(Trees, f"aethertest-{os.getpid()}")
    zygote = await Zygote.start(root, name="test")
    processes = FakeProcesses(root, zygote, trees)
    try:
        yield processes
    finally:
        for place in (root / "shim").glob("*"):
            await processes.end_beside(place.name)
        if zygote.os_pid is not None:
            os.kill(zygote.os_pid, signal.SIGKILL)
        await zygote.aclose()
        if trees._root is not None:
            trees._root.rmdir()


@pytest.fixture
async def stopped(settings: Settings, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Terms]:
    """Give a room that is built and not running."""
    store = Store(settings.database, EventLog(SystemClock()))
    async with _processes(tmp_path / "run") as processes:
        for pid, agent in ((7, "ann"), (8, "bob")):
            home = tmp_path / agent
            home.mkdir(mode=0o700)
            processes.places[pid] = FakePlace(pid, agent, home)
        async with store.running():
            seen: list[Any] = []
            store.on_commit(seen.extend)
            yield make(store, processes, seen)


@pytest.fixture
async def terms(stopped: Terms) -> AsyncIterator[Terms]:
    async with stopped.service.running():
        yield stopped
