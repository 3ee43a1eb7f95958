"""The few rooms memory needs, two agents and a person, on a clock that a test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aetherd.core.config import Settings
from aetherd.daemon.kernel import Kernel
from aetherd.kernel.agent import AgentService
from aetherd.kernel.audit import AuditService
from aetherd.kernel.memory import MemoryService
from aetherd.kernel.token import TokenService
from aetherd.operations.operation import Call


class Hands:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        self.at += timedelta(microseconds=1)
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Lab:
    """The rooms memory needs, two agents, a person."""

    a: Call
    b: Call
    person: Call

    def __init__(self, settings: Settings) -> None:
        self.clock = Hands()
        self.kernel = Kernel(settings, (AuditService, TokenService, AgentService, MemoryService), {}, self.clock)
        self.memory: MemoryService = self.kernel.rooms["memory"]
        self.person = Call("call_1", "user:owner", frozenset("*"), "http")

    async def agent(self, name: str, by: Call | None = None) -> Call:
        made = await self.invoke("agent.create", {"name": name}, by)
        return Call("call_1", f"agent:{made.id}", frozenset("*"), "mcp", agent=made.id, pid=7)

    async def invoke(self, name: str, raw: dict[str, Any] | None = None, call: Call | None = None) -> Any:
        return await self.kernel.dispatcher.invoke(name, raw or {}, call or self.person)

    async def remember(self, content: str, call: Call | None = None, **more: Any) -> Any:
        return await self.invoke("memory.remember", {"content": content, **more}, call)

    async def recall(self, query: str, call: Call | None = None, **more: Any) -> list[str]:
        found = await self.invoke("memory.recall", {"query": query, **more}, call)
        return [memory.content for memory in found.memories]


@pytest.fixture
async def lab(settings: Settings, anyio_backend: str) -> AsyncIterator[Lab]:
    made = Lab(settings)
    async with made.kernel.running():
        made.a, made.b = await made.agent("ada"), await made.agent("bob")
        yield made
