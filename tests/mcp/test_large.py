"""Large results: a head that still fits its schema, and the whole behind a link, for who asked."""

from __future__ import annotations

import json

import mcp_types as types
import pytest
from mcp.shared.exceptions import MCPError

from aetherd_mcp import large
from tests.faces import MODES, Faces

pytestmark = pytest.mark.anyio
every_mode = pytest.mark.parametrize("mode", MODES)
SIZE = 300_000


async def whole(faces: Faces, name: str) -> str:
    """Make an agent with a large file; return its name."""
    agent = await faces.running.invoke("agent.create", {"name": name})
    await faces.running.invoke(
        "fs.write", {"agent": agent.id, "path": "long.txt", "content": "abcdefghij" * (SIZE // 10)}
    )
    return name


def link_of(result: types.CallToolResult) -> types.ResourceLink:
    """Return the link in a result."""
    (link,) = [block for block in result.content if isinstance(block, types.ResourceLink)]
    return link


@every_mode
async def test_a_large_result_has_a_head_a_link_and_pages(faces: Faces, mode: str) -> None:
    name = await whole(faces, f"large {mode}")
    async with faces.client("socket", mode) as client:
        await client.list_tools()  # from now on the client checks results by their schema
        wanted = {"agent": name, "path": "long.txt", "limit": 1_000_000}
        result = await client.call_tool("aether_fs_read", wanted)
        assert not result.is_error
        assert isinstance(result.content[0], types.TextContent)
        assert json.loads(result.content[0].text) == result.structured_content
        assert len(result.content[0].text) < large.BOUND
        assert result.structured_content["size"] == SIZE
        link = link_of(result)
        assert link.uri in result.structured_content["text"]
        assert "`limit` and `offset`" in str(link.description)
        (content,) = (await client.read_resource(link.uri)).contents
        assert isinstance(content, types.TextResourceContents)
        assert json.loads(content.text)["text"] == "abcdefghij" * (SIZE // 10)
        pages, number = "", 1
        while len(pages) < len(content.text):
            (page,) = (await client.read_resource(f"{link.uri}/{number}")).contents
            assert isinstance(page, types.TextResourceContents)
            assert 0 < len(page.text) <= large.PAGE
            pages, number = pages + page.text, number + 1
        assert pages == content.text
        for wrong in ("0", str(number), "x"):
            with pytest.raises(MCPError, match="there are pages 1 to"):
                await client.read_resource(f"{link.uri}/{wrong}")


@every_mode
async def test_a_large_result_is_read_only_by_whom_it_was_for(faces: Faces, mode: str) -> None:
    name = await whole(faces, f"secret {mode}")
    async with faces.client("socket", mode) as client:
        result = await client.call_tool("aether_fs_read", {"agent": name, "path": "long.txt", "limit": 1_000_000})
        uri = link_of(result).uri
    async with faces.client("socket", mode, await faces.token("*")) as other:
        for found in (uri, f"{uri}/1"):
            with pytest.raises(MCPError, match="no such result"):
                await other.read_resource(found)


@every_mode
async def test_a_long_list_is_cut_and_fits_its_schema(faces: Faces, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "BOUND", 4096)
    monkeypatch.setattr(large, "HEAD", 2048)
    for number in range(20):
        await faces.running.invoke("agent.create", {"name": f"many {mode} {number}"})
    async with faces.client("socket", mode) as client:
        await client.list_tools()
        result = await client.call_tool("aether_agent_list", {"limit": 500})
        assert not result.is_error
        (content,) = (await client.read_resource(link_of(result).uri)).contents
    assert isinstance(content, types.TextResourceContents)
    assert 0 < len(result.structured_content["agents"]) < len(json.loads(content.text)["agents"])


@every_mode
async def test_kept_results_are_bounded_in_number(faces: Faces, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "KEPT", 2)
    name = await whole(faces, f"bounded {mode}")
    async with faces.client("socket", mode) as client:
        uris = []
        for _ in range(3):
            result = await client.call_tool("aether_fs_read", {"agent": name, "path": "long.txt", "limit": 1_000_000})
            uris.append(link_of(result).uri)
        with pytest.raises(MCPError, match="no such result"):
            await client.read_resource(uris[0])
        assert (await client.read_resource(uris[2])).contents


@every_mode
async def test_kept_results_are_bounded_in_age(faces: Faces, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = await whole(faces, f"aged {mode}")
    monkeypatch.setattr(large, "KEPT_S", 0.0)
    async with faces.client("socket", mode) as client:
        result = await client.call_tool("aether_fs_read", {"agent": name, "path": "long.txt", "limit": 1_000_000})
        with pytest.raises(MCPError, match="no such result"):
            await client.read_resource(link_of(result).uri)


def test_bytes_stay_decodable_when_they_are_cut() -> None:
    head = large.shorten({"base64": "QUJD" * 40_000, "text": "", "rows": list(range(100_000))}, "aether://result/x")
    assert len(head["base64"]) % 4 == 0
    assert set(head["base64"]) == set("QUJD")
    assert len(json.dumps(head)) <= large.HEAD
