"""What a caller is shown: few tools, short, the same for equal rights."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from aetherd.kernel.token.models import TokenCreate
from aetherd_mcp import toolsets
from aetherd_mcp.names import LONGEST, operation_name, tool_name
from aetherd_mcp.server import ToolServer
from house import Running

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("toolset", toolsets.CEILINGS)
async def test_every_menu_keeps_to_its_ceiling_of_tools_and_tokens(house: Running, toolset: str) -> None:
    tools = ToolServer(house.house).tools_for(house.call(toolset=toolset)).tools
    costs = {tool.name: toolsets.tokens(tool.name, tool.description or "", tool.input_schema) for tool in tools}
    most_tools, most_tokens = toolsets.CEILINGS[toolset]
    assert 0 < len(tools) <= most_tools
    assert sum(costs.values()) <= most_tokens, sorted(costs.items(), key=lambda item: -item[1])[:5]


def test_every_toolset_there_is_has_a_ceiling() -> None:
    assert set(toolsets.CEILINGS) == set(get_args(TokenCreate.model_fields["toolset"].annotation))


async def test_toolsets_name_only_operations_that_exist(house: Running) -> None:
    names = {op.name for op in house.house.registry}
    for name in ("worker", "lead", "operator"):
        assert toolsets.names(name) <= names, name


async def test_everything_a_lead_sees_a_worker_may_search_for(house: Running) -> None:
    assert toolsets.names("worker") < toolsets.names("lead")
    assert {"tool.search", "tool.call"} <= toolsets.names("worker")


async def test_a_worker_is_shown_nothing_it_may_not_call(house: Running) -> None:
    agent = await house.invoke("agent.create", {"name": "worker"})
    tools = ToolServer(house.house)
    worker = replace(house.agent_call(agent.id), toolset="worker")
    assert {operation_name(t.name) for t in tools.tools_for(worker).tools} == toolsets.names("worker")
    everything = {operation_name(t.name) for t in tools.tools_for(replace(worker, toolset="all")).tools}
    assert "approval.decide" not in everything
    assert "system.shutdown" not in everything


async def test_a_reader_is_shown_only_what_reads(house: Running) -> None:
    reader = house.call(scopes=frozenset({"*:read"}))
    tools = ToolServer(house.house).tools_for(reader).tools
    assert {t.name for t in tools if not (t.annotations and t.annotations.read_only_hint)} == {"aether_tool_call"}


async def test_an_unknown_toolset_is_refused(house: Running) -> None:
    with pytest.raises(ValueError, match="toolset"):
        toolsets.shown("everything")


@pytest.mark.parametrize("name", ["process.spawn", "process.set_priority", "system.read_source"])
def test_names_go_there_and_back(name: str) -> None:
    assert operation_name(tool_name(name)) == name
    assert len(tool_name(name)) <= LONGEST


@pytest.mark.parametrize("name", ["", "aether_", "aether__x", "process.spawn", "aether", "aether_process", "ÿ"])
def test_a_name_that_is_no_tool_becomes_no_operation_by_accident(name: str) -> None:
    assert operation_name(name) in (name, ".x")


async def test_the_owner_who_comes_over_mcp_is_shown_the_operator_menu(house: Running) -> None:
    secret = (house.kernel.settings.home / "secrets" / "owner.token").read_text().strip()
    assert (await house.house.authenticate(secret, "mcp")).toolset == "operator"
