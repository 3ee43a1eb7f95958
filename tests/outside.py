"""MCP clients that are not ours, each behind the same few words: the SDKs of Python and TypeScript."""

from __future__ import annotations

import json
import math
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import anyio
import anyio.abc
import httpx2
import mcp_types as types
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp import Client, StdioServerParameters
from mcp.client.session import IncomingMessage
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import SubscriptionLost

ROOT = Path(__file__).parents[1]
DRIVER = ROOT / "tests" / "conformance_mcp" / "typescript.mjs"
RELAY = ROOT / "bin" / "aether-mcp"
LEGACY, MODERN = "legacy", "2026-07-28"
LINE = 1 << 24
ANSWER_S = 60.0  # only a bound, for a starved machine
Told = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class Target:
    """A daemon to connect to: its home for the relay, its address and a token for HTTP."""

    home: Path
    address: str
    token: str


@dataclass
class Answer:
    """What a tool call came to."""

    failed: bool
    value: dict[str, Any]  # the structure, or the error that the text holds


@dataclass
class Changes:
    """How often a client was told that the list of tools changed."""

    count: int = 0
    _news: anyio.Event = field(default_factory=anyio.Event)

    def add(self) -> None:
        """Count one."""
        self.count += 1
        self._news.set()
        self._news = anyio.Event()

    async def after(self, count: int) -> None:
        """Wait for one more than that many."""
        with anyio.fail_after(ANSWER_S):
            while self.count <= count:
                await self._news.wait()


class Outsider(Protocol):
    """One connected client."""

    version: str | None  # of the protocol; None where the client does not tell
    changes: Changes

    async def tools(self) -> list[str]:
        """List the tools."""

    async def call(self, name: str, told: Told | None = None, /, **arguments: Any) -> Answer:
        """Call a tool; cancelling this cancels the call."""


Connect = Callable[[Target, str, str], Any]  # a target, `relay` or `http`, an era


def answer_of(result: types.CallToolResult) -> Answer:
    """Read a result; an error is in its text."""
    if result.is_error:
        [content] = result.content
        assert isinstance(content, types.TextContent)
        return Answer(True, json.loads(content.text))
    assert result.structured_content is not None
    return Answer(False, result.structured_content)


# Python ---------------------------------------------------------------------------------------------


class PythonClient:
    """`mcp.Client`."""

    def __init__(self, client: Client, changes: Changes) -> None:
        self._client, self.changes = client, changes
        self.version = client.protocol_version

    async def tools(self) -> list[str]:
        """List the tools."""
        return [tool.name for tool in (await self._client.list_tools(cache_mode="bypass")).tools]

    async def call(self, name: str, told: Told | None = None, /, **arguments: Any) -> Answer:
        """Call a tool."""

        async def progress(done: float, total: float | None, text: str | None) -> None:
            assert told is not None
            await told(text or "")

        with anyio.fail_after(ANSWER_S):
            heard = None if told is None else progress
            return answer_of(await self._client.call_tool(name, arguments, progress_callback=heard))


