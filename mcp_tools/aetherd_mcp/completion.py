"""Completion of names and ids, in prompts and in resource templates, from what the caller may see."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext

from aetherd.operations.house import House
from aetherd.operations.operation import Call
from aetherd_mcp.prompts import Prompts
from aetherd_mcp.refusals import as_protocol_errors
from aetherd_mcp.resources import Run
from aetherd_mcp.sources import SOURCES
from aetherd_mcp.toolsets import may

MOST = 100  # values the protocol allows
LOOKED_AT = 2000  # items, of which those with the prefix are offered
PAGE = 500
LISTS = {  # what a name stands for: the operation that lists it, the list in its output, the field of an item
    "name": ("agent.list", "agents", "name"),
    "pid": ("process.list", "processes", "pid"),
    "approval": ("approval.list", "approvals", "id"),
    "terminal": ("terminal.list", "terminals", "terminal"),
    "workspace": ("workspace.list", "workspaces", "name"),
}


class Completion:
    """Offers values while a person types."""

    def __init__(self, house: House, prompts: Prompts, ask: Callable[[], Awaitable[Call]], run: Run) -> None:
        self._house, self._prompts, self._ask, self._run = house, prompts, ask, run

    async def complete(
        self, ctx: ServerRequestContext[Any], params: types.CompleteRequestParams
    ) -> types.CompleteResult:
        """Return at most 100 values that begin with what was typed, the newest first."""
        call = await self._ask()
        with as_protocol_errors(ctx.method):
            kind = self._kind(params.ref, params.argument.name, call)
            found = await self._values(kind, params.argument.value, call)
        return types.CompleteResult(
            completion=types.Completion(values=found[:MOST], total=len(found), has_more=len(found) > MOST)
        )

    def _kind(self, ref: types.PromptReference | types.ResourceTemplateReference, argument: str, call: Call) -> str:
        """Return what an argument stands for; empty when there is nothing to offer for it."""
        if isinstance(ref, types.PromptReference):
            names = {one.name for one in self._prompts.find(ref.name, call).arguments}
            return argument if argument in names else ""
        for source in SOURCES:
            if source.template == ref.uri and argument in source.uri.variable_names:
                return source.about or "" if argument == "id" else argument
        return ""

    async def _values(self, kind: str, prefix: str, call: Call) -> list[str]:
        if kind not in LISTS or not may(self._house.registry[LISTS[kind][0]], call):
            return []
        operation, items, field = LISTS[kind]
        found: list[str] = []
        cursor = None
        for _ in range(LOOKED_AT // PAGE):
            page = await self._run(operation, {"limit": PAGE, "cursor": cursor}, call)
            found += [str(getattr(item, field)) for item in getattr(page, items)]
            if (cursor := getattr(page, "cursor", None)) is None:
                break
        return [value for value in found if value.casefold().startswith(prefix.casefold())]
