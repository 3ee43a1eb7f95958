"""One house served on every face at once, and clients for each: for the tests that hold the faces together."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import httpx2
import mcp_types as types
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage

from aetherd.core.model import Model
from aetherd.operations.house import House
from aetherd.operations.operation import Call, Effect, Rule, operation, operations_of
from aetherd.web.app import Web
from aetherd.web.server import Server, bind_tcp, bind_unix
from aetherd_mcp import relay
from aetherd_mcp.http import McpHttp
from aetherd_mcp.server import ToolServer
from aetherd_mcp.sockets import Sockets
from aetherd_runtimes.command import Command
from house import Running

MODES = ("legacy", "2026-07-28")
WAYS = ("socket", "relay", "http")


class Said(Model):
    """Any text."""

    text: str = ""


class Lab:
    """Operations that do what a test of a face needs."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Forget what was."""
        self.begun, self.cancelled, self.go_on = anyio.Event(), anyio.Event(), anyio.Event()
        self.running = 0

    @operation("lab.echo", effect=Effect.READ, access=Rule.ANYONE)
    async def echo(self, input: Said, call: Call) -> Said:
        """Answer what was said."""
        return input

    @operation("lab.wait", effect=Effect.READ, access=Rule.ANYONE, long=True)
    async def wait(self, input: Said, call: Call) -> Said:
        """Wait until the test lets it go on."""
        self.running += 1
        self.begun.set()
        try:
            await self.go_on.wait()
        except anyio.get_cancelled_exc_class():
            self.cancelled.set()
            raise
        finally:
            self.running -= 1
        return input

    @operation("lab.change", access=Rule.ANYONE, long=True)
    async def change(self, input: Said, call: Call) -> Said:
        """Change something, in as long as the test wants."""
        return await self.wait(input, call)

    @operation("lab.crash", effect=Effect.READ, access=Rule.ANYONE)
    async def crash(self, input: Said, call: Call) -> Said:
        """Crash."""
        raise RuntimeError("the secret of the house")


@dataclass
class Faces:
    """A house behind its sockets and its HTTP port."""

    running: Running
    lab: Lab
    tools: ToolServer
    web: Web
    sockets: anyio.CancelScope  # cancelling it ends the unix sockets as the end of the daemon does
    port: int
    owner: str  # the owner's token
    server: Server = field(repr=False)

    @property
    def house(self) -> House:
        house: House = self.running.house
        return house

    @property
    def socket(self) -> Path:
        return self.house.settings.run_dir / "aetherd.sock"

    async def token(self, *scopes: str, toolset: str = "all") -> str:
        """Make a token and return its secret."""
        raw = {"name": "test", "scopes": list(scopes), "toolset": toolset}
        return str((await self.running.invoke("token.create", raw)).secret)

    @asynccontextmanager
    async def client(self, way: str, mode: str, token: str | None = None, **options: Any) -> AsyncIterator[Client]:
        """Connect the SDK's client."""
        secret = token or self.owner
        async with transport(self, way, secret) as target, Client(target, mode=mode, **options) as client:
            yield client

    @asynccontextmanager
    async def http(self, token: str | None = None, **headers: str) -> AsyncIterator[httpx2.AsyncClient]:
        """Connect plain HTTP; an empty token sends none."""
        secret = self.owner if token is None else token
        given = headers | ({"authorization": f"Bearer {secret}"} if secret else {})
        base = f"http://127.0.0.1:{self.port}"
        # Not to read the machine's certificates for http saves 40 ms a client.
        options: dict[str, Any] = {"timeout": 20, "trust_env": False, "verify": False}
        async with httpx2.AsyncClient(base_url=base, headers=given, **options) as client:
            yield client

    @asynccontextmanager
    async def raw(self, token: str | None = None, path: Path | None = None) -> AsyncIterator[Raw]:
        """Connect to a socket and write lines by hand."""
        async with await anyio.connect_unix(path or self.socket) as stream:
            await stream.send((self.owner if token is None else token).encode() + b"\n")
            yield Raw(stream)


