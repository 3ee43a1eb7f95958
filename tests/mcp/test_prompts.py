"""Prompts for the common jobs, and completion of what they and the resource templates ask for."""

from __future__ import annotations

import re

import mcp_types as types
import pytest
from mcp.shared.exceptions import MCPError

from aetherd_mcp import toolsets
from aetherd_mcp.prompts import JOBS
from tests.faces import MODES, Faces
from tests.mcp.principals import hosted

pytestmark = pytest.mark.anyio
every_mode = pytest.mark.parametrize("mode", MODES)


def text_of(result: types.GetPromptResult) -> str:
    """Return the text of a prompt that is one message."""
    (message,) = result.messages
    assert message.role == "user"
    assert isinstance(message.content, types.TextContent)
    return message.content.text


@every_mode
@pytest.mark.parametrize("way", ["socket", "http"])
async def test_a_person_is_offered_every_job_and_gets_its_text(faces: Faces, way: str, mode: str) -> None:
    async with faces.client(way, mode) as client:
        prompts = {prompt.name: prompt for prompt in (await client.list_prompts()).prompts}
        assert set(prompts) == {job.name for job in JOBS}
        assert all(prompt.title and prompt.description and prompt.icons for prompt in prompts.values())
        needed = {one.name for one in prompts["start_fleet"].arguments or () if one.required}
        assert needed == {"goal"}
        text = text_of(await client.get_prompt("start_fleet", {"goal": "Port {count} modules to 3.14", "count": "5"}))
        assert "Port {count} modules to 3.14" in text  # what a person wrote stays what it is
        assert "at most 5 parts" in text
        assert '"claude-code"' in text


async def test_a_prompt_names_only_tools_of_the_operators_menu(faces: Faces) -> None:
    for job in JOBS:
        assert job.operations, job.name
        assert job.operations <= toolsets.names("operator"), job.name
        assert {one.name for one in job.arguments} == set(re.findall(r"\{(\w+)\}", job.text))


@every_mode
async def test_a_job_is_offered_only_to_whom_its_tools_are(faces: Faces, mode: str) -> None:
    agent = await hosted(faces)
    async with faces.client("socket", mode, agent.token) as client:
        names = {prompt.name for prompt in (await client.list_prompts()).prompts}
        assert names == {"start_fleet", "delegate_task", "review_agent", "hand_over"}  # never to decide for a person
        with pytest.raises(MCPError, match="no prompt 'open_questions'"):
            await client.get_prompt("open_questions")
    async with faces.client("socket", mode, await faces.token("memory:read")) as client:
        assert (await client.list_prompts()).prompts == []


@every_mode
@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("start_fleet", {}, "needs the argument 'goal'"),
        ("start_fleet", {"goal": " "}, "needs the argument 'goal'"),
        ("start_fleet", {"goal": "x", "size": "3"}, "has no argument 'size'"),
        ("start_fleet", {"goal": "x" * 20_001}, "more than 20000 characters"),
        ("juggle", {}, "no prompt 'juggle'"),
    ],
)
async def test_a_wrong_request_for_a_prompt_says_how_to_mend_it(
    faces: Faces, mode: str, name: str, arguments: dict[str, str], said: str
) -> None:
    async with faces.client("socket", mode) as client:
        with pytest.raises(MCPError, match=said):
            await client.get_prompt(name, arguments)


@every_mode
async def test_names_and_ids_are_completed_from_what_the_caller_sees(faces: Faces, mode: str) -> None:
    mine, other = await hosted(faces), await hosted(faces)
    await faces.running.invoke("agent.create", {"name": f"Zebra {mode}"})
    agents = types.ResourceTemplateReference(uri="aether://agent/{name}")
    review = types.PromptReference(name="review_agent")
    async with faces.client("socket", mode) as client:
        found = await client.complete(agents, {"name": "name", "value": "zeb"})
        assert f"Zebra {mode}" in found.completion.values
        found = await client.complete(review, {"name": "pid", "value": str(mine.pid)})
        assert str(mine.pid) in found.completion.values
        assert (await client.complete(review, {"name": "focus", "value": ""})).completion.values == []
        with pytest.raises(MCPError, match="no prompt"):
            await client.complete(types.PromptReference(name="juggle"), {"name": "pid", "value": ""})
    async with faces.client("socket", mode, mine.token) as client:
        assert (await client.complete(agents, {"name": "name", "value": ""})).completion.values == [mine.name]
        assert (await client.complete(review, {"name": "pid", "value": ""})).completion.values == [str(mine.pid)]
        assert str(other.pid) not in (await client.complete(review, {"name": "pid", "value": ""})).completion.values
    async with faces.client("socket", mode, await faces.token("memory:read")) as client:
        assert (await client.complete(agents, {"name": "name", "value": ""})).completion.values == []


@every_mode
async def test_approvals_are_completed_by_id(faces: Faces, mode: str) -> None:
    agent = await hosted(faces)
    call = faces.running.agent_call(agent.agent, pid=agent.pid)
    asked = await faces.running.invoke("approval.request", {"title": "may I?"}, call)
    ref = types.ResourceTemplateReference(uri="aether://approval/{id}")
    async with faces.client("socket", mode) as client:
        assert asked.id in (await client.complete(ref, {"name": "id", "value": "approval_"})).completion.values


@every_mode
async def test_at_most_100_values_are_offered_and_the_rest_is_told(faces: Faces, mode: str) -> None:
    for number in range(103):
        await faces.running.invoke("agent.create", {"name": f"crowd {mode} {number}"})
    ref = types.ResourceTemplateReference(uri="aether://agent/{name}")
    async with faces.client("socket", mode) as client:
        found = (await client.complete(ref, {"name": "name", "value": f"crowd {mode}"})).completion
    assert (len(found.values), found.total, found.has_more) == (100, 103, True)
