"""MCP as clients see it, in both eras and on every way in: the socket, the relay, `/mcp`."""

from __future__ import annotations

import json
import logging
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ToolsListChanged

from aetherd_mcp import server as server_module
from tests.faces import MODES, WAYS, Faces, error_of

pytestmark = pytest.mark.anyio
NO_ANSWER = ("aether_lab_wait", "aether_lab_crash")
every_way = pytest.mark.parametrize("way", WAYS)
every_mode = pytest.mark.parametrize("mode", MODES)


@pytest.fixture(scope="module", params=["lean", "sdk"])
def loop(request: pytest.FixtureRequest) -> str:
    """Every test holds for both loops."""
    return str(request.param)


@every_way
@every_mode
async def test_a_client_of_either_era_lists_tools_calls_one_and_leaves(faces: Faces, way: str, mode: str) -> None:
    with anyio.fail_after(20):
        async with faces.client(way, mode, await faces.token("*")) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            assert names == sorted(names)
            assert len(names) == len(list(faces.house.registry))
            result = await client.call_tool("aether_lab_echo", {"text": "grüße\n"})
            assert result.structured_content == {"text": "grüße\n"}
            assert isinstance(result.content[0], types.TextContent)
            assert json.loads(result.content[0].text) == {"text": "grüße\n"}
            assert not result.is_error


@every_mode
async def test_the_clients_own_check_accepts_the_answer_of_every_read(faces: Faces, mode: str) -> None:
    spawned = await faces.running.invoke("process.spawn", {"runtime": "command", "argv": ["sleep", "1000"]})
    inputs: dict[str, Any] = {"pid": spawned.pid, "agent": spawned.agent, "query": "x", "timeout_s": 0}
    checked = 0
    async with faces.client("socket", mode, await faces.token("*")) as client:
        tools = (await client.list_tools()).tools
        for tool in tools:
            needed = tool.input_schema.get("required", ())
            if (
                tool.annotations
                and tool.annotations.read_only_hint
                and set(needed) <= set(inputs)
                and tool.name not in NO_ANSWER
            ):
                arguments = {
                    key: inputs[key] for key in tool.input_schema["properties"] if key in (*needed, "timeout_s")
                }
                result = await client.call_tool(tool.name, arguments)
                checked += not result.is_error
    assert checked >= 15


@every_mode
async def test_a_tool_out_of_reach_is_forbidden_and_an_unknown_one_says_how_to_search(faces: Faces, mode: str) -> None:
    async with faces.client("socket", mode, await faces.token("memory:read")) as client:
        listed = {tool.name for tool in (await client.list_tools()).tools}
        assert listed == {f"aether_memory_{verb}" for verb in ("get", "list", "recall")}
        assert error_of(await client.call_tool("aether_process_list"))["code"] == "forbidden"
        unknown = error_of(await client.call_tool("aether_process_juggle"))
        assert unknown["code"] == "not_found"
        assert "aether_process_juggle" in unknown["message"]
        assert "aether_tool_search" in unknown["message"]
        assert error_of(await client.call_tool("juggle"))["code"] == "not_found"


@every_mode
async def test_wrong_input_is_told_with_the_field(faces: Faces, mode: str) -> None:
    async with faces.client("socket", mode) as client:
        unknown = error_of(await client.call_tool("aether_lab_echo", {"txet": "x"}))
        assert (unknown["code"], unknown["data"]["errors"][0]["loc"]) == ("invalid", ["txet"])
        wrong = error_of(await client.call_tool("aether_lab_echo", {"text": 1}))
        assert (wrong["code"], wrong["data"]["errors"][0]["loc"]) == ("invalid", ["text"])
        assert "text" in wrong["message"]


@every_way
@every_mode
async def test_a_crash_shows_one_line_and_its_text_stays_in_the_log(
    faces: Faces, way: str, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with faces.client(way, mode) as client:
        error = error_of(await client.call_tool("aether_lab_crash"))
        assert error["code"] == "internal"
        assert "secret" not in json.dumps(error)
        assert (await client.call_tool("aether_lab_echo")).structured_content == {"text": ""}
    record = next(r for r in caplog.records if r.levelno == logging.ERROR)
    assert record.exc_info
    assert "the secret of the house" in str(record.exc_info[1])
    assert error["data"]["call"] in record.getMessage()


@every_way
@every_mode
async def test_a_call_that_takes_long_gives_signs_of_life(
    faces: Faces, way: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[float, str | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, message))
        if len(heard) == 3:
            faces.lab.go_on.set()

    async with faces.client(way, mode) as client:
        monkeypatch.setattr(server_module, "HEARTBEAT_S", 0.02)
        async with anyio.create_task_group() as group:
            group.start_soon(faces.tools._heart, group)  # beside the one that sleeps its ten seconds
            with anyio.fail_after(10):
                await client.call_tool("aether_lab_wait", progress_callback=on_progress)
            group.cancel_scope.cancel()
    assert [text for _, text in heard[:3]] == ["still working"] * 3
    assert [done for done, _ in heard] == sorted({done for done, _ in heard})
    assert not faces.tools._beats


@every_mode
async def test_waiting_for_a_process_tells_its_phase(faces: Faces, mode: str) -> None:
    spawned = await faces.running.invoke("process.spawn", {"runtime": "command", "argv": ["sleep", "1000"]})
    heard: list[str | None] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message)

    async with faces.client("socket", mode) as client:
        result = await client.call_tool(
            "aether_process_wait", {"pid": spawned.pid, "timeout_s": 0.3}, progress_callback=on_progress
        )
    assert result.structured_content
    assert result.structured_content["outcome"] == "running"
    assert heard


