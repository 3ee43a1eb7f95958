"""Tool search and call: every operation within reach, under the rules of the operation itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import Field

from aetherd.core.config import Settings
from aetherd.core.errors import AetherError, Forbidden, Invalid, NotFound, Unavailable
from aetherd.core.model import Model
from aetherd.daemon.kernel import Kernel
from aetherd.daemon.rooms import ROOMS
from aetherd.kernel.agent import AgentService
from aetherd.kernel.audit import AuditService
from aetherd.kernel.memory import MemoryService
from aetherd.kernel.token import TokenService
from aetherd.kernel.token.service import AGENT_SCOPES
from aetherd.kernel.tool import ToolService
from aetherd.operations.operation import Call, Effect, Rule, operation

pytestmark = pytest.mark.anyio


class Count(Model):
    """How far."""

    to: int = Field(default=3, description="count up to this")


class Number(Model):
    """One number."""

    n: int


class Counter:
    """A room that streams."""

    __module__ = "aetherd.kernel.audit.counter"  # any package without events of its own

    closed = False

    @operation("counter.count", effect=Effect.READ, access=Rule.ANYONE)
    async def count(self, input: Count, call: Call) -> AsyncIterator[Number]:
        """Count."""
        try:
            for n in range(input.to):
                yield Number(n=n)
        finally:
            type(self).closed = True


class Lab:
    """Some rooms, and tools over them."""

    def __init__(self, settings: Settings) -> None:
        rooms = (AuditService, TokenService, AgentService, MemoryService, ToolService)
        self.kernel = Kernel(settings, rooms, {})
        for op in _operations(Counter()):
            self.kernel.registry.add(op)
        self.person = Call("call_1", "user:owner", frozenset("*"), "http")

    async def agent(self, name: str) -> Call:
        made = await self.invoke("agent.create", {"name": name}, self.person)
        scopes = frozenset((AGENT_SCOPES + " counter:read").split())
        return Call("call_1", f"agent:{made.id}", scopes, "mcp", agent=made.id)

    async def invoke(self, name: str, raw: dict[str, Any], call: Call) -> Any:
        return await self.kernel.dispatcher.invoke(name, raw, call)

    async def call(self, call: Call, name: str, /, **input: Any) -> Any:
        return await self.invoke("tool.call", {"name": name, "input": input}, call)

    async def search(self, call: Call, query: str = "", limit: int = 100) -> list[str]:
        found = await self.invoke("tool.search", {"query": query, "limit": limit}, call)
        return [tool.name for tool in found.tools]

    async def audited(self) -> list[tuple[str, str]]:
        records = (await self.invoke("audit.query", {}, self.person)).records
        return [(record.operation, record.outcome) for record in reversed(records)]


def _operations(service: object) -> Any:
    from aetherd.operations.operation import operations_of

    return operations_of(service)


@pytest.fixture
async def lab(settings: Settings, anyio_backend: str) -> AsyncIterator[Lab]:
    made = Lab(settings)
    async with made.kernel.running():
        yield made


async def test_a_tool_is_shown_with_all_that_is_needed_to_call_it(lab: Lab) -> None:
    found = await lab.invoke("tool.search", {"query": "MEMORY forget", "limit": 1}, lab.person)
    (tool,) = found.tools
    assert (tool.name, tool.tool, tool.effect) == ("memory.forget", "aether_memory_forget", "destroy")
    assert tool.input["required"] == ["id"]
    assert found.total >= 1


async def test_only_what_the_caller_may_do_is_found(lab: Lab) -> None:
    agent = await lab.agent("ada")
    seen = await lab.search(agent)
    assert "memory.recall" in seen
    assert not {"token.create", "token.list", "agent.create", "audit.query", "tool.call"} & set(seen)
    reader = Call("c", "user:owner/x", frozenset({"memory:read", "tool:read"}), "mcp")
    assert set(await lab.search(reader)) == {"memory.recall", "memory.get", "memory.list", "tool.search"}
    assert await lab.search(agent, "zzzz qqqq") == []


@pytest.mark.parametrize("name", ["memory.remember", "aether_memory_remember"])
async def test_an_operation_is_called_by_either_name_and_audited_once_as_itself(lab: Lab, name: str) -> None:
    agent = await lab.agent("ada")
    answer = await lab.call(agent, name, content="a fact")
    assert answer.operation == "memory.remember"
    assert answer.result["agent"] == agent.agent
    assert await lab.audited() == [("agent.create", "ok"), ("memory.remember", "ok")]


async def test_a_read_through_it_leaves_no_row(lab: Lab) -> None:
    agent = await lab.agent("ada")
    assert (await lab.call(agent, "memory.recall", query="x")).result == {"memories": []}
    assert await lab.audited() == [("agent.create", "ok")]


@pytest.mark.parametrize(
    ("name", "input", "error", "row"),
    [
        ("token.create", {"name": "x"}, Forbidden, "token.create"),
        ("agent.create", {"name": "x"}, Forbidden, "agent.create"),
        ("memory.get", {"id": "memory_none"}, NotFound, "memory.get"),
        ("memory.recall", {"quarry": "x"}, Invalid, "memory.recall"),
        ("memory.fly", {}, NotFound, "memory.fly"),
        ("aether_memory_fly", {}, NotFound, "memory.fly"),
        ("aether_", {}, NotFound, "."),
        ("tool.call", {"name": "memory.list"}, Invalid, "tool.call"),
        ("aether_tool_call", {"name": "memory.list"}, Invalid, "tool.call"),
    ],
)
async def test_what_the_operation_refuses_is_refused_and_recorded_once(
    lab: Lab, name: str, input: dict[str, Any], error: type[AetherError], row: str
) -> None:
    agent = await lab.agent("ada")
    with pytest.raises(error):
        await lab.call(agent, name, **input)
    assert (await lab.audited())[1:] == [(row, "refused")]


async def test_somebody_else_s_things_stay_theirs(lab: Lab) -> None:
    ada, bob = await lab.agent("ada"), await lab.agent("bob")
    note = await lab.invoke("memory.remember", {"content": "x", "namespace": "agent"}, ada)
    for name in ("memory.get", "memory.forget"):
        with pytest.raises(Forbidden):
            await lab.call(bob, name, id=note.id)


async def test_a_stream_is_answered_by_its_last_item_and_closed(lab: Lab) -> None:
    Counter.closed = False
    assert (await lab.call(lab.person, "counter.count")).result == {"n": 2}
    assert Counter.closed
    with pytest.raises(Unavailable, match="answered nothing"):
        await lab.call(lab.person, "counter.count", to=0)


async def test_a_token_that_may_only_read_calls_what_reads(lab: Lab) -> None:
    reader = Call("c", "user:owner/x", frozenset({"*:read"}), "mcp")
    assert (await lab.call(reader, "memory.list")).result["memories"] == []
    with pytest.raises(Forbidden, match="memory:write"):
        await lab.call(reader, "memory.remember", content="x")


async def test_it_is_not_a_read_so_that_no_link_and_no_client_takes_it_for_harmless() -> None:
    (op,) = [op for op in _operations(ToolService) if op.name == "tool.call"]
    assert op.effect is Effect.WRITE
    assert ToolService in ROOMS
