"""The tasks extension (SEP-2663) of the 2026 era: a long operation answers with a task, and the client polls it.

An id is sealed under a key of this house and holds who made the call and what it was. So an id cannot be guessed,
opens for its owner only, expires, and outlives the daemon: an operation that changes nothing is simply done again
when its owner asks after a restart. One that may have changed something is reported as failed, never repeated.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.abc
import mcp_types as types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.request_state import AESGCMRequestStateCodec, InvalidRequestState
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from aetherd.core.errors import Exhausted
from aetherd.operations.house import House
from aetherd.operations.operation import Call, Effect
from aetherd_mcp.keys import key_at
from aetherd_mcp.refusals import as_protocol_errors
from aetherd_mcp.task import Result, Task, Work

EXTENSION = "io.modelcontextprotocol/tasks"
PER_OWNER = 64  # tasks held for one principal
GRACE_S = 0.25  # what is done by then is answered without a task
STOP_S = 2.0  # how long a cancellation waits for the work to end
ARGUMENTS = 2048  # bytes; with longer ones a task does not outlive the daemon

Context = ServerRequestContext[Any, Any]
OnCallTool = Callable[[Context, types.CallToolRequestParams], Awaitable[HandlerResult]]
Perform = Callable[[str, dict[str, Any], Call], Awaitable[Result]]


class TaskParams(types.RequestParams):
    """Which task is meant."""

    task_id: str


class UpdateParams(TaskParams):
    """Answers to what a task asked."""

    input_responses: dict[str, Any]


class Tasks:
    """Every task that is held, and the methods clients reach them by."""

    def __init__(self, house: House, asking: Callable[[], Awaitable[Call]], perform: Perform) -> None:
        self._house, self._asking, self._perform = house, asking, perform
        self._held: dict[str, Task] = {}
        self._group: anyio.abc.TaskGroup
        self._codec: AESGCMRequestStateCodec

    def extend(self, server: Server[Any], on_call_tool: OnCallTool) -> None:
        """Add the extension to a server, whose tools may then answer with a task."""
        server.extensions[EXTENSION] = {}
        server.add_request_handler("tools/call", types.CallToolRequestParams, on_call_tool)
        server.add_request_handler("tasks/get", TaskParams, self._get)
        server.add_request_handler("tasks/update", UpdateParams, self._update)
        server.add_request_handler("tasks/cancel", TaskParams, self._cancel)
        server.middleware.append(_only_who_declared_listens)

    async def serve(self, group: anyio.abc.TaskGroup) -> None:
        """Run tasks in this group from now on, under the key of the house."""
        key = await anyio.to_thread.run_sync(key_at, self._house.settings.home / "secrets" / "tasks.key")
        self._codec, self._group = AESGCMRequestStateCodec([key]), group

    # tools/call -------------------------------------------------------------------------------------

    def wanted(self, name: str) -> bool:
        """Tell whether a call may be answered with a task, to a client that knows them."""
        op = self._house.registry.get(name)
        return op is not None and op.long

    async def call(self, name: str, arguments: dict[str, Any], call: Call) -> Result:
        """Run an operation: its result when it is quick, else the task it has become."""
        created = self._house.clock.now()
        task = self._hold(self._seal(name, arguments, call, created), call, created, self._house.registry[name].scope)
        return await self.start(task, self._work(name, arguments, call))

    def new(self, call: Call) -> Task:
        """Hold a task for work that is no operation."""
        created = self._house.clock.now()
        return self._hold(secrets.token_urlsafe(24), call, created, "")

    async def start(self, task: Task, work: Work) -> Result:
        """Set a task to work; return its result if it has one within the grace."""
        self._group.start_soon(task.run, work)
        try:
            with anyio.move_on_after(GRACE_S):
                await task.ended.wait()
        except anyio.get_cancelled_exc_class():  # nobody ever learnt its id
            task.cancel()
            self._held.pop(task.id, None)
            raise
        if task.result is None:
            return {"resultType": "task", **task.seed()}
        self._held.pop(task.id, None)
        return task.result

    def _work(self, name: str, arguments: dict[str, Any], call: Call) -> Work:
        async def work(task: Task) -> Result:
            return await self._perform(name, arguments, replace(call, progress=task.tell))

        return work

    # tasks/* ----------------------------------------------------------------------------------------

    async def _get(self, ctx: Context, params: TaskParams) -> dict[str, Any]:
        return (await self._find(ctx, params)).detailed()

    async def _update(self, ctx: Context, params: UpdateParams) -> dict[str, Any]:
        (await self._find(ctx, params)).answer(params.input_responses)
        return {}

    async def _cancel(self, ctx: Context, params: TaskParams) -> dict[str, Any]:
        task = await self._find(ctx, params, revive=False)
        task.cancel()
        with anyio.move_on_after(STOP_S):
            await task.ended.wait()
        return {}

    async def _find(self, ctx: Context, params: TaskParams, *, revive: bool = True) -> Task:
        """Return a task of the caller's; another's is told like one that never was."""
        if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            raise MCPError(types.METHOD_NOT_FOUND, "Method not found", ctx.method)
        if not declared(ctx):
            raise undeclared()
        headers = getattr(ctx.request, "headers", None)
        if headers is not None and decode_header_value(headers.get(MCP_NAME_HEADER)) != params.task_id:
            text = f"{MCP_NAME_HEADER} header does not match the request body's 'taskId' parameter"
            raise MCPError(types.HEADER_MISMATCH, text)
        with as_protocol_errors(ctx.method):
            call = await self._asking()
            task = self._held.get(params.task_id) or self._revived(params.task_id, call, revive)
        if task is None or task.expired or task.owner != owner(call) or (task.scope and not call.has(task.scope)):
            raise MCPError(types.INVALID_PARAMS, "no such task; it may have expired")
        return task

    def _revived(self, id: str, call: Call, run: bool) -> Task | None:
        """Take up a task of an earlier daemon: its id says what it was."""
        with suppress(InvalidRequestState, ValueError, KeyError, TypeError):
            claims = json.loads(self._codec.unseal(id))
            op = self._house.registry.get(claims["name"])
            created = datetime.fromtimestamp(claims["created"], UTC)
            if op is None or claims["owner"] != owner(call) or not call.has(op.scope, op.name):
                return None
            task = Task(id, owner(call), op.scope, created, self._house.clock)
            if task.expired:
                return None
            self._make_room(task.owner)
            self._held[id] = task
            if not run:
                task.never_run()
            else:
                work = self._work(op.name, claims["arguments"], call) if op.effect is Effect.READ else _lost
                self._group.start_soon(task.run, work)
            return task
        return None

    # Holding ----------------------------------------------------------------------------------------

    def _seal(self, name: str, arguments: dict[str, Any], call: Call, created: datetime) -> str:
        claims = {"owner": owner(call), "name": name, "arguments": arguments, "created": created.timestamp()}
        payload = json.dumps(claims, separators=(",", ":")).encode()
        return self._codec.seal(payload) if len(payload) <= ARGUMENTS else secrets.token_urlsafe(24)

    def _hold(self, id: str, call: Call, created: datetime, scope: str) -> Task:
        self._make_room(owner(call))
        task = self._held[id] = Task(id, owner(call), scope, created, self._house.clock)
        return task

    def _make_room(self, of: str) -> None:
        """Forget what expired, then the oldest of the owner's tasks that ended; raises `Exhausted`."""
        for id in [id for id, task in self._held.items() if task.expired and task.ended.is_set()]:
            del self._held[id]
        theirs = [task for task in self._held.values() if task.owner == of]
        if len(theirs) < PER_OWNER:
            return
        ended = next((task for task in theirs if task.ended.is_set()), None)
        if ended is None:
            raise Exhausted(f"{PER_OWNER} tasks run already; wait for one, or cancel it with tasks/cancel")
        del self._held[ended.id]


def owner(call: Call) -> str:
    """Return whose a task is: an agent's, a person's, or one client's of theirs, however it renews its token."""
    return json.dumps([call.org, call.user, call.actor])


def declared(ctx: Context) -> bool:
    """Tell whether this very request says that its client knows tasks; only the 2026 era can."""
    able = ctx.session.client_capabilities
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS and bool(
        able is not None and able.extensions is not None and EXTENSION in able.extensions
    )


def undeclared() -> MCPError:
    """Return the error for a client that did not say it knows tasks."""
    needed: dict[str, Any] = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
    return MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, "Missing required client capability", needed)


async def _only_who_declared_listens(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Refuse a subscription to tasks by a client that does not know them; others poll, none is pushed."""
    if ctx.method == "subscriptions/listen":
        wanted = (ctx.params or {}).get("notifications")
        if isinstance(wanted, Mapping) and wanted.get("taskIds") and not declared(ctx):
            raise undeclared()
    return await call_next(ctx)


async def _lost(task: Task) -> types.CallToolResult:
    text = "aetherd was restarted and no longer knows this task; it may or may not have run, check before retrying"
    raise MCPError(types.INTERNAL_ERROR, text)


__all__ = ["EXTENSION", "Task", "Tasks", "declared", "undeclared"]