@every_way
@every_mode
async def test_cancelling_a_call_stops_its_work(faces: Faces, way: str, mode: str) -> None:
    async with faces.client(way, mode) as client:
        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(client.call_tool, "aether_lab_wait")
                await faces.lab.begun.wait()
                group.cancel_scope.cancel()
            await faces.lab.cancelled.wait()
            assert faces.lab.running == 0
            assert (await client.call_tool("aether_lab_echo")).structured_content == {"text": ""}


@pytest.mark.parametrize(
    ("way", "mode"),  # not HTTP in 2025, where a lost connection is no cancellation: the client may resume
    [
        ("socket", "legacy"),
        ("relay", "legacy"),
        ("socket", "2026-07-28"),
        ("relay", "2026-07-28"),
        ("http", "2026-07-28"),
    ],
)
async def test_a_client_that_goes_away_stops_its_work(faces: Faces, way: str, mode: str) -> None:
    with anyio.fail_after(15):
        async with anyio.create_task_group() as group:

            async def hang() -> None:
                async with faces.client(way, mode) as client:
                    await client.call_tool("aether_lab_wait")

            group.start_soon(hang)
            await faces.lab.begun.wait()
            group.cancel_scope.cancel()
        await faces.lab.cancelled.wait()
    assert faces.lab.running == 0


@every_way
async def test_clients_of_2025_are_told_that_the_list_may_change(faces: Faces, way: str) -> None:
    async with faces.client(way, "legacy") as client:
        assert client.server_capabilities.tools
        assert client.server_capabilities.tools.list_changed is True


@every_way
async def test_a_subscription_hears_that_the_list_has_changed(faces: Faces, way: str) -> None:
    with anyio.fail_after(15):
        async with (
            faces.client(way, "2026-07-28") as client,
            client.listen(tools_list_changed=True) as events,
        ):
            await faces.tools.bus.publish(ToolsListChanged())
            assert await anext(events) == ToolsListChanged()


@every_way
@every_mode
async def test_a_revoked_token_stops_at_its_next_call(faces: Faces, way: str, mode: str) -> None:
    made = await faces.running.invoke("token.create", {"name": "short", "scopes": ["*:read"]})
    async with faces.client(way, mode, made.secret) as client:
        assert not (await client.call_tool("aether_lab_echo")).is_error
        await faces.running.invoke("token.revoke", {"id": made.id})
        if way == "http":
            with pytest.raises(MCPError):
                await client.call_tool("aether_lab_echo")
        else:
            assert error_of(await client.call_tool("aether_lab_echo"))["code"] == "unauthenticated"
            with pytest.raises(MCPError):
                await client.session.list_tools()


@every_mode
async def test_equal_rights_share_one_list_and_others_get_their_own(
    faces: Faces, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    tools_for = faces.tools.tools_for
    faces.tools.menus.clear()
    monkeypatch.setattr(faces.tools, "tools_for", lambda call: made.append(call) or tools_for(call))
    tokens = [await faces.token(*scopes) for scopes in (("*:read",), ("*:read",), ("memory:read",))]
    lists = []
    for token in tokens:
        async with faces.client("socket", mode, token) as client:
            lists.append([await client.session.list_tools() for _ in range(2)])
    assert lists[0] == lists[1]
    assert lists[0][0] == lists[0][1]
    assert len(lists[2][0].tools) == 3
    assert len(made) == 2


async def test_before_the_handshake_there_is_no_list(faces: Faces) -> None:
    async with faces.raw() as raw:
        await faces.running.invoke("system.status")
        assert "error" in await raw.ask(1, "tools/list")


async def test_the_same_input_gives_text_and_structure_alike(faces: Faces) -> None:
    agent = await faces.running.invoke("agent.create", {"name": "mail"})
    message = await faces.running.invoke("message.send", {"to": agent.id, "text": "hello"})
    async with faces.client("socket", "legacy") as client:
        inbox = await client.call_tool("aether_message_inbox", {"agent": agent.id})
    assert inbox.structured_content
    assert inbox.structured_content["messages"][0]["id"] == message.id
    assert "from" in inbox.structured_content["messages"][0]


async def test_a_sign_of_life_that_cannot_be_sent_harms_nobody() -> None:
    async def send(done: float, total: float | None, text: str | None) -> None:
        raise anyio.BrokenResourceError

    beat = server_module.Beat(send, 0.0)
    await beat.beat()
    assert beat.due(server_module.HEARTBEAT_S)


async def test_progress_goes_up_whatever_a_handler_says() -> None:
    sent: list[float] = []

    async def send(done: float, total: float | None, text: str | None) -> None:
        sent.append(done)

    beat = server_module.Beat(send, 0.0)
    for done in (0, 0, 5, 3, 10):
        await beat.report(done, None, None)
    assert sent == [1, 2, 5, 6, 10]
