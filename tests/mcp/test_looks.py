"""What a person sees in a client: titles in words, small icons, hints that are true to the effect."""

from __future__ import annotations

from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest

from aetherd_mcp.server import ToolServer
from house import Running

pytestmark = pytest.mark.anyio


async def test_every_tool_has_a_title_in_words_and_hints_true_to_its_effect(house: Running) -> None:
    tools = {tool.name: tool for tool in ToolServer(house.house).tools_for(house.call()).tools}
    for op in house.house.registry:
        tool = tools["aether_" + op.name.replace(".", "_")]
        assert tool.title
        assert "." not in tool.title
        assert "_" not in tool.title
        assert tool.annotations
        assert tool.annotations.title == tool.title
        assert tool.annotations.read_only_hint is (op.effect == "read")
        assert tool.annotations.destructive_hint is (op.effect == "destroy")
    assert tools["aether_process_set_priority"].title == "Process: set priority"
    assert len({tool.title for tool in tools.values()}) == len(tools)


async def test_people_get_small_icons_that_are_drawings_and_agents_none(house: Running) -> None:
    people = ToolServer(house.house).tools_for(house.call()).tools
    for tool in people:
        (icon,) = tool.icons or ()
        kind, _, drawing = icon.src.partition(",")
        assert kind == "data:image/svg+xml"
        assert len(icon.src) < 200
        tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(unquote(drawing)).iter()}
        assert tags == {"svg", "path"}
    agent = await house.invoke("agent.create", {"name": "worker"})
    assert not [tool for tool in ToolServer(house.house).tools_for(house.agent_call(agent.id)).tools if tool.icons]
