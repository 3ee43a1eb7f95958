"""Clients that are not ours: the SDKs of Python and TypeScript, both ways in, both eras, one table."""

from __future__ import annotations

import anyio
import pytest
from mcp.server.subscriptions import ToolsListChanged

from aetherd_mcp import server as server_module
from tests.faces import Faces
from tests.outside import CELLS, LEGACY, MODERN, Target, connect, node_modules

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("installed")]
Cell = tuple[str, str, str]
every_cell = pytest.mark.parametrize("cell", CELLS, ids=" ".join)


@pytest.fixture(scope="module")
def installed() -> None:
    node_modules()


async def target_of(faces: Faces) -> Target:
    """Return the house as its owner reaches it, with every tool on the menu."""
    token = await faces.token("*", toolset="all")
    return Target(faces.house.settings.home, faces.web.address, token)


@every_cell
async def test_a_client_lists_reads_writes_and_fails(faces: Faces, cell: Cell) -> None:
    async with connect(cell, await target_of(faces)) as client:
        assert client.version in ({LEGACY: "2025-11-25", MODERN: MODERN}[cell[2]], None)
        assert "aether_process_spawn" in await client.tools()
        status = await client.call("aether_system_status")
        assert (status.failed, status.value["version"]) == (False, server_module.__version__)
        made = await client.call("aether_agent_create", name="made by " + " ".join(cell))
        assert (await faces.running.invoke("agent.get", {"agent": made.value["id"]})).name == made.value["name"]
        failed = await client.call("aether_process_get", pid=12345)
        assert (failed.failed, failed.value["code"]) == (True, "not_found")
        assert failed.value["message"] == "no process 12345; process.list shows those there are"


@every_cell
async def test_a_client_is_told_of_progress_and_cancels(
    faces: Faces, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "HEARTBEAT_S", 0.02)
    heard: list[str] = []
    async with connect(cell, await target_of(faces)) as client, anyio.create_task_group() as group:
        group.start_soon(faces.tools._heart, group)  # beside the one that sleeps its ten seconds
        with anyio.CancelScope() as scope:

            async def told(text: str) -> None:
                heard.append(text)
                scope.cancel()

            await client.call("aether_lab_wait", told)
        assert heard[:1] == ["still working"]
        with anyio.fail_after(10):
            await faces.lab.cancelled.wait()
        assert (await client.call("aether_lab_echo", text="still here")).value == {"text": "still here"}
        group.cancel_scope.cancel()


@every_cell
async def test_a_client_hears_that_the_tools_changed(faces: Faces, cell: Cell) -> None:
    async with connect(cell, await target_of(faces)) as client:
        await client.tools()
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:

                async def publish() -> None:
                    while True:  # a client of 2025 opens its stream whenever it likes
                        await faces.tools.bus.publish(ToolsListChanged())
                        await anyio.sleep(0.2)

                group.start_soon(publish)
                await client.changes.after(0)
                group.cancel_scope.cancel()
