"""The registry as an MCP server: tools/list and tools/call on the SDK's low-level `Server`, for both eras.

Who is calling is a context variable that the transport sets: a credential, looked up again for every call,
so that a revoked token stops at once. Errors a model can mend are tool results; a crash shows one line.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, cast

import anyio
import anyio.abc
import mcp_types as types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError
from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider
from pydantic import BaseModel

from aetherd import __version__
from aetherd.core.errors import AetherError, Internal, NotFound
from aetherd.operations.catalog import schema_of, tool_name
from aetherd.operations.house import House
from aetherd.operations.operation import Call, Effect, Operation, ProgressFn, Rule
from aetherd_mcp.names import operation_name
from aetherd_mcp.toolsets import shown

logger = logging.getLogger(__name__)

HEARTBEAT_S = 10.0  # progress to a caller that waits longer, so that its clock starts anew
LISTS = 1000  # menus kept
INSTRUCTIONS = (
    "aetherd hosts agents and gives them memory, messages, files, processes and a person to ask. "
    "Recall before you start, remember what others should know, look into your inbox between steps. "
    "Tools not listed are found with aether_tool_search and run with aether_tool_call."
)


@dataclass(frozen=True, slots=True)
class Credential:
    """What a transport knows of its peer."""

    token: str
    door: int | None = None  # the process whose own socket it came through


credential: ContextVar[Credential | None] = ContextVar("aetherd_mcp_credential", default=None)


class _Server(Server[Any]):
    """The SDK's server, which tells 2025-era clients that the list of tools may change."""

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        return super().create_initialization_options(
            notification_options or NotificationOptions(tools_changed=True), experimental_capabilities, extensions
        )


class ToolServer:
    """Operations as tools."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._tools = {op.name: _tool(op) for op in house.registry}
        self._lists: dict[tuple[frozenset[str], str, bool, str], HandlerResult] = {}  # by rights and version
        self._beats: set[Beat] = set()  # of the calls that run
        self.bus = InMemorySubscriptionBus()
        self.server: Server[Any] = _Server(
            "aetherd",
            version=__version__,
            title="aetherd",
            instructions=INSTRUCTIONS,
            on_list_tools=self._list,
            on_call_tool=self._call,
            on_subscriptions_listen=ListenHandler(self.bus),
            get_tool_input_schema=self._schema,
        )
        if isinstance(get_tracer_provider(), ProxyTracerProvider):  # nobody collects spans, so none are made
            self.server.middleware.clear()
        self.server.middleware.append(self._keep_lists)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Own the sign of life that long calls give."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._heart, group)
            yield
            group.cancel_scope.cancel()

    async def caller(self) -> Call:
        """Return who is calling now; raises `Unauthenticated`."""
        found = credential.get()
        if found is None:
            raise MCPError(types.INVALID_REQUEST, "no credential came with this connection")
        return await self._house.authenticate(found.token, "mcp", door=found.door)

    def _schema(self, name: str) -> Mapping[str, Any] | None:
        tool = self._tools.get(operation_name(name))
        return tool.input_schema if tool is not None else None

    async def _list(
        self, ctx: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return self.tools_for(await self._asking())

    def tools_for(self, call: Call) -> types.ListToolsResult:
        """Return the menu of a caller, in a fixed order."""
        on_menu = shown(call.toolset)
        return types.ListToolsResult(
            tools=[
                self._tools[op.name]
                for op in sorted(self._house.registry, key=lambda op: op.name)
                if on_menu(op) and call.has(op.scope) and not (op.access is Rule.PEOPLE and call.agent is not None)
            ]
        )

    async def _keep_lists(self, ctx: ServerRequestContext[Any], call_next: CallNext) -> HandlerResult:
        """Answer tools/list as it was written out before: the SDK's checks of a long list hold the loop for long."""
        if ctx.method != "tools/list" or ctx.session.client_params is None:
            return await call_next(ctx)
        call = await self._asking()
        key = (call.scopes, call.toolset, call.agent is not None, ctx.protocol_version)
        if key not in self._lists:
            if len(self._lists) >= LISTS:
                self._lists.clear()
            self._lists[key] = await call_next(ctx)
        return self._lists[key]

    async def _asking(self) -> Call:
        """Return who asks for something that is no tool call, whose refusal is an error of the protocol."""
        try:
            return await self.caller()
        except AetherError as exc:
            raise MCPError(types.INVALID_REQUEST, exc.message, exc.body()["error"]) from exc

    async def _call(self, ctx: ServerRequestContext[Any], params: types.CallToolRequestParams) -> types.CallToolResult:
        name = operation_name(params.name)
        beat = Beat(ctx.session.report_progress, self._house.clock.monotonic())
        call: Call | None = None
        self._beats.add(beat)
        try:
            call = replace(await self.caller(), progress=beat.report)
            return _success(await self._run(name, params.arguments or {}, call))
        except MCPError:
            raise
        except AetherError as exc:
            if name not in self._house.registry and isinstance(exc, NotFound):
                exc = NotFound(f"no tool named {params.name[:100]!r}; aether_tool_search finds tools", **exc.data)
            return _failure(exc)
        except Exception:
            id = None if call is None else call.id
            logger.exception("tool %s crashed in %s", name[:100], id)
            return _failure(Internal("internal error; the daemon's log has the details", call=id))
        finally:
            self._beats.discard(beat)

    async def _run(self, name: str, arguments: dict[str, Any], call: Call) -> BaseModel:
        result = await self._house.dispatcher.invoke(name, arguments, call)
        if isinstance(result, BaseModel):
            return result
        last: BaseModel | None = None
        async with aclosing(cast(AsyncGenerator[BaseModel], result)) as items:
            async for item in items:
                last = item
        assert last is not None, f"{name} streamed nothing"
        return last

    async def _heart(self, group: anyio.abc.TaskGroup) -> None:
        """Tell who waits for long that its call is still at work: one task for all of them."""
        while True:
            await anyio.sleep(HEARTBEAT_S)
            now = self._house.clock.monotonic()
            for beat in [beat for beat in self._beats if beat.due(now)]:
                group.start_soon(beat.beat)


