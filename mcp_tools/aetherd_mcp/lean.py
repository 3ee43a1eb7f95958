"""A connection served without the SDK's stream loop: its kernel (`ServerRunner`) fed straight from the wire.

The SDK passes each message through queues and tasks of its own; here whoever takes a request off the wire works on
it and writes its answer, and at least one more task waits meanwhile, for the next request or for a cancellation. So a
client that asks one thing after the other costs no task and no queue. The kernel, and so every check of what
comes in, in both eras, is the SDK's.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import count
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import mcp_types as types
from mcp.server.connection import Connection, NotifyOnlyOutbound
from mcp.server.context import HandlerResult
from mcp.server.lowlevel.server import Server
from mcp.server.runner import ServerRunner, aclose_shielded, serve_one
from mcp.shared.dispatcher import (
    CallOptions,
    DispatchContext,
    Dispatcher,
    OnNotify,
    OnNotifyIntercept,
    OnRequest,
    run_notify_intercept,
)
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp.shared.inbound import InboundLadderRejection, classify_inbound_request
from mcp.shared.jsonrpc_dispatcher import handler_exception_to_error_data, progress_token_from_params
from mcp.shared.transport_context import TransportContext
from mcp_types.version import LATEST_MODERN_VERSION, MODERN_PROTOCOL_VERSIONS
from pydantic_core import to_json

from aetherd_mcp.large import Plain
from aetherd_mcp.menu import Menu
from aetherd_mcp.wire import GONE, IN_FLIGHT, Message, Wire

logger = logging.getLogger(__name__)

BURST = 16  # messages taken in a row before others get their turn
SPARE = 2  # tasks that wait for messages
GOODBYE_S = 5.0  # for telling a client that its answer is no longer waited for
DUPLEX = TransportContext(kind="unix", can_send_request=True)
ONE_WAY = TransportContext(kind="unix", can_send_request=False)  # in 2026 a server asks nothing
ENVELOPE = (types.PROTOCOL_VERSION_META_KEY, types.CLIENT_INFO_META_KEY, types.CLIENT_CAPABILITIES_META_KEY)
Params = Mapping[str, Any] | None


async def serve(server: Server[Any], wire: Wire) -> None:
    """Serve one connection in the era its client opens with, until it ends."""
    lean = Lean(wire)
    era = Era(server, lean)
    try:
        await lean.run(era.on_request, era.on_notify)
    finally:
        wire.close()
        await era.end()


class Runner(ServerRunner[Any]):
    """The SDK's kernel, which does not check again what is made to fit; without this it only takes longer."""

    def _serialize(self, method: str, version: str, result: HandlerResult) -> dict[str, Any]:
        if type(result) is not Plain:
            return super()._serialize(method, version, result)
        fitting = {**result}
        if version not in MODERN_PROTOCOL_VERSIONS:
            del fitting["resultType"]
        return self._stamp_server_info(version, fitting)


