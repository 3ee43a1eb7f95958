"""WS /v1/ws: commands, and the same events as on /v1/events, over one socket."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectSendStream
from pydantic import BaseModel, Field, ValidationError
from starlette.types import Receive, Scope, Send

from aetherd.core.errors import AetherError, Exhausted, Invalid, NotFound
from aetherd.core.model import Model, Pid
from aetherd.events import Batch, Resync
from aetherd.operations.house import House
from aetherd.operations.operation import Call
from aetherd.web.answers import crash
from aetherd.web.auth import Credential, authenticate
from aetherd.web.events import filter_for
from aetherd.web.reading import parse_object
from aetherd.web.streams import Streams, Watchdog, cut

logger = logging.getLogger(__name__)

IN_FLIGHT = 64
WAITING = 64  # messages on their way out; whoever adds more waits
MESSAGE = 1024 * 1024


class Subscribe(Model):
    """Which events, from where."""

    since: int | None = Field(default=None, ge=0)
    types: list[str] = Field(default_factory=list, max_length=100)
    pid: Pid | None = None
    agent: str | None = None
    frames: bool = False


class Socket:
    """One WebSocket connection."""

    def __init__(self, house: House, streams: Streams) -> None:
        self._house, self._streams = house, streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection until either side ends it."""
        _, credential = await authenticate(self._house, scope, "ws")
        if (await receive())["type"] != "websocket.connect":
            return
        with self._streams.held():
            await send({"type": "websocket.accept"})
            await Session(self._house, scope, credential).run(receive, send)
            return
        await close(send, 1012, "the daemon is stopping")


