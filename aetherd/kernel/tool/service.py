"""Tool search and call: every operation within reach of a caller that is shown only a few as tools."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import anyio
from pydantic import BaseModel

from aetherd.core.errors import Unavailable
from aetherd.kernel.tool.models import Tool, ToolCall, ToolResult, Tools, ToolSearch
from aetherd.kernel.tool.ranking import Ranking
from aetherd.operations.catalog import schema_of, tool_name
from aetherd.operations.dispatch import Dispatcher
from aetherd.operations.operation import Call, Effect, Operation, Rule, operation
from aetherd.operations.registry import Registry

STREAM_S = 3600.0  # the longest wait any operation offers


class ToolService:
    """Finds operations, and calls them through the one door."""

    def __init__(self, registry: Registry, dispatcher: Dispatcher) -> None:
        self._registry, self._dispatcher = registry, dispatcher
        self._ranking: Ranking | None = None
        self._ranked = 0  # operations in it

    @operation("tool.search", effect=Effect.READ, access=Rule.OWN, positional=("query",))
    async def search(self, input: ToolSearch, call: Call) -> Tools:
        """Find operations beyond the tools you are shown, by what they do; run one with tool.call."""
        fits = self._index().fits(input.query)
        everything = not input.query.strip()
        may = (op for op in self._registry if not op.delegates and op.open_to(call))
        found = sorted(
            (op for op in may if everything or op.name in fits), key=lambda op: (-fits.get(op.name, 0), op.name)
        )
        return Tools(tools=[_wire(op) for op in found[: input.limit]], total=len(found))

    # It changes nothing itself and the operation it runs is checked by its own scope, so whoever may look may
    # call. It is marked WRITE all the same: READ would make it callable by GET and look harmless to clients.
    @operation("tool.call", access=Rule.OWN, scope="tool:read", positional=("name",), delegates=True)
    async def call(self, input: ToolCall, call: Call) -> ToolResult:
        """Run any operation by name, found with tool.search, as if it were a tool of your own.

        The same rules hold: your scopes, your ownership, a person's approval for what destroys.
        """
        name = self._name(input.name)
        result = await self._dispatcher.invoke(name, input.input, call)
        if not isinstance(result, BaseModel):
            result = await _last(name, result)
        return ToolResult(operation=name, result=result.model_dump(mode="json"))

    def _index(self) -> Ranking:
        """Return the index of what there is now, made when first asked for."""
        operations = list(self._registry)
        if self._ranking is None or self._ranked != len(operations):
            self._ranking, self._ranked = Ranking(operations), len(operations)
        return self._ranking

    def _name(self, given: str) -> str:
        """Return the operation a tool stands for; an unknown one goes on, to be refused and recorded."""
        if given.startswith("aether_"):
            room, _, verb = given.removeprefix("aether_").partition("_")
            return f"{room}.{verb}"
        return given


async def _last(name: str, items: AsyncIterator[BaseModel]) -> BaseModel:
    """Collect a stream to its last item; one that never ends is left after the longest wait there is."""
    last: BaseModel | None = None
    with anyio.move_on_after(STREAM_S):
        async with aclosing(cast(Any, items)):
            async for item in items:
                last = item
    if last is None:
        raise Unavailable(f"{name} answered nothing")
    return last


def _wire(op: Operation) -> Tool:
    return Tool(
        name=op.name,
        tool=tool_name(op.name),
        summary=op.summary,
        effect=op.effect.value,
        input=schema_of(op.input, "validation"),
    )