class Era:
    """The first request decides the era of a connection, for good; the other era's requests are refused."""

    def __init__(self, server: Server[Any], lean: Lean) -> None:
        self._server, self._outbound = server, NotifyOnlyOutbound(lean)
        self._modern: bool | None = None
        self._same: Runner | None = None  # of the envelope it began with
        self._envelope: tuple[Any, ...] | None = None
        self.handshake = Runner(
            server, Connection.for_loop(lean), {}, init_options=server.create_initialization_options()
        )

    async def on_request(self, asked: DispatchContext[TransportContext], method: str, params: Params) -> dict[str, Any]:
        """Hand a request to the kernel."""
        meta = params.get("_meta") if params else None
        enveloped = isinstance(meta, Mapping) and types.PROTOCOL_VERSION_META_KEY in meta
        if self._modern is None:
            self._modern = enveloped and method != "initialize"
        if self._modern:
            return await self._one(asked, method, params)
        if enveloped and method != "initialize":
            raise MCPError(
                types.INVALID_REQUEST,
                "this connection began with the handshake of 2025; requests with the 2026-07-28 envelope need another",
            )
        return await self.handshake.on_request(asked, method, params)

    async def _one(self, asked: DispatchContext[TransportContext], method: str, params: Params) -> dict[str, Any]:
        if method == "initialize":
            data: dict[str, Any] = {"supported": list(MODERN_PROTOCOL_VERSIONS)}
            if isinstance(requested := (params or {}).get("protocolVersion"), str):
                data["requested"] = requested
            raise MCPError(
                types.UNSUPPORTED_PROTOCOL_VERSION, "this connection speaks 2026-07-28, which has no handshake", data
            )
        assert isinstance(asked, Asked)
        asked.transport = ONE_WAY
        meta = params.get("_meta") if params else None
        envelope = tuple(meta.get(key) for key in ENVELOPE) if isinstance(meta, Mapping) else None
        if self._same is not None and envelope == self._envelope:  # it was found good
            return await self._same.on_request(asked, method, params)
        route = classify_inbound_request({"method": method, "params": params})
        if isinstance(route, InboundLadderRejection):
            raise MCPError(route.code, route.message, route.data)
        connection = Connection.from_envelope(
            route.protocol_version, route.client_info, route.client_capabilities, outbound=self._outbound
        )
        if self._same is None and route.client_capabilities is not None:  # else null would be as good as none
            self._same, self._envelope = Runner(self._server, connection, {}), envelope
            return await self._same.on_request(asked, method, params)
        return await serve_one(self._server, asked, method, params, connection=connection, lifespan_state={})

    async def end(self) -> None:
        """Close what handlers keep with the connection."""
        await aclose_shielded(self.handshake.connection)
        if self._same is not None:
            await aclose_shielded(self._same.connection)

    async def on_notify(self, asked: DispatchContext[TransportContext], method: str, params: Params) -> None:
        """Hand a notification to the kernel; before the first request there is nobody to tell."""
        if self._modern:
            connection = Connection.from_envelope(LATEST_MODERN_VERSION, None, None, outbound=self._outbound)
            try:
                await ServerRunner(self._server, connection, {}).on_notify(asked, method, params)
            finally:
                await aclose_shielded(connection)
        elif self._modern is False:
            await self.handshake.on_notify(asked, method, params)


