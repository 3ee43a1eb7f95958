"""Two agents with homes, and the fs room behind the rules of the house."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from aetherd.core.clock import SystemClock
from aetherd.core.config import Settings
from aetherd.core.errors import NotFound
from aetherd.core.ids import new_id
from aetherd.events import EventLog
from aetherd.kernel.fs.service import FsService
from aetherd.operations.dispatch import Authorise, Dispatcher, validate
from aetherd.operations.operation import Call, Owner, operations_of
from aetherd.operations.registry import Registry
from aetherd.store import Store


@dataclass
class FakeHome:
    agent: str
    path: Path
    uid: int | None


@dataclass
class FakeAgents:
    homes: dict[str, FakeHome] = field(default_factory=dict)

    async def home_of(self, ref: str | None, call: Call) -> FakeHome:
        home = self.homes.get(ref or call.agent or "")
        if home is None:
            raise NotFound(f"no agent {ref}", kind="agent", id=ref)
        return home

    async def owner(self, ref: str) -> Owner:
        if ref not in self.homes:
            raise NotFound(f"no agent {ref}", kind="agent", id=ref)
        return Owner(ref, "owner", "home")


@dataclass
class Files:
    """The room, its dispatcher and short ways to call it."""

    service: FsService
    agents: FakeAgents
    dispatcher: Dispatcher
    seen: list[Any]

    @property
    def home(self) -> Path:
        return self.agents.homes["ann"].path

    def as_agent(self, agent: str = "ann") -> Call:
        scopes = frozenset({"fs:read", "fs:write"})
        return Call(id=new_id("call"), actor=f"agent:{agent}", scopes=scopes, face="mcp", agent=agent, pid=7)

    def as_owner(self, **changes: Any) -> Call:
        return Call(
            **{
                "id": new_id("call"),
                "actor": "user:owner",
                "scopes": frozenset({"*"}),
                "face": "http",
                **changes,
            }
        )

    async def __call__(self, verb: str, call: Call | None = None, /, **raw: Any) -> Any:
        return await self.dispatcher.invoke(f"fs.{verb}", raw, call or self.as_agent())


@pytest.fixture
async def files(settings: Settings, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Files]:
    agents = FakeAgents()
    for number, name in enumerate(("ann", "bob")):
        home = tmp_path / "agents" / name / "home"
        home.mkdir(parents=True, mode=0o700)
        uid = 20_101 + number if os.geteuid() == 0 else None
        if uid is not None:
            os.chown(home, uid, uid)
        agents.homes[name] = FakeHome(name, home, uid)
    registry = Registry()
    store = Store(settings.database, EventLog(SystemClock()))
    service = FsService(store, registry, agents)
    for op in operations_of(service):
        registry.add(op)
    registry.add_owners({"agent": agents.owner})
    authorise = Authorise(registry)
    dispatcher = Dispatcher(registry, [authorise.scope, validate, authorise.subject])
    seen: list[Any] = []
    async with store.running():
        store.on_commit(seen.extend)
        yield Files(service, agents, dispatcher, seen)
