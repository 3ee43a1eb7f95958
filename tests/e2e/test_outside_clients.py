"""The SDKs' clients, connected in every way they can be, when aetherd is killed under them."""

from __future__ import annotations

from contextlib import AsyncExitStack

import anyio
import pytest

from tests.e2e.daemon_lab import Daemon
from tests.outside import CELLS, MODERN, Target, connect, node_modules

pytestmark = pytest.mark.anyio
Cell = tuple[str, str, str]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def installed() -> None:
    node_modules()


@pytest.mark.usefixtures("installed")
async def test_every_client_goes_on_where_it_was_after_a_kill_of_the_daemon(daemon: Daemon) -> None:
    target = Target(daemon.home, f"http://127.0.0.1:{daemon.port}", daemon.token)
    went: dict[Cell, object] = {}
    async with AsyncExitStack() as stack:
        clients = {cell: await stack.enter_async_context(connect(cell, target)) for cell in CELLS}

        async def write(cell: Cell) -> None:
            try:
                went[cell] = (await clients[cell].call("aether_agent_create", name=" ".join(cell))).value["name"]
            except Exception as error:  # a row of the table, not the end of the test
                went[cell] = error

        for cell in CELLS:
            await clients[cell].call("aether_system_status")
        await anyio.to_thread.run_sync(daemon.kill)
        async with anyio.create_task_group() as group:
            for cell in CELLS:
                if cell[1] == "relay":  # it holds a call until there is a daemon; over HTTP it would be refused
                    group.start_soon(write, cell)
            await anyio.to_thread.run_sync(daemon.start)
            for cell in CELLS:
                if cell[1] == "http":
                    group.start_soon(write, cell)
        for cell in CELLS:
            if cell[1] == "relay":
                await clients[cell].changes.after(0)  # it is told that there may be other tools now
    assert went == {cell: " ".join(cell) for cell in CELLS}


@pytest.mark.usefixtures("installed")
async def test_a_call_in_flight_at_the_kill_is_answered(daemon: Daemon) -> None:
    """But over HTTP in 2026: there is no way back to a stream, and neither SDK notices that it has broken."""
    cells = [cell for cell in CELLS if cell[1:] != ("http", MODERN)]
    pid = daemon.demo("wait message")["pid"]
    target = Target(daemon.home, f"http://127.0.0.1:{daemon.port}", daemon.token)
    went: dict[Cell, str] = {}
    async with AsyncExitStack() as stack:
        clients = {cell: await stack.enter_async_context(connect(cell, target)) for cell in cells}
        begun = dict.fromkeys(cells, False)

        async def wait(cell: Cell) -> None:
            async def told(text: str) -> None:
                begun[cell] = True

            try:
                went[cell] = str(await clients[cell].call("aether_process_wait", told, pid=pid, until="exit"))
            except Exception as error:  # the relay answers with an error of the protocol
                went[cell] = str(error)

        async with anyio.create_task_group() as group:
            for cell in cells:
                group.start_soon(wait, cell)
            with anyio.fail_after(30):
                while not all(begun.values()):
                    await anyio.sleep(0.02)
            await anyio.to_thread.run_sync(daemon.restart)
    assert [cell for cell in cells if "went away during this call" not in went[cell]] == []