class Raw:
    """Lines of JSON on a socket."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self.stream, self._lines = stream, BufferedByteReceiveStream(stream)

    async def send(self, *messages: dict[str, Any] | bytes) -> None:
        """Write messages, or lines as they are."""
        lines = [m if isinstance(m, bytes) else json.dumps(m).encode() for m in messages]
        await self.stream.send(b"".join(line + b"\n" for line in lines))

    async def line(self) -> dict[str, Any]:
        """Read the next message."""
        with anyio.fail_after(10):
            line = await self._lines.receive_until(b"\n", 1 << 24)
        message: dict[str, Any] = json.loads(line)
        return message

    async def ask(self, id: Any, method: str, **params: Any) -> dict[str, Any]:
        """Make a request and return its answer."""
        await self.send(request(id, method, **params))
        while True:
            message = await self.line()
            if "method" not in message:
                return message

    async def greet(self) -> dict[str, Any]:
        """Do the handshake of 2025."""
        info = {"name": "test", "version": "1"}
        hello = await self.ask(0, "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=info)
        await self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return hello

    async def ended(self) -> bytes:
        """Wait for the end of the connection; return what came before it."""
        rest = self._lines.buffer
        with anyio.fail_after(10):
            try:
                while True:
                    rest += await self.stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return rest


ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def request(id: Any, method: str, **params: Any) -> dict[str, Any]:
    """Write a request."""
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


@asynccontextmanager
async def transport(faces: Faces, way: str, token: str) -> AsyncIterator[Any]:
    """Open one of the three ways an MCP client comes in."""
    if way == "relay":
        yield StdioServerParameters(
            command=sys.executable,
            args=["-S", "-E", "-I", str(relay.__file__), str(faces.socket)],
            env={"AETHER_TOKEN": token},
        )
    elif way == "socket":
        yield unix_transport(faces.socket, token)
    else:
        async with faces.http(token) as client:
            yield streamable_http_client(f"http://127.0.0.1:{faces.port}/mcp", http_client=client)


@asynccontextmanager
async def unix_transport(path: Path, token: str) -> AsyncIterator[Any]:
    """Connect the SDK's client to a socket."""
    incoming, messages = anyio.create_memory_object_stream[SessionMessage | Exception]()
    answers, outgoing = anyio.create_memory_object_stream[SessionMessage]()
    async with (
        await anyio.connect_unix(path) as stream,
        incoming,
        messages,
        answers,
        outgoing,
        anyio.create_task_group() as group,
    ):
        await stream.send(token.encode() + b"\n")
        lines = BufferedByteReceiveStream(stream)

        async def read() -> None:
            async with incoming:
                try:
                    while True:
                        line = await lines.receive_until(b"\n", 1 << 24)
                        await incoming.send(SessionMessage(types.jsonrpc_message_adapter.validate_json(line)))
                except (anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError):
                    return

        async def write() -> None:
            async for item in outgoing:
                text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                await stream.send(text.encode() + b"\n")

        group.start_soon(read)
        group.start_soon(write)
        yield messages, answers
        group.cancel_scope.cancel()


@asynccontextmanager
async def serve(running: Running, *, lab: bool = True) -> AsyncIterator[Faces]:
    """Serve a house on every face."""
    house, own = running.house, Lab()
    if lab:
        for op in operations_of(own):
            house.registry.add(op)
    tools = ToolServer(house)
    http = McpHttp(house, tools)
    web = Web(house, mcp=http)
    server = Server(web)
    run = house.settings.run_dir
    sockets = [bind_tcp("127.0.0.1", 0), bind_unix(run / "http.sock")]
    port = sockets[0].getsockname()[1]
    running.kernel.lifecycle.address = web.address = f"http://127.0.0.1:{port}"
    owner = (house.settings.home / "secrets" / "owner.token").read_text().strip()
    async with tools.running(), http.running(), anyio.create_task_group() as group:

        async def listen(*, task_status: anyio.abc.TaskStatus[anyio.CancelScope]) -> None:
            async with anyio.create_task_group() as inner:
                await Sockets(house, tools, inner).serve(run / "aetherd.sock")
                task_status.started(inner.cancel_scope)

        listening = await group.start(listen)
        stopped = anyio.Event()

        async def host() -> None:
            await server.serve(sockets)
            stopped.set()

        group.start_soon(host)
        with anyio.fail_after(10):
            await server.up.wait()
        house.ready = True
        yield Faces(running, own, tools, web, listening, port, owner, server)
        server.should_exit = True
        own.go_on.set()
        with anyio.move_on_after(10):
            await stopped.wait()
        group.cancel_scope.cancel()


def runtimes() -> dict[str, Any]:
    """Return the runtimes that need nothing installed."""
    return {"command": Command()}


def error_of(result: types.CallToolResult) -> dict[str, Any]:
    """Return the error of a failed tool call; it has no structure, which clients check against the tool's output."""
    assert (result.is_error, result.structured_content) == (True, None)
    assert isinstance(result.content[0], types.TextContent)
    error: dict[str, Any] = json.loads(result.content[0].text)
    assert set(error) == {"code", "message", "data"}
    return error
