"""A connection served by the SDK's own loop, used as its documentation says: what `mcp_loop = "sdk"` falls back to.

The loop this project serves with (`lean.py`) stands on a seam the SDK calls provisional. Should a release break it,
this one, which needs nothing but `Server.run`, keeps the sockets open. Both run behind the same tests.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import anyio
import mcp_types as types
from mcp.server.lowlevel.server import Server
from mcp.shared.message import ServerMessageMetadata, SessionMessage

from aetherd_mcp.wire import GONE, Message, Wire


async def serve(server: Server[Any], wire: Wire) -> None:
    """Serve one connection in the era its client opens with, until it ends.

    A request that ends because the connection does is not answered: whoever is there after all, as the relay
    is over a restart of the daemon, learns it from the socket's end and asks again.
    """
    taken, messages = anyio.create_memory_object_stream[SessionMessage | Exception]()
    answers, given = anyio.create_memory_object_stream[SessionMessage]()

    async def read() -> None:
        with taken, suppress(*GONE):
            while True:
                await taken.send(_taken(await wire.receive(), wire))

    async def write() -> None:
        with given, suppress(*GONE):
            async for item in given:
                await _given(item.message, wire)

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(read)
            group.start_soon(write)
            await server.run(messages, answers, server.create_initialization_options())
            group.cancel_scope.cancel()
    finally:
        wire.close()


def _taken(document: Message, wire: Wire) -> SessionMessage:
    if "method" not in document:
        kind = types.JSONRPCError if "error" in document else types.JSONRPCResponse
        return SessionMessage(kind.model_validate(document, by_name=False))
    if "id" not in document:
        return SessionMessage(types.JSONRPCNotification.model_validate(document, by_name=False))

    async def unanswered() -> None:
        wire.settled(document["id"])

    request = types.JSONRPCRequest.model_validate(document, by_name=False)
    return SessionMessage(request, ServerMessageMetadata(on_request_unanswered=unanswered))


async def _given(message: types.JSONRPCMessage, wire: Wire) -> None:
    line = message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
    if not isinstance(message, types.JSONRPCResponse | types.JSONRPCError):
        await wire.write(line)
        return
    try:
        if isinstance(message, types.JSONRPCResponse) or message.error.code != types.CONNECTION_CLOSED:
            await wire.write(line)
    finally:
        if message.id is not None:
            wire.settled(message.id)
