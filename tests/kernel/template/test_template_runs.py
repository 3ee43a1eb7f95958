"""A run from a template: it gets what the template says, and its list of tools holds wherever it knocks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from click.testing import CliRunner

from aetherd.core.errors import Forbidden, NotFound, PendingApproval
from aetherd.core.ids import new_id
from aetherd.ctl import commands
from aetherd.ctl.client import EXIT
from aetherd.ctl.main import cli
from aetherd.operations.operation import Call
from fakes import Estate, Lab
from tests.faces import error_of, serve
from tests.kernel.template.test_template import own

pytestmark = pytest.mark.anyio

TOOLS = ["memory.recall", "process.get", "process.spawn", "process.whoami", "tool.call", "tool.search"]


async def narrow(lab: Lab, *more: str, **raw: Any) -> str:
    """Make a template with few tools and return its name."""
    return str((await own(lab, tools=[*TOOLS, *more], runtime="puppet", **raw)).name)


def token(lab: Lab) -> str:
    """Return the token of the puppet started last, as it was given it."""
    return lab.puppet.launched[-1].door.env["AETHER_TOKEN"]


async def caller(lab: Lab) -> Call:
    """Return a call of the puppet started last, by its own token."""
    call: Call = await lab.running.house.authenticate(token(lab), "mcp")
    return call


async def test_what_is_not_on_its_list_is_refused_on_every_face_and_not_shown(
    estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "SHIPPED", tmp_path / "catalog.json")
    async with estate.open() as lab, serve(lab.running, lab=False) as house:
        (tmp_path / "catalog.json").write_text(json.dumps(lab.running.house.catalog))
        process = await lab("process.spawn", template=await narrow(lab))
        secret, raw = token(lab), {"content": "what I may not keep"}
        for mode in ("legacy", "2026-07-28"):
            async with house.client("socket", mode, secret) as mcp:
                shown = {tool.name for tool in (await mcp.session.list_tools()).tools}
                assert shown == {"aether_" + name.replace(".", "_") for name in TOOLS}
                direct = error_of(await mcp.session.call_tool("aether_memory_remember", raw))
                by_name = {"name": "aether_memory_remember", "input": raw}
                nested = error_of(await mcp.session.call_tool("aether_tool_call", by_name))
                found = (await mcp.session.call_tool("aether_tool_search", {"query": ""})).structured_content
                assert {tool["name"] for tool in found["tools"]} == set(TOOLS) - {"tool.call"}
        async with house.http(secret) as http:
            over_http = await http.post("/v1/memory.remember", json=raw)
            files = [
                await http.put(f"/v1/files/{process.agent}/x", content=b"x"),
                await http.get(f"/v1/files/{process.agent}/x"),
            ]
            allowed = await http.post("/v1/memory.recall", json={"query": "x"})
        env = {"AETHER_URL": f"http://127.0.0.1:{house.port}", "AETHER_TOKEN": secret}
        line = ["memory", "remember", raw["content"], "--json"]
        on_cli = await anyio.to_thread.run_sync(lambda: CliRunner(env=env).invoke(cli, line))
        kept = (await lab("memory.recall", query="what I may not keep")).memories
    assert direct == nested == over_http.json()["error"]
    assert direct["code"] == "forbidden"
    assert "not among the tools this run was given" in direct["message"]
    assert [answer.status_code for answer in [over_http, *files, allowed]] == [403, 403, 403, 200]
    assert (on_cli.exit_code, direct["message"] in on_cli.stderr) == (EXIT["forbidden"], True)
    assert kept == []


async def test_what_it_starts_has_never_more_than_it_has_itself(lab: Lab) -> None:
    await lab("process.spawn", template=await narrow(lab))
    parent, wider = await caller(lab), await narrow(lab, "memory.remember", "fs.read")
    fewer = (await own(lab, tools=["memory.recall", "fs.write"], runtime="puppet")).name
    given = {}
    for template in (None, wider, fewer):
        child = await lab("process.spawn", parent, runtime="puppet", **({"template": template} if template else {}))
        assert child.template == template
        given[template] = sorted((await caller(lab)).tools or ())
    assert given == {None: TOOLS, wider: TOOLS, fewer: ["memory.recall"]}
    with pytest.raises(Forbidden, match=r"process\.spawn is not among"):
        await lab("process.spawn", await caller(lab), runtime="puppet")
    await lab("process.spawn", agent=child.agent, session="new", template=wider)  # a person says so
    assert (await caller(lab)).tools == {*TOOLS, "memory.remember", "fs.read"}


async def test_its_list_lives_through_a_restart_of_the_daemon(estate: Estate) -> None:
    async with estate.open() as one:
        process = await one("process.spawn", template=await narrow(one))
        secret = token(one)
    async with estate.open() as two:
        call = await two.running.house.authenticate(secret, "mcp")
        assert sorted((await two("process.whoami", call)).tools) == TOOLS
        with pytest.raises(Forbidden, match=r"memory\.remember is not among the tools"):
            await two("memory.remember", call, content="x")
        await two("process.kill", pid=process.pid)


async def test_a_person_may_allow_what_it_asks_for_and_only_that_is_done(lab: Lab) -> None:
    memory = await lab("memory.remember", content="to be forgotten")
    process = await lab("process.spawn", template=await narrow(lab, "memory.remember", "memory.forget"))
    call = await caller(lab)
    mine = await lab("memory.remember", call, content="mine, to be forgotten")
    with pytest.raises(PendingApproval) as asked:
        await lab("memory.forget", call, id=mine.id)
    await lab("approval.decide", id=asked.value.data["approval"], decision="allow_once")
    await lab.event("memory.forgotten", memory=mine.id)
    with pytest.raises(Forbidden):
        await lab("memory.forget", call, id=memory.id)
    await lab("process.kill", pid=process.pid)


async def test_a_run_gets_what_the_template_says_unless_the_spawn_says_otherwise(lab: Lab) -> None:
    template = await narrow(
        lab, model="wooden", instructions="Sweep before you speak.", limits={"wall_s": 500, "open_files": 64}
    )
    process = await lab("process.spawn", template=template, goal="sweep")
    spawn = lab.puppet.launched[-1]
    assert (process.runtime, process.template, process.toolset, process.role) == ("puppet", template, "all", "Own")
    assert process.name.startswith(template)
    assert spawn.model == "wooden"
    assert spawn.context.startswith("Your role: Own.\n\nSweep before you speak.")
    other = await lab("process.spawn", template=template, model="tin", toolset="worker", role="broom", name=new_id("n"))
    assert (lab.puppet.launched[-1].model, other.toolset, other.role) == ("tin", "worker", "broom")
    shell = await lab("process.spawn", template=template, runtime="command", argv=["/bin/sh", "-c", "ulimit -n"])
    await lab.printed(shell.pid, "64")
    assert shell.model is None  # the hint is for the template's own runtime


async def test_an_agent_tightens_the_limits_of_a_template_and_never_loosens_them(lab: Lab) -> None:
    lead = lab.running.agent_call((await lab("agent.create", name=new_id("name"))).id)
    template = await narrow(lab, limits={"open_files": 64})
    for files, real in ((32, "32"), (128, "64")):
        wish = {"runtime": "command", "argv": ["/bin/sh", "-c", "ulimit -n"], "limits": {"open_files": files}}
        await lab.printed((await lab("process.spawn", lead, template=template, **wish)).pid, real)
    wish["limits"] = {"open_files": 128}
    await lab.printed((await lab("process.spawn", template=template, **wish)).pid, "128")


async def test_an_agent_made_from_a_template_keeps_it_for_all_its_runs(lab: Lab) -> None:
    template = await narrow(lab)
    agent = await lab("agent.create", name=new_id("name"), template=template)
    assert agent.template == template
    process = await lab("process.spawn", agent=agent.id)
    assert (process.template, (await caller(lab)).tools) == (template, frozenset(TOOLS))
    await lab("process.kill", pid=process.pid)
    await lab.ended(process.pid)
    await lab("template.remove", template=template)
    with pytest.raises(NotFound, match=r"was made from the template .* which is gone; name another"):
        await lab("process.spawn", agent=agent.id)
    assert (await lab("process.spawn", agent=agent.id, template=await narrow(lab))).agent == agent.id
    with pytest.raises(NotFound, match="no template"):
        await lab("agent.create", name=new_id("name"), template="no-such-role-anywhere")
