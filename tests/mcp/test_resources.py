"""Resources: what a principal may read by tool it may read by URI, in pages, with news of changes; and no more."""

from __future__ import annotations

import base64
import json
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourcesListChanged, ResourceUpdated, ToolsListChanged

from aetherd_mcp import feed as feed_module
from aetherd_mcp import resources as resources_module
from aetherd_mcp import wire as wire_module
from aetherd_mcp.sources import SOURCES
from tests.faces import MODES, Faces
from tests.mcp.principals import hosted

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:resources/.*subscribe is removed:mcp.shared.exceptions.MCPDeprecationWarning"),
]
LIVE = ("socket", "http")
every_way = pytest.mark.parametrize("way", LIVE)
every_mode = pytest.mark.parametrize("mode", MODES)


async def text_of(client: Client, uri: str) -> str:
    """Read a resource that is one text."""
    (content,) = (await client.read_resource(uri)).contents
    assert isinstance(content, types.TextResourceContents)
    assert content.uri == uri
    return content.text


async def listed(client: Client) -> list[types.Resource]:
    """List all pages."""
    found, cursor = [], None
    while True:
        page = await client.list_resources(cursor=cursor)
        found += page.resources
        if (cursor := page.next_cursor) is None:
            return found


class News:
    """What a client hears, in either era: it listens as its era does."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self._more = anyio.Event()

    def hear(self, change: Any) -> None:
        """Take one."""
        self.heard.append(change)
        self._more.set()

    async def on_message(self, message: Any) -> None:
        """Take a notification of 2025."""
        if isinstance(message, types.ResourceUpdatedNotification):
            self.hear(ResourceUpdated(message.params.uri))
        elif isinstance(message, types.ResourceListChangedNotification):
            self.hear(ResourcesListChanged())
        elif isinstance(message, types.ToolListChangedNotification):
            self.hear(ToolsListChanged())

    async def until(self, change: Any) -> None:
        """Wait for a change."""
        with anyio.fail_after(10):
            while change not in self.heard:
                await self._more.wait()
                self._more = anyio.Event()


async def subscribe(client: Client, *uris: str) -> None:
    """Subscribe and, in 2026, leave again."""
    if client.protocol_version < "2026":
        for uri in uris:
            await client.session.subscribe_resource(uri)
    else:
        async with client.listen(resource_subscriptions=uris):
            pass


async def listen(client: Client, news: News, group: anyio.abc.TaskGroup, *uris: str) -> None:
    """Subscribe, in the way of the client's era."""
    if client.protocol_version < "2026":
        return await subscribe(client, *uris)
    ready = anyio.Event()

    async def run() -> None:
        wanted = client.listen(tools_list_changed=True, resources_list_changed=True, resource_subscriptions=uris)
        async with wanted as stream:
            ready.set()
            async for change in stream:
                news.hear(change)

    group.start_soon(run)
    await ready.wait()


@every_way
@every_mode
async def test_a_person_lists_and_reads_the_house_its_agents_and_its_processes(
    faces: Faces, way: str, mode: str
) -> None:
    one = await hosted(faces)
    async with faces.client(way, mode) as client:
        uris = [resource.uri for resource in await listed(client)]
        assert {f"aether://agent/{one.name}", f"aether://process/{one.pid}", "aether://approvals"} <= set(uris)
        assert len(uris) == len(set(uris))
        assert "processes" in json.loads(await text_of(client, "aether://system/status"))
        assert json.loads(await text_of(client, f"aether://agent/{one.name}"))["id"] == one.agent
        assert json.loads(await text_of(client, f"aether://process/{one.pid}"))["pid"] == one.pid
        found = json.loads(await text_of(client, f"aether://agent/{one.name}/processes"))
        assert [process["pid"] for process in found["processes"]] == [one.pid]
        templates = (await client.list_resource_templates()).resource_templates
        wanted = {source.template for source in SOURCES if source.uri.variable_names}
        assert wanted <= {template.uri_template for template in templates}
        assert all(template.title and template.icons for template in templates)