class Asked:
    """One request, or one notification, on its way through the kernel: its `DispatchContext`."""

    __slots__ = ("_cancel_requested", "_lean", "_progress_token", "done", "request_id", "scope", "transport")
    message_metadata = None

    def __init__(self, lean: Lean, request_id: types.RequestId | None, params: Params) -> None:
        self._lean, self.request_id, self.transport = lean, request_id, DUPLEX
        self._progress_token = progress_token_from_params(params) if params and "_meta" in params else None
        self._cancel_requested: anyio.Event | None = None
        self.scope = anyio.CancelScope()
        self.done = False

    @property
    def can_send_request(self) -> bool:
        """Whether the client can be asked something now."""
        return self.transport.can_send_request and not self.done

    @property
    def cancel_requested(self) -> anyio.Event:
        """Set when the client no longer wants the answer; the work is cancelled besides."""
        if self._cancel_requested is None:
            self._cancel_requested = anyio.Event()
            if self.scope.cancel_called:
                self._cancel_requested.set()
        return self._cancel_requested

    def cancel(self) -> None:
        """Stop: the client no longer wants the answer."""
        self.scope.cancel()
        if self._cancel_requested is not None:
            self._cancel_requested.set()

    async def send_raw_request(self, method: str, params: Params, opts: CallOptions | None = None) -> dict[str, Any]:
        """Ask the client; raises `MCPError`."""
        if not self.can_send_request:
            raise NoBackChannelError(method)
        return await self._lean.send_raw_request(method, params, opts)

    async def notify(self, method: str, params: Params, opts: CallOptions | None = None) -> None:
        """Tell the client."""
        if not self.done:
            await self._lean.notify(method, params, opts)

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Report progress, if the client asked for it."""
        if self._progress_token is None:
            return
        params: dict[str, Any] = {"progressToken": self._progress_token, "progress": progress}
        if total is not None:
            params["total"] = total
        if message is not None:
            params["message"] = message
        await self.notify("notifications/progress", params)


class Lean(Dispatcher[TransportContext]):
    """The SDK's `Dispatcher` on a wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._running: dict[str, Asked] = {}  # requests a cancellation may reach
        self._asking: dict[str, Waiter] = {}  # what the client was asked
        self._opening: anyio.Event | None = None  # while the handshake is worked on
        self._ids = count(1)
        self._taken = self._telling = 0  # messages, and notifications being handled
        self._closed = False

    async def run(
        self,
        on_request: OnRequest,
        on_notify: OnNotify,
        on_notify_intercept: OnNotifyIntercept | None = None,
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Take messages until the connection ends; what still runs then is cancelled, and gets no answer."""

        async def take() -> None:
            """Take one message after the other, until others do."""
            try:
                while self._wire.waiting < SPARE:
                    message = await self._wire.receive()
                    if not self._wire.waiting:
                        group.start_soon(take)
                    if self._opening is not None:
                        await self._opening.wait()
                    self._taken += 1
                    if self._taken % BURST == 0:
                        await anyio.lowlevel.checkpoint()
                    await self._handle(message, on_request, on_notify, on_notify_intercept)
            except anyio.EndOfStream:
                group.cancel_scope.cancel()

        try:
            async with anyio.create_task_group() as group:
                task_status.started()
                group.start_soon(take)
        finally:
            self._closed = True
            for waiter in self._asking.values():
                waiter.settle(MCPError(types.CONNECTION_CLOSED, "the connection has ended"))

    async def _handle(
        self, message: Message, on_request: OnRequest, on_notify: OnNotify, intercept: OnNotifyIntercept | None
    ) -> None:
        method, params = message.get("method"), message.get("params")
        if method is None:
            self._resolve(message)
        elif "id" not in message:
            if method == "notifications/cancelled":
                self._cancel((params or {}).get("requestId"))
            elif not run_notify_intercept(intercept, method, params):
                await self._told(on_notify, method, params)
        elif method == "initialize":  # what comes after it must find it done
            self._opening = anyio.Event()
            try:
                await self._answer(Asked(self, message["id"], params), on_request, method, params)
            finally:
                self._opening.set()
                self._opening = None
        else:
            await self._answer(Asked(self, message["id"], params), on_request, method, params)

    async def _answer(self, asked: Asked, on_request: OnRequest, method: str, params: Params) -> None:
        id = asked.request_id
        assert id is not None
        line: tuple[bytes, ...] = ()
        try:
            with asked.scope:
                self._running[str(id)] = asked
                try:
                    line = written(id, await on_request(asked, method, params))
                except Exception as exc:
                    line = (refused(id, exc),)
                finally:
                    asked.done = True
                    del self._running[str(id)]
            if not asked.scope.cancel_called:
                await self._wire.write(*line)
        except GONE:
            logger.debug("an answer found nobody")
        finally:
            self._wire.settled(id)

    async def _told(self, on_notify: OnNotify, method: str, params: Params) -> None:
        if self._telling >= IN_FLIGHT:
            logger.debug("dropped %s: too many are being handled", method)
            return
        self._telling += 1
        try:
            await on_notify(Asked(self, None, params), method, params)
        except Exception:
            logger.exception("the notification %s crashed", method)
        finally:
            self._telling -= 1

    def _cancel(self, id: object) -> None:
        """Stop the work of a request its client gave up; what is being written already is written whole."""
        if (asked := self._running.get(str(id))) is not None:
            asked.cancel()

    # What goes to the client ------------------------------------------------------------------------

    async def send_raw_request(self, method: str, params: Params, opts: CallOptions | None = None) -> dict[str, Any]:
        """Ask the client and wait for its answer, `opts["timeout"]` seconds at most; raises `MCPError`."""
        if self._closed:
            raise MCPError(types.CONNECTION_CLOSED, "the connection has ended")
        if len(self._asking) >= IN_FLIGHT:
            raise MCPError(types.INTERNAL_ERROR, "too many questions wait for this client's answers")
        opts = opts or {}
        id, waiter = next(self._ids), Waiter()
        self._asking[str(id)] = waiter
        request: Message = {"jsonrpc": "2.0", "id": id, "method": method} | ({"params": dict(params)} if params else {})
        answered = False
        try:
            with anyio.fail_after(opts.get("timeout")):
                await self._wire.write(to_json(request) + b"\n")
                await waiter.done.wait()
            answered = True
        except TimeoutError:
            raise MCPError(types.REQUEST_TIMEOUT, f"the client did not answer {method} in time") from None
        except GONE:
            answered = True
            raise MCPError(types.CONNECTION_CLOSED, "the connection has ended") from None
        finally:
            self._asking.pop(str(id), None)
            if not answered and opts.get("cancel_on_abandon", True):
                with anyio.move_on_after(GOODBYE_S, shield=True):
                    await self.notify("notifications/cancelled", {"requestId": id, "reason": "no longer waited for"})
        if isinstance(waiter.outcome, MCPError):
            raise waiter.outcome
        return waiter.outcome

    async def notify(self, method: str, params: Params, opts: CallOptions | None = None) -> None:
        """Tell the client; a connection that has ended hears nothing."""
        message: Message = {"jsonrpc": "2.0", "method": method} | ({} if params is None else {"params": dict(params)})
        try:
            await self._wire.write(to_json(message) + b"\n")
        except GONE:
            logger.debug("dropped %s: the connection has ended", method)

    def _resolve(self, message: Message) -> None:
        waiter = self._asking.get(str(message.get("id")))
        if waiter is None:
            logger.debug("dropped an answer nobody waits for")
        elif "error" in message:
            error = message["error"]
            waiter.settle(MCPError(error["code"], error["message"], error.get("data")))
        else:
            waiter.settle(message["result"])


class Waiter:
    """One question to the client, and what became of it."""

    def __init__(self) -> None:
        self.done, self.outcome = anyio.Event(), MCPError(types.CONNECTION_CLOSED, "")

    outcome: dict[str, Any] | MCPError

    def settle(self, outcome: dict[str, Any] | MCPError) -> None:
        """Wake who waits; the first outcome counts."""
        if not self.done.is_set():
            self.outcome = outcome
            self.done.set()


def written(id: types.RequestId, result: dict[str, Any]) -> tuple[bytes, ...]:
    """Return an answer as the parts of its line; a menu is neither written out again nor copied."""
    menu = result.get("tools")
    if isinstance(menu, Menu):
        rest = to_json({key: value for key, value in result.items() if key != "tools"}, inf_nan_mode="null")
        head = b'{"jsonrpc":"2.0","id":%b,"result":{"tools":' % to_json(id)
        return head, menu.json, b"%b}\n" % (rest[1:] if rest == b"{}" else b"," + rest[1:])
    return (b'{"jsonrpc":"2.0","id":%b,"result":%b}\n' % (to_json(id), to_json(result, inf_nan_mode="null")),)


def refused(id: types.RequestId, exc: Exception) -> bytes:
    """Return the error of a request as its line; a crash shows nothing of itself."""
    error = handler_exception_to_error_data(exc)
    if error is None:
        logger.error("a request crashed", exc_info=exc)
        error = types.ErrorData(code=types.INTERNAL_ERROR, message="internal error; the daemon's log has the details")
    body = error.model_dump_json(exclude_unset=True)
    return b'{"jsonrpc":"2.0","id":%b,"error":%b}\n' % (to_json(id), body.encode())