class Session:
    """What one connected client has going on."""

    def __init__(self, house: House, scope: Scope, credential: Credential) -> None:
        self._house, self._scope, self._credential = house, scope, credential
        self._in_flight: dict[str | int, anyio.CancelScope] = {}
        self._subscription: anyio.CancelScope | None = None
        self._out: MemoryObjectSendStream[str]
        self._group: TaskGroup

    async def run(self, receive: Receive, send: Send) -> None:
        """Read commands; everything that goes out goes through one writer."""
        self._out, waiting = anyio.create_memory_object_stream[str](WAITING)
        watchdog = Watchdog(self._call)
        code = 1000

        async def write() -> None:
            async for text in waiting:
                message = {"type": "websocket.send", "text": text}
                await watchdog.write(lambda message=message: send(message))  # type: ignore[misc]

        with waiting, self._out:
            try:
                async with anyio.create_task_group() as self._group:
                    self._group.start_soon(write)
                    self._group.start_soon(watchdog.run, None, self._group.cancel_scope)
                    code = await self._read(receive)
                    self._group.cancel_scope.cancel()
            except* OSError:
                code = 1000  # the client is gone; nothing more to say
        if watchdog.stuck:
            cut(self._scope)
        elif watchdog.revoked:
            await close(send, 4401, "the credential has ended")
        elif code != 1000:
            await close(send, code)

    async def _read(self, receive: Receive) -> int:
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return 1000
            text = message.get("text")
            if text is None:
                return 1003
            if len(text) > MESSAGE:
                return 1009
            key: Any = None
            try:
                command = parse_object(text)
                key = command.pop("id", None)
                if key is not None and (isinstance(key, bool) or not isinstance(key, str | int) or len(str(key)) > 128):
                    key = None
                    raise Invalid("id is a text or a number")
                await self._take(command, key)
            except AetherError as exc:
                await self._error(key, exc)

    async def _take(self, command: dict[str, Any], key: Any) -> None:
        kind = command.pop("type", None)
        if not isinstance(kind, str):
            raise Invalid("type names an operation, or is subscribe, unsubscribe, cancel or ping")
        if kind == "ping":
            await self._send({"type": "pong", **({} if key is None else {"id": key})})
        elif kind == "subscribe":
            await self._subscribe(command, key)
        elif kind == "unsubscribe":
            self._unsubscribe()
            await self._send({"type": "unsubscribed"})
        elif kind == "cancel":
            if key not in self._in_flight:
                raise NotFound(f"no command {key} is running", kind="command", id=key)
            self._in_flight[key].cancel()
        else:
            self._start(kind, command, key)

    def _start(self, name: str, command: dict[str, Any], key: Any) -> None:
        raw = command.pop("input", None)
        if key is None:
            raise Invalid("a command needs an id, which its answers carry")
        if raw is not None and not isinstance(raw, dict):
            raise Invalid("input is not an object")
        if command:
            raise Invalid(f"unknown field {sorted(command)[0]!r} beside type, id and input")
        if key in self._in_flight:
            raise Invalid(f"a command with the id {key!r} is still running")
        if len(self._in_flight) >= IN_FLIGHT:
            raise Exhausted(f"{IN_FLIGHT} commands are running on this connection; wait for one", limit=IN_FLIGHT)
        self._in_flight[key] = anyio.CancelScope()
        self._group.start_soon(self._run, name, raw or {}, key)

    async def _run(self, name: str, raw: dict[str, Any], key: Any) -> None:
        call: Call | None = None
        try:
            with self._in_flight[key] as scope:
                call = await self._call()
                result = await self._house.dispatcher.invoke(name, raw, call)
                last = result if isinstance(result, BaseModel) else await self._items(result, key)
                await self._ok(key, last)
            if scope.cancelled_caught:
                await self._error(key, Cancelled("cancelled"))
        except AetherError as exc:
            await self._error(key, exc)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return  # the connection ended meanwhile
        except Exception:
            logger.exception("%s crashed", name[:200])
            await self._error(key, crash(call.id if call else None))
        finally:
            del self._in_flight[key]

    async def _items(self, items: AsyncIterator[BaseModel], key: Any) -> BaseModel | None:
        last = None
        async with aclosing(items) as source:  # type: ignore[type-var]
            async for last in source:
                await self._out.send(
                    f'{{"type":"response.item","id":{json.dumps(key)},"data":{last.model_dump_json()}}}'
                )
        return last

    async def _ok(self, key: Any, data: BaseModel | None) -> None:
        text = "{}" if data is None else data.model_dump_json()
        await self._out.send(f'{{"type":"response.ok","id":{json.dumps(key)},"data":{text}}}')

    async def _error(self, key: Any, error: AetherError) -> None:
        await self._out.send(json.dumps({"type": "response.error", "id": key, **error.body()}, default=str))

    async def _send(self, message: dict[str, Any]) -> None:
        await self._out.send(json.dumps(message))

    async def _call(self) -> Call:
        """Return a fresh Call: a revoked credential ends here at its next command."""
        call = await self._house.authenticate(self._credential.token, "ws", door=self._scope.get("aether.door"))
        self._scope["aether.call"] = call
        return call

    # Events ------------------------------------------------------------------------------------------

    async def _subscribe(self, command: dict[str, Any], key: Any) -> None:
        try:
            wish = Subscribe.model_validate(command)
        except ValidationError as exc:
            first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
            raise Invalid(f"subscribe: {'.'.join(map(str, first['loc']))}: {first['msg'].lower()}") from exc
        call = await self._call()
        self._unsubscribe()
        since = self._house.hub.newest if wish.since is None else wish.since
        self._subscription = anyio.CancelScope()
        await self._send({"type": "subscribed", "since": since, **({} if key is None else {"id": key})})
        self._group.start_soon(self._follow, wish, since, call, self._subscription)

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self._subscription.cancel()
            self._subscription = None

    async def _follow(self, wish: Subscribe, since: int, call: Call, scope: anyio.CancelScope) -> None:
        wanted = filter_for(self._house, call, tuple(sorted(set(wish.types))), wish.pid, wish.agent)
        with scope:
            try:
                with self._house.hub.subscribe(wanted, since, frames=wish.frames) as subscriber:
                    async with aclosing(subscriber.stream()) as items:  # type: ignore[type-var]
                        async for item in items:
                            if isinstance(item, Batch):
                                await self._out.send(item.ws)
                            elif isinstance(item, Resync):
                                await self._send({"type": "resync", "since": item.since, "lost": item.lost})
                            else:
                                shown = item.model_dump_json(exclude={"user", "org"})
                                await self._out.send('{"type":"frame",' + shown[1:])
            except AetherError as exc:
                await self._error(None, exc)


class Cancelled(AetherError):
    """Raised when the client cancelled its own command."""

    code, status = "conflict", 409


async def close(send: Send, code: int, reason: str = "") -> None:
    """Close, if the client is still there."""
    with anyio.move_on_after(1, shield=True):
        try:
            await send({"type": "websocket.close", "code": code, "reason": reason})
        except OSError:
            return