@every_mode
async def test_an_agent_lists_and_reads_only_what_is_its_own(faces: Faces, mode: str) -> None:
    mine, other = await hosted(faces), await hosted(faces)
    async with faces.client("socket", mode, mine.token) as client:
        uris = [resource.uri for resource in await listed(client)]
        assert f"aether://process/{mine.pid}" in uris
        assert not [uri for uri in uris if str(other.pid) in uri or other.name in uri]
        for uri in (
            f"aether://agent/{other.name}",
            f"aether://agent/{other.agent}/inbox",
            f"aether://agent/{other.agent}/plan",
            f"aether://agent/{other.name}/files/work/x",
            f"aether://process/{other.pid}/output",
            f"aether://process/{other.pid}/result",
        ):
            with pytest.raises(MCPError) as refused:
                await client.read_resource(uri)
            assert refused.value.error.data["code"] in ("forbidden", "not_found"), uri
        found = json.loads(await text_of(client, f"aether://agent/{other.name}/memories"))
        assert found["memories"] == []  # as the tool answers
    records = await faces.running.invoke("audit.query", {"actor": f"agent:{mine.agent}", "outcome": "refused"})
    assert {"agent.get", "process.output", "process.result"} <= {record.operation for record in records.records}


@every_mode
async def test_a_token_without_the_scope_is_shown_and_given_nothing(faces: Faces, mode: str) -> None:
    async with faces.client("socket", mode, await faces.token("memory:read")) as client:
        assert await listed(client) == []
        operations = {template.name for template in (await client.list_resource_templates()).resource_templates}
        assert operations == {"memory.list", "result page"}
        with pytest.raises(MCPError, match="needs the scope system:read"):
            await client.read_resource("aether://system/status")


@every_mode
@pytest.mark.parametrize("uri", ["aether://nothing", "http://example.org/", "aether://process/seven", "", "aether://"])
async def test_an_unknown_or_wrong_uri_is_told_how_to_mend_it(faces: Faces, mode: str, uri: str) -> None:
    async with faces.client("socket", mode) as client:
        with pytest.raises(MCPError) as refused:
            await client.read_resource(uri)
        assert refused.value.error.code == types.INVALID_PARAMS
        assert refused.value.error.data["code"] in ("not_found", "invalid")
        assert refused.value.error.data["uri"] == uri
        with pytest.raises(MCPError):
            await client.list_resources(cursor="nonsense")


