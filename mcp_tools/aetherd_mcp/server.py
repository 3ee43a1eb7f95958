"""The registry as an MCP server: tools/list and tools/call on the SDK's low-level `Server`, for both eras.

Who is calling is a context variable that the transport sets: a credential, looked up again for every call,
so that a revoked token stops at once. Errors a model can mend are tool results; a crash shows one line.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

import anyio
import anyio.abc
import mcp_types as types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.shared.exceptions import MCPError
from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider
from pydantic import BaseModel, ValidationError

from aetherd import __version__
from aetherd.core.errors import AetherError, Internal, NotFound, PendingApproval
from aetherd.operations.catalog import schema_of, tool_name
from aetherd.operations.house import House
from aetherd.operations.operation import Call, Operation, ProgressFn
from aetherd_mcp import pictures
from aetherd_mcp.caller import Caller, credential
from aetherd_mcp.completion import Completion
from aetherd_mcp.elicitation import Elicitation
from aetherd_mcp.feed import Feed
from aetherd_mcp.large import LargeResults
from aetherd_mcp.looks import hints, icons, title
from aetherd_mcp.menu import Menus
from aetherd_mcp.names import operation_name
from aetherd_mcp.prompts import Prompts
from aetherd_mcp.resources import Resources
from aetherd_mcp.task import Result
from aetherd_mcp.tasks import Tasks, declared
from aetherd_mcp.toolsets import may, shown

logger = logging.getLogger(__name__)

HEARTBEAT_S = 10.0  # progress to a caller that waits longer, so that its clock starts anew
INSTRUCTIONS = (
    "aetherd hosts agents and gives them memory, messages, files, processes and a person to ask. "
    "Recall before you start, remember what others should know, look into your inbox between steps. "
    "Tools not listed are found with aether_tool_search and run with aether_tool_call."
)


class _Server(Server[Any]):
    """The SDK's server, which tells 2025-era clients that its lists may change."""

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        options = super().create_initialization_options(
            notification_options or NotificationOptions(tools_changed=True, resources_changed=True),
            experimental_capabilities,
            extensions,
        )
        return options.model_copy(
            update={"icons": icons("aether")}
        )  # not ours: that goes out with every result of 2026

    @property
    def server_info_stamp(self) -> dict[str, Any]:
        """Who answers, for the envelope of every answer of 2026; the SDK's own makes a deep copy each time."""
        return {"name": self.name, "title": self.title, "version": self.version}


async def _without_secrets(ctx: ServerRequestContext[Any], call_next: CallNext) -> HandlerResult:
    """Say no more of a crash than that there was one: the SDK's loop for 2025 would tell its text."""
    try:
        return await call_next(ctx)
    except (MCPError, ValidationError):
        raise
    except Exception:
        logger.exception("%s crashed", ctx.method)
        raise MCPError(types.INTERNAL_ERROR, "internal error; the daemon's log has the details") from None


