"""Who wants to hear of what: changes of resources and of lists, from the event hub to clients of both eras.

One task listens to the hub for all of them. A listener hears only of what its principal may see, at most once
per change in `COALESCE_S`, and ends with its connection, its credential, or when its client no longer reads.
In 2025 a listener is a connection; in 2026 it is one `subscriptions/listen`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.abc
import mcp_types as types
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import ListenHandler
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import (
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
)

from aetherd.core.errors import AetherError, Exhausted
from aetherd.events.hub import Batch, Filter, Resync
from aetherd.events.log import Logged
from aetherd.operations.house import House
from aetherd_mcp.caller import Caller
from aetherd_mcp.refusals import as_protocol_errors
from aetherd_mcp.resources import Resources
from aetherd_mcp.sources import SOURCES, Source

logger = logging.getLogger(__name__)

LISTENERS = 4096
URIS = 100  # of one listener
COALESCE_S = 0.1
AGAIN_S = 1.0
SEND_S = 30.0  # a client that reads nothing for so long is no longer told anything
ALL_LISTS: frozenset[ServerEvent] = frozenset({ToolsListChanged(), PromptsListChanged(), ResourcesListChanged()})
LIST_EVENTS = {
    "agent.created",
    "agent.updated",
    "agent.archived",
    "agent.removed",
    "process.spawned",
    "process.exited",
}
Deliver = Callable[[ServerEvent], Awaitable[None]]
Key = tuple[str, Any]  # a template, and of which agent, process or approval


class Listener:
    """One connection of 2025, or one subscription of 2026."""

    def __init__(self, caller: Caller, deliver: Deliver, lists: frozenset[ServerEvent]) -> None:
        self.caller, self.deliver, self.lists = caller, deliver, lists
        self.uris: dict[str, Key] = {}
        self.pending: dict[ServerEvent, None] = {}
        self.flushing = False
        self.end: Callable[[], None] = lambda: None


class Feed:
    """All listeners; to the SDK it is a bus on which anything can be published."""

    def __init__(self, house: House, resources: Resources, ask: Callable[[], Awaitable[Caller]]) -> None:
        self._house, self._resources, self._ask = house, resources, ask
        self._listeners: set[Listener] = set()
        self._watching: dict[Key, dict[Listener, set[str]]] = {}
        self._group: anyio.abc.TaskGroup | None = None
        self._sources: dict[str, list[Source]] = {}  # by the type of event that changes them
        for kind in (str(event["type"]) for event in house.catalog["events"]):
            found = [source for source in SOURCES if source.changes_by(kind)]
            if found or kind in LIST_EVENTS:
                self._sources[kind] = found

    async def run(self) -> None:
        """Pass on what the hub tells, for ever."""
        async with anyio.create_task_group() as self._group:
            while True:
                try:
                    await self._pass_on()
                except AetherError as exc:  # the log cannot be read just now
                    logger.warning("MCP clients hear of no changes for a moment: %s", exc.message)
                await anyio.sleep(AGAIN_S)
                self._missed()

    async def _pass_on(self) -> None:
        everything = Filter("mcp", lambda _agent, _user, _org: True, tuple(self._sources))
        with self._house.hub.subscribe(everything) as subscriber:
            async for item in subscriber.stream():
                if isinstance(item, Batch):
                    for event in item.events:
                        self._happened(event)
                elif isinstance(item, Resync):
                    self._missed()

    def _missed(self) -> None:
        """Tell everybody of everything: something was missed, and nobody knows what."""
        for listener in self._listeners:
            self._mark(listener, ResourcesListChanged())
            for uri in listener.uris:
                self._mark(listener, ResourceUpdated(uri))

    async def publish(self, event: ServerEvent) -> None:
        """Tell everybody who asked for it, in both eras."""
        for listener in self._listeners:
            if not isinstance(event, ResourceUpdated) or event.uri in listener.uris:
                self._mark(listener, event)

    def _happened(self, event: Logged) -> None:
        for source in self._sources[event.type]:
            key, agent = _key(source, event), event.agent
            if event.type in ("message.sent", "message.failed") and source.about == "agent":
                key = agent = getattr(event.event, "to", None)  # it is in the inbox of whom it was sent to
            for listener, uris in self._watching.get((source.template, key), {}).items():
                if listener.caller.sees(agent, event.user, event.org):
                    for uri in uris:
                        self._mark(listener, ResourceUpdated(uri))
        if event.type in LIST_EVENTS:
            for listener in self._listeners:
                if listener.caller.sees(event.agent, event.user, event.org):
                    self._mark(listener, ResourcesListChanged())

    def _mark(self, listener: Listener, change: ServerEvent) -> None:
        if not isinstance(change, ResourceUpdated) and change not in listener.lists:
            return
        listener.pending[change] = None
        if not listener.flushing and self._group is not None:
            listener.flushing = True
            self._group.start_soon(self._flush, listener)

    async def _flush(self, listener: Listener) -> None:
        """Tell one client what has changed, unless its credential has ended meanwhile."""
        try:
            while listener.pending and listener in self._listeners:
                await anyio.sleep(COALESCE_S)
                changes, listener.pending = listener.pending, {}
                with anyio.fail_after(SEND_S):
                    await listener.caller.renewed(self._house)
                    for change in changes:
                        await listener.deliver(change)
        except (AetherError, TimeoutError):
            self._drop(listener)
            listener.end()
        except Exception:  # one client's connection is no concern of the others
            logger.debug("a client could not be told of a change", exc_info=True)
            self._drop(listener)
        finally:
            listener.flushing = False

    def _add(self, listener: Listener) -> None:
        if len(self._listeners) >= LISTENERS:
            raise Exhausted("too many clients listen for changes; try again later")
        self._listeners.add(listener)
        for uri, key in listener.uris.items():
            self._watch(listener, uri, key)

    def _watch(self, listener: Listener, uri: str, key: Key) -> None:
        self._watching.setdefault(key, {}).setdefault(listener, set()).add(uri)

    def _drop(self, listener: Listener) -> None:
        self._listeners.discard(listener)
        for uri in list(listener.uris):
            self._forget(listener, uri)

    def _forget(self, listener: Listener, uri: str) -> None:
        key = listener.uris.pop(uri, None)
        watching = self._watching.get(key, {}) if key is not None else {}
        if key is not None and listener in watching:
            watching[listener].discard(uri)
            if not watching[listener]:
                del watching[listener]
            if not watching:
                del self._watching[key]

    # 2025: a listener is a connection ---------------------------------------------------------------

    async def initialized(self, ctx: ServerRequestContext[Any], params: types.NotificationParams | None) -> None:
        """Have a new connection told of changed lists for as long as it lives."""
        try:
            await self._connected(ctx)
        except (MCPError, AetherError):  # it will be refused whatever it asks for
            logger.debug("a connection is not told of changes", exc_info=True)

    async def subscribe_resource(
        self, ctx: ServerRequestContext[Any], params: types.SubscribeRequestParams
    ) -> types.EmptyResult:
        """Have a connection told of a resource's changes."""
        listener = await self._connected(ctx)
        with as_protocol_errors(ctx.method):
            if len(listener.uris) >= URIS and params.uri not in listener.uris:
                raise Exhausted(f"a connection subscribes to at most {URIS} resources")
            key = await self._resources.watched(params.uri, listener.caller.call)
            if listener in self._listeners:
                listener.uris[params.uri] = key
                self._watch(listener, params.uri, key)
        return types.EmptyResult()

    async def unsubscribe_resource(
        self, ctx: ServerRequestContext[Any], params: types.UnsubscribeRequestParams
    ) -> types.EmptyResult:
        """Stop that."""
        self._forget(await self._connected(ctx), params.uri)
        return types.EmptyResult()

    async def _connected(self, ctx: ServerRequestContext[Any]) -> Listener:
        connection: Connection = ctx.session._connection  # the SDK shows it to nobody, but keeps it for us
        caller = await self._ask()
        if (listener := connection.state.get("aetherd")) is None:
            listener = Listener(caller, lambda change: _notify(connection, change), ALL_LISTS)
            connection.state["aetherd"] = listener
            connection.exit_stack.callback(self._drop, listener)
        listener.caller = caller
        if listener not in self._listeners:  # it is new, or read nothing for too long
            with as_protocol_errors(ctx.method):
                self._add(listener)
        return listener

    # 2026: a listener is a subscription -------------------------------------------------------------

    async def listen(
        self, ctx: ServerRequestContext[Any], params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Serve one subscription; resources the caller may not read are left out of the acknowledgement."""
        caller, wanted = await self._ask(), params.notifications
        with as_protocol_errors(ctx.method):
            if len(wanted.resource_subscriptions or ()) > URIS:
                raise Exhausted(f"a subscription has at most {URIS} resources")
            listener = Listener(caller, _nothing, ALL_LISTS)
            for uri in wanted.resource_subscriptions or ():
                try:
                    listener.uris[uri] = await self._resources.watched(uri, caller.call)
                except AetherError as exc:
                    logger.debug("no subscription to %s: %s", uri, exc.message)
            honoured = wanted.model_copy(update={"resource_subscriptions": list(listener.uris) or None})
            handler = ListenHandler(_Seat(self, listener))
            listener.end = handler.close
            return await handler(ctx, params.model_copy(update={"notifications": honoured}))


class _Seat:
    """The bus as one subscription sees it: only what its principal may hear of."""

    def __init__(self, feed: Feed, listener: Listener) -> None:
        self._feed, self._listener = feed, listener

    async def publish(self, event: ServerEvent) -> None:
        await self._feed.publish(event)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        async def deliver(change: ServerEvent) -> None:
            listener(change)

        self._listener.deliver = deliver
        self._feed._add(self._listener)
        return lambda: self._feed._drop(self._listener)


async def _nothing(change: ServerEvent) -> None:
    """Nobody listens yet."""


async def _notify(connection: Connection, change: ServerEvent) -> None:
    if isinstance(change, ResourceUpdated):
        await connection.send_resource_updated(change.uri)
    elif isinstance(change, ResourcesListChanged):
        await connection.send_resource_list_changed()
    elif isinstance(change, PromptsListChanged):
        await connection.send_prompt_list_changed()
    else:
        await connection.send_tool_list_changed()


def _key(source: Source, event: Logged) -> Any:
    """Return what an event is about, as the source counts."""
    if source.about is None:
        return None
    if source.about in ("pid", "agent"):
        return getattr(event, source.about)
    return getattr(event.event, source.about, None)  # a field of its own; unknown after a replay from the log