@every_mode
async def test_the_list_comes_in_pages(faces: Faces, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [(await faces.running.invoke("agent.create", {"name": f"page-{mode}-{n}"})).name for n in range(5)]
    monkeypatch.setattr(resources_module, "PAGE", 2)
    async with faces.client("socket", mode) as client:
        first = await client.list_resources()
        assert first.next_cursor is not None
        found = await listed(client)
    assert {f"aether://agent/{name}" for name in made} <= {resource.uri for resource in found}


@every_mode
async def test_files_are_text_or_bytes_with_their_own_type(faces: Faces, mode: str) -> None:
    agent = await faces.running.invoke("agent.create", {"name": f"files {mode}"})
    png = b"\x89PNG\r\n\x1a\n\x00"
    encoded = base64.b64encode(png).decode()
    await faces.running.invoke("fs.write", {"agent": agent.id, "path": "a/ü.md", "content": "# hi"})
    await faces.running.invoke("fs.write", {"agent": agent.id, "path": "x.png", "content": encoded, "base64": True})
    async with faces.client("socket", mode) as client:
        name = agent.name.replace(" ", "%20")
        (text,) = (await client.read_resource(f"aether://agent/{name}/files/a/%C3%BC.md")).contents
        assert isinstance(text, types.TextResourceContents)
        assert (text.text, text.mime_type) == ("# hi", "text/markdown")
        (part,) = (await client.read_resource(f"aether://agent/{name}/files/a/%C3%BC.md?offset=2&limit=1")).contents
        assert isinstance(part, types.TextResourceContents)
        assert (part.text, (part.meta or {})["next_offset"]) == ("h", 3)
        (image,) = (await client.read_resource(f"aether://agent/{name}/files/x.png")).contents
        assert isinstance(image, types.BlobResourceContents)
        assert (base64.b64decode(image.blob), image.mime_type) == (png, "image/png")
        with pytest.raises(MCPError):
            await client.read_resource(f"aether://agent/{name}/files/../../../../etc/passwd")


async def test_output_is_text_with_the_place_to_go_on(faces: Faces) -> None:
    spawned = await faces.running.invoke("process.spawn", {"runtime": "command", "argv": ["echo", "hello there"]})
    async for _ in await faces.running.invoke("process.wait", {"pid": spawned.pid, "until": "exit"}):
        pass
    async with faces.client("socket", "2026-07-28") as client:
        (content,) = (await client.read_resource(f"aether://process/{spawned.pid}/output?offset=6")).contents
        assert isinstance(content, types.TextResourceContents)
        assert content.text.strip() == "there"
        assert (content.meta or {})["eof"] is True


@every_way
@every_mode
async def test_a_subscriber_hears_of_its_resource_and_of_the_list(faces: Faces, way: str, mode: str) -> None:
    news, one = News(), await hosted(faces)
    uri = f"aether://process/{one.pid}"
    async with (
        anyio.create_task_group() as group,
        faces.client(way, mode, message_handler=news.on_message) as client,
    ):
        await listen(client, news, group, uri, f"aether://agent/{one.name}")
        await faces.running.invoke("process.pause", {"pid": one.pid})
        await news.until(ResourceUpdated(uri))
        assert json.loads(await text_of(client, uri))["state"] == "paused"
        await faces.running.invoke("agent.create", {"name": f"new {way} {mode}"})
        await news.until(ResourcesListChanged())
        await faces.running.invoke("agent.update", {"agent": one.agent, "role": "tester"})
        await news.until(ResourceUpdated(f"aether://agent/{one.name}"))
        await faces.tools.bus.publish(ToolsListChanged())
        await news.until(ToolsListChanged())
        group.cancel_scope.cancel()


@every_mode
async def test_the_tree_of_a_workspace_is_read_by_name_and_news_of_it_come(faces: Faces, mode: str) -> None:
    news, name = News(), f"tree-{mode}"
    space = await faces.running.invoke("workspace.create", {"name": name})
    uri = f"aether://workspace/{name}/tree"
    async with (
        anyio.create_task_group() as group,
        faces.client("socket", mode, message_handler=news.on_message) as client,
    ):
        await listen(client, news, group, uri)
        await faces.running.invoke("fs.write", {"workspace": space.id, "path": "src/a.py", "content": "x"})
        await news.until(ResourceUpdated(uri))
        assert [one["path"] for one in json.loads(await text_of(client, uri))["entries"]] == ["src", "src/a.py"]
        group.cancel_scope.cancel()


@every_mode
@pytest.mark.parametrize("own", [True, False])
async def test_an_inbox_tells_of_each_step_of_its_messages(faces: Faces, mode: str, own: bool) -> None:
    news, one = News(), await hosted(faces)
    other = await faces.running.invoke("agent.create", {"name": f"away {mode} {own}"})
    inbox = f"aether://agent/{one.name if own else other.id}/inbox"
    async with (
        anyio.create_task_group() as group,
        faces.client("socket", mode, one.token if own else None, message_handler=news.on_message) as client,
    ):
        await listen(client, news, group, inbox)

        async def told(state: str) -> None:
            await news.until(ResourceUpdated(inbox))
            news.heard.clear()
            (message,) = json.loads(await text_of(client, inbox))["messages"]
            assert message["state"] == state

        sent = await faces.running.invoke("message.send", {"to": one.agent if own else other.id, "text": "hello"})
        await told("queued")
        if own:
            mine = faces.running.agent_call(one.agent, pid=one.pid)
            await faces.running.invoke("message.ack", {"ids": [sent.id]}, mine)
        else:
            await faces.running.invoke("agent.archive", {"agent": other.id})
        await told("acked" if own else "failed")
        group.cancel_scope.cancel()


@every_mode
async def test_nobody_hears_of_what_is_not_his(faces: Faces, mode: str) -> None:
    news, mine, other = News(), await hosted(faces), await hosted(faces)
    hidden, own = f"aether://process/{other.pid}", f"aether://process/{mine.pid}"
    async with (
        anyio.create_task_group() as group,
        faces.client("socket", mode, mine.token, message_handler=news.on_message) as client,
    ):
        if mode == "legacy":
            with pytest.raises(MCPError, match="belongs to somebody else"):
                await subscribe(client, hidden)
            await listen(client, news, group, own)
        else:
            async with client.listen(resource_subscriptions=[hidden, own]) as stream:
                assert stream.honored.resource_subscriptions == [own]
            await listen(client, news, group, own, hidden)
        await faces.running.invoke("process.pause", {"pid": other.pid})
        await faces.running.invoke("agent.create", {"name": f"foreign {mode}"})
        await faces.running.invoke("process.pause", {"pid": mine.pid})
        await news.until(ResourceUpdated(own))
        assert set(news.heard) == {ResourceUpdated(own)}
        group.cancel_scope.cancel()


@every_mode
async def test_a_burst_is_told_once(faces: Faces, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "COALESCE_S", 0.5)
    news = News()
    async with (
        anyio.create_task_group() as group,
        faces.client("socket", mode, message_handler=news.on_message) as client,
    ):
        await listen(client, news, group, "aether://agents")
        for number in range(20):
            await faces.running.invoke("agent.create", {"name": f"burst {mode} {number}"})
        await news.until(ResourceUpdated("aether://agents"))
        assert len(news.heard) < 10
        group.cancel_scope.cancel()


@every_mode
async def test_a_revoked_token_hears_no_more(faces: Faces, mode: str) -> None:
    made = await faces.running.invoke("token.create", {"name": "short", "scopes": ["*:read"]})
    news = News()
    async with (
        anyio.create_task_group() as group,
        faces.client("socket", mode, made.secret, message_handler=news.on_message) as client,
    ):
        await listen(client, news, group, "aether://agents")
        listeners = set(faces.tools.bus._listeners)
        await faces.running.invoke("token.revoke", {"id": made.id})
        await faces.running.invoke("agent.create", {"name": f"after {mode}"})
        with anyio.fail_after(10):
            while listeners <= faces.tools.bus._listeners:
                await anyio.sleep(0.01)
        assert news.heard == []
        group.cancel_scope.cancel()


@every_way
@every_mode
async def test_a_listener_ends_with_its_connection(faces: Faces, way: str, mode: str) -> None:
    bus = faces.tools.bus
    others = set(bus._listeners)  # of HTTP sessions that were left without a word; they end when they are idle
    with anyio.fail_after(10):
        async with faces.client(way, mode) as client, anyio.create_task_group() as group:
            await listen(client, News(), group, "aether://agents")
            assert len(bus._listeners - others) == 1
            group.cancel_scope.cancel()
        while bus._listeners - others:
            await anyio.sleep(0.01)
    assert not [listener for watching in bus._watching.values() for listener in watching if listener not in others]


@every_mode
async def test_who_no_longer_subscribes_is_not_told(faces: Faces, mode: str) -> None:
    watching = faces.tools.bus._watching
    before = {key: len(listeners) for key, listeners in watching.items()}
    async with faces.client("socket", mode) as client:
        await subscribe(client, "aether://processes")
        if mode == "legacy":
            assert sum(map(len, watching.values())) == sum(before.values()) + 1
            await client.session.unsubscribe_resource("aether://processes")
        with anyio.fail_after(5):
            while {key: len(listeners) for key, listeners in watching.items()} != before:
                await anyio.sleep(0.01)


@every_mode
async def test_subscriptions_are_bounded(faces: Faces, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "URIS", 2)
    uris = ["aether://agents", "aether://processes", "aether://approvals"]
    async with faces.client("socket", mode) as client:
        with pytest.raises(MCPError, match="at most 2 resources"):
            await subscribe(client, *uris)


async def test_a_client_that_reads_nothing_is_no_longer_told(faces: Faces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "SEND_S", 0.2)
    monkeypatch.setattr(wire_module, "SEND_BUFFER", 64 * 1024)
    bus, one = faces.tools.bus, await hosted(faces)
    others = set(bus._listeners)
    async with faces.raw() as raw:
        await raw.greet()
        for number in range(90):  # together more than a socket holds
            uri = f"aether://process/{one.pid}/timeline?{number}&{'x' * 4000}"
            assert (await raw.ask(number, "resources/subscribe", uri=uri))["result"] == {}
        assert (await raw.ask(99, "resources/subscribe", uri="aether://agents?" + "x" * 5000))["error"]
        assert len(bus._listeners - others) == 1
        await faces.running.invoke("process.pause", {"pid": one.pid})
        with anyio.fail_after(10):
            while bus._listeners - others:
                await anyio.sleep(0.01)
        await faces.running.invoke("process.resume", {"pid": one.pid})


async def test_every_source_names_an_operation_that_reads_and_events_that_exist(faces: Faces) -> None:
    kinds = [str(event["type"]) for event in faces.house.catalog["events"]]
    for source in SOURCES:
        op = faces.house.registry[source.operation]
        assert op.effect == "read", source.template
        assert set(source.input(dict.fromkeys(source.uri.variable_names, "1"))) <= set(op.input.model_fields)
        for by in source.changed_by:
            assert any(kind == by or (by.endswith(".") and kind.startswith(by)) for kind in kinds), by
