"""Leave asked for at the client: of a person with a token of their own, and never by way of an agent's runtime."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import Client

from aetherd.core.config import load
from aetherd.core.errors import Forbidden, Invalid, PendingApproval
from aetherd.operations.doors import Doorway
from aetherd.operations.operation import Answer
from aetherd_mcp import elicitation
from house import run_house
from tests.faces import ENVELOPE, MODES, WAYS, Faces, Raw, error_of, request, runtimes, serve, unix_transport
from tests.mcp.principals import hosted

pytestmark = pytest.mark.anyio
every_way = pytest.mark.parametrize("way", WAYS)
every_mode = pytest.mark.parametrize("mode", MODES)
ABLE = ENVELOPE | {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}}}


class Person:
    """Sits at a client and answers what it asks."""

    def __init__(self, action: str) -> None:
        self.action, self.asked = action, list[str]()

    async def __call__(self, context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        assert isinstance(params, types.ElicitRequestFormParams)
        self.asked.append(params.message)
        return types.ElicitResult(action=self.action, content={} if self.action == "accept" else None)


async def careful(faces: Faces) -> str:
    """Make a token that has to ask."""
    made = await faces.running.invoke("token.create", {"name": "careful", "scopes": ["*"], "confirm": True})
    return str(made.secret)


async def doomed(faces: Faces, name: str) -> str:
    """Make an agent that a test wants to remove."""
    return str((await faces.running.invoke("agent.create", {"name": name})).id)


async def lives(faces: Faces, agent: str) -> bool:
    """Tell whether it is still there."""
    found = await faces.running.invoke("agent.list", {"limit": 500})
    return agent in [one.id for one in found.agents]


async def newest(faces: Faces) -> Any:
    """Return the newest question."""
    return (await faces.running.invoke("approval.list", {"limit": 1})).approvals[0]


@every_way
@every_mode
async def test_a_person_who_accepts_at_the_client_gives_leave(faces: Faces, way: str, mode: str) -> None:
    agent, person = await doomed(faces, f"yes {way} {mode}"), Person("accept")
    async with faces.client(way, mode, await careful(faces), elicitation_callback=person) as client:
        await client.list_tools()
        result = await client.call_tool("aether_agent_remove", {"agent": agent})
    assert not result.is_error, result
    assert result.structured_content["done"] is True
    assert not await lives(faces, agent)
    (message,) = person.asked
    assert agent in message
    assert "agent.remove" in message
    row = await newest(faces)
    assert (row.state, row.decision, row.agent) == ("allowed", "allow_once", None)
    assert row.decided_by.startswith("user:owner/token_")
    assert row.decided_via.startswith("elicitation in mcp ")
    events = await faces.running.invoke("audit.query", {"operation": "agent.remove", "limit": 2})
    assert {record.outcome for record in events.records} == {"ok"}


@every_mode
async def test_a_person_who_declines_refuses(faces: Faces, mode: str) -> None:
    agent, person = await doomed(faces, f"no {mode}"), Person("decline")
    async with faces.client("socket", mode, await careful(faces), elicitation_callback=person) as client:
        error = error_of(await client.call_tool("aether_agent_remove", {"agent": agent}))
    assert (error["code"], len(person.asked)) == ("forbidden", 1)
    assert await lives(faces, agent)
    row = await newest(faces)
    assert (row.state, row.id) == ("denied", error["data"]["approval"])
    assert row.decided_via.startswith("elicitation")


@every_mode
async def test_what_nobody_answers_waits_in_the_inbox(faces: Faces, mode: str) -> None:
    agent, person = await doomed(faces, f"later {mode}"), Person("cancel")
    async with faces.client("socket", mode, await careful(faces), elicitation_callback=person) as client:
        error = error_of(await client.call_tool("aether_agent_remove", {"agent": agent}))
        assert (error["code"], len(person.asked)) == ("pending_approval", 1)
        assert await lives(faces, agent)
        key = error["data"]["approval"]
        own = await client.call_tool("aether_approval_decide", {"id": key, "decision": "allow_once"})
        assert error_of(own)["code"] == "forbidden"  # the model does not answer for the person
        decided = await faces.running.invoke("approval.decide", {"id": key, "decision": "allow_once"})
        assert decided.decided_via == "http"
        waited = await client.call_tool("aether_approval_wait", {"id": key, "timeout_s": 10})
        assert waited.structured_content["result"]["done"] is True
    assert not await lives(faces, agent)


@every_mode
async def test_a_client_that_cannot_ask_waits_for_the_inbox(faces: Faces, mode: str) -> None:
    agent = await doomed(faces, f"mute {mode}")
    async with faces.client("socket", mode, await careful(faces)) as client:
        error = error_of(await client.call_tool("aether_agent_remove", {"agent": agent}))
    assert error["code"] == "pending_approval"
    assert await lives(faces, agent)


@every_way
@every_mode
async def test_an_agents_runtime_is_never_asked_in_the_place_of_a_person(faces: Faces, way: str, mode: str) -> None:
    agent, person = await hosted(faces), Person("accept")
    kept = await faces.running.invoke("memory.remember", {"content": f"keep {way} {mode}", "agent": agent.agent})
    async with faces.client(way, mode, agent.token, elicitation_callback=person) as client:
        error = error_of(await client.call_tool("aether_memory_forget", {"id": kept.id}))
        through = {"name": "memory.forget", "input": {"id": kept.id}}
        indirect = error_of(await client.call_tool("aether_tool_call", through))
    assert (error["code"], indirect["code"]) == ("pending_approval", "pending_approval")
    assert person.asked == []
    assert (await faces.running.invoke("memory.get", {"id": kept.id})).id == kept.id
    assert (await newest(faces)).state == "pending"


@every_mode
async def test_through_the_door_of_an_agents_process_nobody_is_asked(faces: Faces, mode: str) -> None:
    agent, person = await hosted(faces), Person("accept")
    path = faces.house.settings.run_dir / f"door-{agent.pid}"
    await faces.house.doors.close(agent.pid)
    await faces.house.doors.open(Doorway(agent.pid, path, None))
    kept = await faces.running.invoke("memory.remember", {"content": f"keep {mode}", "agent": agent.agent})
    async with Client(unix_transport(path, agent.token), mode=mode, elicitation_callback=person) as client:
        error = error_of(await client.call_tool("aether_memory_forget", {"id": kept.id}))
    assert (error["code"], person.asked) == ("pending_approval", [])
    assert (await faces.running.invoke("memory.get", {"id": kept.id})).id == kept.id


async def test_an_answer_that_comes_with_an_agents_call_is_nobodys_leave(faces: Faces) -> None:
    agent = await hosted(faces)
    kept = await faces.running.invoke("memory.remember", {"content": "keep", "agent": agent.agent})
    for changes in ({"agent": agent.agent, "actor": f"agent:{agent.agent}"}, {"client": "somebody's program"}):
        call = faces.running.call(confirm=True, asks=True, **changes)
        with pytest.raises(PendingApproval) as pending:
            await faces.running.invoke("memory.forget", {"id": kept.id}, call)
        assert "input" not in pending.value.data  # it waited for the inbox, and nothing was shown to ask with
        forged = Answer(pending.value.data["approval"], True, "its own word")
        again = faces.running.call(confirm=True, answer=forged, **changes)
        with pytest.raises(PendingApproval):
            await faces.running.invoke("memory.forget", {"id": kept.id}, again)
        asked = await faces.running.invoke("approval.get", {"id": forged.approval})
        assert asked.state == "pending"


async def test_an_answer_holds_for_the_call_that_was_asked_about_alone(faces: Faces) -> None:
    mine, other = await doomed(faces, "asked about"), await doomed(faces, "not asked about")
    call = faces.running.call(confirm=True, asks=True)
    with pytest.raises(PendingApproval) as pending:
        await faces.running.invoke("agent.remove", {"agent": mine}, call)
    yes = Answer(pending.value.data["approval"], True, "a test")
    for raw, changes in (
        ({"agent": other}, {}),
        ({"agent": mine, "home": "delete"}, {}),
        ({"agent": mine}, {"actor": "user:owner/another"}),
    ):
        with pytest.raises(Invalid, match="another question"):
            await faces.running.invoke("agent.remove", raw, faces.running.call(confirm=True, answer=yes, **changes))
    assert await lives(faces, mine)
    assert await lives(faces, other)


@every_mode
async def test_the_owner_does_not_ask_himself(faces: Faces, mode: str) -> None:
    agent, person = await doomed(faces, f"plain {mode}"), Person("decline")
    async with faces.client("socket", mode, elicitation_callback=person) as client:
        assert not (await client.call_tool("aether_agent_remove", {"agent": agent})).is_error
    assert person.asked == []
    assert not await lives(faces, agent)


@every_mode
async def test_a_call_by_way_of_tool_call_is_asked_about_too(faces: Faces, mode: str) -> None:
    agent, person = await doomed(faces, f"indirect {mode}"), Person("accept")
    async with faces.client("socket", mode, await careful(faces), elicitation_callback=person) as client:
        through = {"name": "agent.remove", "input": {"agent": agent}}
        assert not (await client.call_tool("aether_tool_call", through)).is_error
    assert len(person.asked) == 1
    assert not await lives(faces, agent)


@every_mode
async def test_whoever_answers_first_decides(faces: Faces, mode: str) -> None:
    agent, person = await doomed(faces, f"raced {mode}"), Person("accept")

    async def slow(context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        row = await newest(faces)
        await faces.running.invoke("approval.decide", {"id": row.id, "decision": "deny", "reason": "not today"})
        return await person(context, params)

    async with faces.client("socket", mode, await careful(faces), elicitation_callback=slow) as client:
        error = error_of(await client.call_tool("aether_agent_remove", {"agent": agent}))
    assert "not today" in error["message"]
    assert await lives(faces, agent)


async def test_a_client_that_does_not_answer_leaves_it_to_the_inbox(
    faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elicitation, "ASK_S", 0.2)
    agent = await doomed(faces, "silent")

    async def silent(context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        await anyio.sleep_forever()
        raise AssertionError

    async with faces.client("socket", "legacy", await careful(faces), elicitation_callback=silent) as client:
        error = error_of(await client.call_tool("aether_agent_remove", {"agent": agent}))
    assert error["code"] == "pending_approval"


async def test_a_token_that_has_to_ask_makes_no_way_around_it(faces: Faces) -> None:
    call = faces.running.call(confirm=True)
    for name, raw in (
        ("token.create", {"name": "free", "scopes": ["*"]}),
        ("approval.decide", {"id": "approval_x", "decision": "allow_once"}),
    ):
        with pytest.raises(Forbidden, match="has to ask"):
            await faces.running.invoke(name, raw, call)
    with pytest.raises(Forbidden):
        await faces.house.sessions.open_link(call)


def removal(id: int, agent: str, **more: Any) -> dict[str, Any]:
    """Write a call of 2026 by a client that can ask."""
    return request(id, "tools/call", name="aether_agent_remove", arguments={"agent": agent}, _meta=ABLE, **more)


async def answer(raw: Raw, message: dict[str, Any]) -> dict[str, Any]:
    """Send a request and return its answer."""
    await raw.send(message)
    return await raw.line()


YES = {"leave": {"action": "accept", "content": {}}}


async def test_the_state_between_two_rounds_is_sealed_for_its_call_and_its_principal(faces: Faces) -> None:
    agent, other = await doomed(faces, "sealed"), await doomed(faces, "other")
    token = await careful(faces)
    async with faces.raw(token) as raw, faces.raw(await careful(faces)) as stranger:
        first = (await answer(raw, removal(1, agent)))["result"]
        assert first["resultType"] == "input_required"
        state = first["requestState"]
        assert "approval_" not in state
        for socket, call in (
            (raw, removal(2, other, requestState=state, inputResponses=YES)),
            (raw, removal(3, agent, requestState=state[:-4] + "AAAA", inputResponses=YES)),
            (raw, removal(4, agent, requestState=(await newest(faces)).id, inputResponses=YES)),
            (stranger, removal(5, agent, requestState=state, inputResponses=YES)),
        ):
            assert "Invalid or expired requestState" in (await answer(socket, call))["error"]["message"]
        assert await lives(faces, agent)
        done = removal(6, agent, requestState=state, inputResponses=YES)
        assert (await answer(raw, done))["result"]["structuredContent"]["done"] is True
        again = (await answer(raw, {**done, "id": 7}))["result"]
        assert json.loads(again["content"][0]["text"])["code"] == "not_found"  # it is done once, and once only


async def test_an_answer_after_a_restart_of_the_daemon_still_counts(tmp_path: Path) -> None:
    settings = load(home=tmp_path / "aether", port=0, approval_wait_s=0.05)
    async with run_house(settings, runtimes()) as running, serve(running) as faces:
        agent, token = await doomed(faces, "patient"), await careful(faces)
        async with faces.raw(token) as raw:
            state = (await answer(raw, removal(1, agent)))["result"]["requestState"]
    async with run_house(settings, runtimes()) as running, serve(running) as faces:
        assert await lives(faces, agent)
        async with faces.raw(token) as raw:
            result = await answer(raw, removal(1, agent, requestState=state, inputResponses=YES))
        assert result["result"]["structuredContent"]["done"] is True, json.dumps(result)
        assert not await lives(faces, agent)
    assert (settings.home / "secrets" / "request_state.key").stat().st_mode & 0o777 == 0o600