class ToolServer:
    """Operations as tools."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._tools = {op.name: _tool(op) for op in house.registry}
        self._plain_tools = {  # for agents, who do not look at icons
            name: tool.model_copy(update={"icons": None}) for name, tool in self._tools.items()
        }
        self.menus = Menus()  # by rights and version
        self._beats: set[Beat] = set()  # of the calls that run
        self._large = LargeResults(house.clock)
        self._leave = Elicitation(self._perform)
        resources = Resources(house, self._large, self._asking, self._run)
        prompts = Prompts(house, self._asking)
        completion = Completion(house, prompts, self._asking, self._run)
        self.bus = Feed(house, resources, self._listening)
        self.server: Server[Any] = _Server(
            "aetherd",
            version=__version__,
            title="aetherd",
            instructions=INSTRUCTIONS,
            on_list_tools=self._list,
            on_list_resources=resources.listing,
            on_list_resource_templates=resources.templates,
            on_read_resource=resources.read,
            on_subscribe_resource=self.bus.subscribe_resource,
            on_unsubscribe_resource=self.bus.unsubscribe_resource,
            on_subscriptions_listen=self.bus.listen,
            on_list_prompts=prompts.listing,
            on_get_prompt=prompts.get,
            on_completion=completion.complete,
            get_tool_input_schema=self._schema,
        )
        self.server.add_notification_handler(
            "notifications/initialized", types.NotificationParams, self.bus.initialized
        )
        if isinstance(get_tracer_provider(), ProxyTracerProvider):  # nobody collects spans, so none are made
            self.server.middleware.clear()
        self.server.middleware += [_without_secrets, self._keep_lists]
        self.tasks = Tasks(house, self._asking, self._perform)
        self.tasks.extend(self.server, self._call)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Own the sign of life that long calls give."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._heart, group)
            await self.tasks.serve(group)
            self.server.middleware.append(await self._leave.boundary(self._house.settings.home / "secrets"))
            group.start_soon(self.bus.run)
            yield
            group.cancel_scope.cancel()

    async def caller(self, progress: ProgressFn | None = None) -> Call:
        """Return who is calling now, and is told progress there; raises `Unauthenticated`."""
        found = credential.get()
        if found is None:
            raise MCPError(types.INVALID_REQUEST, "no credential came with this connection")
        return await self._house.authenticate(found.token, "mcp", door=found.door, progress=progress)

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
        menu = self._tools if call.agent is None else self._plain_tools
        return types.ListToolsResult(
            tools=[
                menu[op.name]
                for op in sorted(self._house.registry, key=lambda op: op.name)
                if on_menu(op) and may(op, call)
            ]
        )

    async def _keep_lists(self, ctx: ServerRequestContext[Any], call_next: CallNext) -> HandlerResult:
        """Answer tools/list as it was written out before: the SDK's checks of a long list hold the loop for long."""
        if ctx.method != "tools/list" or ctx.session.client_params is None:
            return await call_next(ctx)
        call = await self._asking()
        key = (call.scopes, call.tools, call.toolset, call.agent is not None, ctx.protocol_version)
        if key not in self.menus:
            self.menus.keep(key, await call_next(ctx))
        return self.menus.answer(key, ctx)

    async def _asking(self) -> Call:
        """Return who asks for something that is no tool call, whose refusal is an error of the protocol."""
        try:
            return await self.caller()
        except AetherError as exc:
            raise MCPError(types.INVALID_REQUEST, exc.message, exc.body()["error"]) from exc

    async def _listening(self) -> Caller:
        """Return who asks to be told of changes."""
        call, found = await self._asking(), credential.get()
        assert found is not None
        return Caller(found.token, found.door, call, self._house.sees(call))

    async def _call(
        self, ctx: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> Result | types.InputRequiredResult:
        beat = Beat(ctx.session.report_progress, self._house.clock.monotonic())
        self._beats.add(beat)
        try:
            call = await self.caller(beat.report)
            if declared(ctx) and self.tasks.wanted(name := operation_name(params.name)):
                return await self.tasks.call(name, params.arguments or {}, call)
            return await self._leave.call(ctx, params, call)
        except Exception as exc:
            return self._failed(exc, params.name, None)
        finally:
            self._beats.discard(beat)

    async def _perform(self, tool: str, arguments: dict[str, Any], call: Call) -> Result:
        name = operation_name(tool)
        try:
            value = await self._run(name, arguments, call)
            return self._large.result(self._house.registry[name], value, call)
        except Exception as exc:
            if call.asks and isinstance(exc, PendingApproval):
                raise  # to who said that it can ask
            return self._failed(exc, tool, call)

    def _failed(self, exc: Exception, tool: str, call: Call | None) -> types.CallToolResult:
        """Return what went wrong as a result; errors of the protocol stay what they are."""
        if isinstance(exc, MCPError):
            raise exc
        if isinstance(exc, NotFound) and operation_name(tool) not in self._house.registry:
            exc = NotFound(f"no tool named {tool[:100]!r}; aether_tool_search finds tools", **exc.data)
        if isinstance(exc, AetherError):
            return _failure(exc)
        id = None if call is None else call.id
        logger.error("tool %s crashed in %s", tool[:100], id, exc_info=exc)
        return _failure(Internal("internal error; the daemon's log has the details", call=id))

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
        title=title(op),
        description=op.doc,
        input_schema=schema_of(op.input, "validation"),
        output_schema=None if pictures.may_hold(op) else schema_of(op.output, "serialization"),
        annotations=hints(op),
        icons=icons(op.room),
    )


def _failure(exc: AetherError) -> types.CallToolResult:
    """Return an error as text alone: structure would have to be the tool's output, and clients check that it is."""
    text = json.dumps(exc.body()["error"], default=str)
    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=True)