class Beat:
    """The progress of one call: what it says of itself, and a sign of life when it says nothing."""

    def __init__(self, send: ProgressFn, now: float) -> None:
        self._send, self._began, self._count, self._sending = send, now, 0.0, False

    async def report(self, done: float, total: float | None, text: str | None) -> None:
        """Pass progress on; its number only ever grows, as the protocol asks."""
        self._count = max(self._count + 1, done)
        await self._send(self._count, total, text)

    def due(self, now: float) -> bool:
        """Tell whether the call has been at it for long; a client that does not read gets no second sign."""
        return now - self._began >= HEARTBEAT_S / 2 and not self._sending

    async def beat(self) -> None:
        """Give a sign of life."""
        self._sending = True
        try:
            await self.report(0, None, "still working")
        except Exception:  # one client's broken connection is no concern of the task all calls share
            logger.debug("a sign of life could not be sent", exc_info=True)
        finally:
            self._sending = False


def _tool(op: Operation) -> types.Tool:
    return types.Tool(
        name=tool_name(op.name),
        title=op.name,
        description=op.doc,
        input_schema=schema_of(op.input, "validation"),
        output_schema=schema_of(op.output, "serialization"),
        annotations=types.ToolAnnotations(
            title=op.name,
            read_only_hint=op.effect is Effect.READ,
            destructive_hint=op.effect is Effect.DESTROY,
            idempotent_hint=op.effect is Effect.READ,
            open_world_hint=False,
        ),
    )


def _success(value: BaseModel) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(text=value.model_dump_json())], structured_content=value.model_dump(mode="json")
    )


def _failure(exc: AetherError) -> types.CallToolResult:
    text = json.dumps(exc.body()["error"], default=str)
    return types.CallToolResult(
        content=[types.TextContent(text=text)], structured_content={"error": json.loads(text)}, is_error=True
    )
