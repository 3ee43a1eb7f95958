"""WS /v1/attach/{kind}/{key}: raw bytes both ways, such as a terminal; JSON text frames beside them.

Texts from the client: `{"t":"r","c":cols,"r":rows}` resize, `{"t":"a","n":bytes}` shown. To the client:
`{"t":"h","writable":…}` first, `{"t":"e","message":…}` when input is refused, `{"t":"x",…}` at the end.
"""

from __future__ import annotations

import json
import logging
from typing import Any

import anyio
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from aetherd.core.errors import AetherError, NotFound, Unauthenticated
from aetherd.operations.house import ByteChannel, House
from aetherd.operations.operation import Call
from aetherd.web.answers import BadRequest
from aetherd.web.auth import Credential, authenticate
from aetherd.web.reading import parse_object
from aetherd.web.streams import Outlet, Streams, Watchdog, cut
from aetherd.web.ws import close

logger = logging.getLogger(__name__)

SMALL = 64 * 1024
JOIN_S = 0.001  # after a small frame, what comes within this goes out as one


class Attached:
    """The byte channels of every kind the house offers."""

    def __init__(self, house: House, streams: Streams) -> None:
        self._house, self._streams = house, streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open the channel before the upgrade is accepted, then carry bytes until either side ends."""
        parameters = scope["path_params"]
        kind, key = parameters["kind"], parameters["key"]
        if kind not in self._house.attach:
            raise NotFound(f"nothing of the kind {kind!r} can be attached", kind="attach", id=kind)
        ticket = HTTPConnection(scope).query_params.get("ticket") or None
        call, credential = await self._caller(scope, ticket)
        if (await receive())["type"] != "websocket.connect":
            return

        async def recheck() -> None:
            if credential is not None and ticket is None:
                await self._house.authenticate(credential.token, "ws", door=scope.get("aether.door"))

        watchdog = Watchdog(recheck)
        async with self._house.attach[kind](key, ticket, call) as channel:
            with self._streams.held() as held:
                await send({"type": "websocket.accept"})
                await carry(channel, watchdog, receive, send)
        if watchdog.stuck:
            cut(scope)
        elif held.cancel_called:
            await close(send, 1012, "the daemon is stopping")
        elif watchdog.revoked:
            await close(send, 4401, "the credential has ended")

    async def _caller(self, scope: Scope, ticket: str | None) -> tuple[Call | None, Credential | None]:
        """A ticket is a credential by itself; who else comes must have one."""
        try:
            return await authenticate(self._house, scope, "ws")
        except Unauthenticated:
            if ticket is None:
                raise
            return None, None


async def carry(channel: ByteChannel, watchdog: Watchdog, receive: Receive, send: Send) -> None:
    """Carry bytes both ways until the channel ends or the client leaves."""
    outlet = Outlet()

    async def fill() -> None:
        while (data := await channel.receive()) is not None:
            await outlet.put(data)
        outlet.close()

    async def pour() -> None:
        await tell(send, {"t": "h", "writable": channel.writable})
        while (data := await outlet.take()) is not None:
            message = {"type": "websocket.send", "bytes": data}
            await watchdog.write(lambda message=message: send(message))  # type: ignore[misc]
            if len(data) < SMALL:
                await anyio.sleep(JOIN_S)
        await tell(send, {"t": "x", **channel.end})
        await close(send, 1000)
        group.cancel_scope.cancel()

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(fill)
            group.start_soon(pour)
            group.start_soon(watchdog.run, None, group.cancel_scope)
            await listen(channel, receive, send)
            group.cancel_scope.cancel()
    except* OSError:
        logger.debug("the viewer is gone")


async def listen(channel: ByteChannel, receive: Receive, send: Send) -> None:
    """Take what the client types and says, until it leaves."""
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        try:
            if (data := message.get("bytes")) is not None:
                await channel.send(data)
            else:
                await obey(channel, parse_object(message.get("text") or ""))
        except AetherError as exc:
            await tell(send, {"t": "e", "message": exc.message, "code": exc.code})


async def obey(channel: ByteChannel, command: dict[str, Any]) -> None:
    """Do what a text frame asks."""
    match command:
        case {"t": "r", "c": int(cols), "r": int(rows)} if 1 <= cols <= 1000 and 1 <= rows <= 1000:
            await channel.resize(rows, cols)
        case {"t": "a", "n": int(count)} if count >= 0:
            await channel.ack(count)
        case _:
            raise BadRequest('a text frame is {"t":"r","c":cols,"r":rows} or {"t":"a","n":bytes}')


async def tell(send: Send, message: dict[str, Any]) -> None:
    """Send a text frame."""
    await send({"type": "websocket.send", "text": json.dumps(message, default=str)})
