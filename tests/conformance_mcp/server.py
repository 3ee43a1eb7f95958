"""The server under test: a house of its own behind the daemon's HTTP stack, with the suite's fixtures and no bearer.

The suite cannot send a token, so this program adds the owner's to every request. It serves 127.0.0.1 only, for as
long as the suite runs; the daemon has no such door.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import anyio
from mcp.shared.exceptions import MCPDeprecationWarning
from starlette.types import Receive, Scope, Send

from aetherd.core.config import load
from aetherd.daemon.kernel import Kernel
from aetherd.daemon.rooms import ROOMS
from aetherd.web.app import Web
from aetherd.web.server import Server, bind_tcp
from aetherd_mcp.http import McpHttp
from aetherd_mcp.server import ToolServer
from tests.conformance_mcp import fixtures as plain
from tests.conformance_mcp.long import add_long_tools
from tests.conformance_mcp.questions import add_asking_tools


class Unlocked(Web):
    """The HTTP face, with the key left in the door."""

    token = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve as the owner."""
        bearer = (b"authorization", f"Bearer {self.token}".encode())
        await super().__call__(scope | {"headers": [*scope.get("headers", ()), bearer]}, receive, send)


def assemble(tools: ToolServer) -> None:
    """Lay the fixtures over a server."""
    fixtures = plain.Fixtures(tools)
    plain.add_plain_tools(fixtures)
    plain.add_talking_tools(fixtures)
    add_asking_tools(fixtures)
    add_long_tools(fixtures)
    fixtures.install()
    plain.add_resources(fixtures)
    plain.add_prompts(fixtures)


async def main(home: Path) -> None:
    """Serve on a free port, and say which, until the process is ended."""
    settings = load(home=home, port=0)
    kernel = Kernel(settings, ROOMS, {})
    async with kernel.running() as house:
        tools = ToolServer(house)
        assemble(tools)
        mcp = McpHttp(house, tools)
        web = Unlocked(house, mcp=mcp)
        web.token = (home / "secrets" / "owner.token").read_text().strip()
        listening = bind_tcp("127.0.0.1", 0)
        kernel.lifecycle.address = web.address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = Server(web)
        async with tools.running(), mcp.running(), anyio.create_task_group() as group:
            group.start_soon(announce, server, f"{web.address}/mcp")
            await server.serve(sockets=[listening])


async def announce(server: Server, url: str) -> None:
    """Print the address once connections are taken."""
    await server.up.wait()
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    warnings.simplefilter("ignore", MCPDeprecationWarning)  # the suite wants what 2026 has dropped, too
    anyio.run(main, Path(sys.argv[1]))