@asynccontextmanager
async def python_client(target: Target, way: str, era: str) -> AsyncIterator[PythonClient]:
    """Connect it; in 2026 it listens, and listens again when that is lost."""
    changes = Changes()

    async def hear(message: IncomingMessage) -> None:
        if era == LEGACY and isinstance(message, types.ToolListChangedNotification):
            changes.add()

    async with AsyncExitStack() as stack:
        if way == "relay":
            env = {"AETHER_HOME": str(target.home)}
            server: Any = StdioServerParameters(command=str(RELAY), args=[], env=env)
        else:
            headers = {"authorization": f"Bearer {target.token}"}
            http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=60, trust_env=False))
            server = streamable_http_client(f"{target.address}/mcp", http_client=http)
        client = await stack.enter_async_context(Client(server, mode=era, message_handler=hear))
        group = await stack.enter_async_context(anyio.create_task_group())

        async def listen(*, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
            async with client.listen(tools_list_changed=True) as subscription:
                task_status.started()
                try:
                    async for _ in subscription:
                        changes.add()
                except SubscriptionLost:
                    return

        if era == MODERN:
            await group.start(listen)
        yield PythonClient(client, changes)
        group.cancel_scope.cancel()


# TypeScript -----------------------------------------------------------------------------------------


class TypeScriptClient:
    """The TypeScript SDK's client in a process of its own, see `typescript.mjs`."""

    def __init__(self, process: anyio.abc.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._lines = process.stdin, BufferedByteReceiveStream(process.stdout)
        self._waiting: dict[int, tuple[anyio.Event, dict[str, Any]]] = {}
        self._told: dict[int, Told] = {}
        self._count = 0
        self.version: str | None = None
        self.changes = Changes()

    async def begin(self, wanted: dict[str, Any], group: anyio.abc.TaskGroup) -> None:
        """Have it connect."""
        await self._send(wanted)
        with anyio.fail_after(ANSWER_S):
            assert await self._line() == {"connected": "aetherd"}
        group.start_soon(self._read)
        self.version = await self._ask("version")

    async def tools(self) -> list[str]:
        """List the tools."""
        found: list[str] = await self._ask("list")
        return found

    async def call(self, name: str, told: Told | None = None, /, **arguments: Any) -> Answer:
        """Call a tool."""
        return answer_of(
            types.CallToolResult.model_validate(await self._ask("call", told, name=name, arguments=arguments))
        )

    async def _ask(self, do: str, told: Told | None = None, **command: Any) -> Any:
        self._count += 1
        id, came, answer = self._count, anyio.Event(), dict[str, Any]()
        self._waiting[id] = came, answer
        if told is not None:
            self._told[id] = told
        await self._send({"id": id, "do": do, **command})
        try:
            with anyio.fail_after(ANSWER_S):
                await came.wait()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self._send({"id": 0, "do": "cancel", "call": id})
            raise
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"]

    async def _send(self, command: dict[str, Any]) -> None:
        await self._stdin.send(json.dumps(command).encode() + b"\n")

    async def _line(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await self._lines.receive_until(b"\n", LINE))
        return message

    async def _read(self) -> None:
        while True:
            try:
                message = await self._line()
            except (anyio.IncompleteRead, anyio.ClosedResourceError):
                return
            if "progress" in message:
                if (told := self._told.get(message["progress"])) is not None:
                    await told(message["said"].get("message", ""))
            elif "changed" in message:
                self.changes.add()
            elif (waiting := self._waiting.pop(message.get("id", math.nan), None)) is not None:
                came, answer = waiting
                answer.update(message)
                came.set()


def typescript_client(sdk: int) -> Connect:
    """Return how version 1 or 2 of the SDK is connected."""

    @asynccontextmanager
    async def connect(target: Target, way: str, era: str) -> AsyncIterator[TypeScriptClient]:
        wanted: dict[str, Any] = {"sdk": sdk, "era": era}
        if way == "relay":
            wanted["stdio"] = {"command": str(RELAY), "args": [], "env": {"AETHER_HOME": str(target.home)}}
        else:
            wanted["http"] = {"url": f"{target.address}/mcp", "token": target.token}
        command = [str(ROOT / "scripts" / "node"), "node", str(DRIVER)]
        env = os.environ | {"AETHER_WHEEL_NODE": "1"}
        async with (
            await anyio.open_process(command, env=env, stderr=None) as process,
            anyio.create_task_group() as group,
        ):
            client = TypeScriptClient(process)
            await client.begin(wanted, group)
            yield client
            assert process.stdin is not None
            await process.stdin.aclose()
            with anyio.fail_after(ANSWER_S):
                assert await process.wait() == 0
            group.cancel_scope.cancel()

    return connect


# The table ------------------------------------------------------------------------------------------

CLIENTS: dict[str, tuple[Connect, tuple[str, ...]]] = {  # and the eras each speaks
    "python 2": (python_client, (LEGACY, MODERN)),
    "typescript 2": (typescript_client(2), (LEGACY, MODERN)),
    "typescript 1": (typescript_client(1), (LEGACY,)),
}
CELLS = [(name, way, era) for name, (_, eras) in CLIENTS.items() for way in ("relay", "http") for era in eras]


def connect(cell: tuple[str, str, str], target: Target) -> Any:
    """Connect the client of a cell of the table."""
    name, way, era = cell
    return CLIENTS[name][0](target, way, era)


def node_modules() -> None:
    """Install the packages of the TypeScript clients; skips where Node or they cannot be had."""
    command = ["make", "-C", str(ROOT), ".stamps/mcp-suite"]
    made = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if made.returncode != 0:
        pytest.skip(f"no Node, or no packages for it: {made.stderr.strip()[-300:]}")
