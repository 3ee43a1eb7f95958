"""The tasks extension: long operations that run on while their client polls, or is gone."""

from __future__ import annotations

import json
from typing import Any

import anyio
import mcp_types as types
import pytest

from aetherd_mcp import task as task_module
from aetherd_mcp import tasks as tasks_module
from aetherd_mcp.task import Task
from tests.faces import ENVELOPE, Faces, Raw, request, serve
from tests.mcp.test_sockets import door

pytestmark = pytest.mark.anyio
INVALID_PARAMS, METHOD_NOT_FOUND, UNDECLARED, HEADER_MISMATCH = -32602, -32601, -32021, -32020
ABLE = ENVELOPE | {"io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}}


async def asked(raw: Raw, method: str, meta: dict[str, Any] = ABLE, **params: Any) -> dict[str, Any]:
    """Make a request of the 2026 era; return its result, or its error as `error`."""
    answer = await raw.ask(1, method, **params, _meta=meta)
    found: dict[str, Any] = answer.get("result") or {"error": answer["error"]}
    return found


async def begun(raw: Raw, tool: str = "aether_lab_wait", **arguments: Any) -> dict[str, Any]:
    """Call a tool that becomes a task; return the task."""
    found = await asked(raw, "tools/call", name=tool, arguments=arguments)
    assert found["resultType"] == "task", found
    assert not {"result", "error", "inputRequests", "requestState"} & set(found)
    return found


async def reached(raw: Raw, id: str, *statuses: str) -> dict[str, Any]:
    """Poll until a task is in one of these states."""
    with anyio.fail_after(10):
        while (found := await asked(raw, "tasks/get", taskId=id))["status"] not in statuses:
            await anyio.sleep(0.02)
    return found


async def test_a_long_wait_becomes_a_task_that_tells_its_phase_and_then_the_result(faces: Faces) -> None:
    spawned = await faces.running.invoke("process.spawn", {"runtime": "command", "argv": ["sleep", "1000"]})
    async with faces.raw() as raw:
        task = await begun(raw, "aether_process_wait", pid=spawned.pid, timeout_s=600)
        polled = await asked(raw, "tasks/get", taskId=task["taskId"])
        assert (polled["status"], polled["resultType"]) == ("working", "complete")
        assert "running" in polled["statusMessage"]
        assert polled["ttlMs"] >= 3600_000
        await faces.running.invoke("process.kill", {"pid": spawned.pid})
        done = await reached(raw, task["taskId"], "completed")
        assert done["result"]["structuredContent"]["outcome"] == "killed"
        assert done["createdAt"] == task["createdAt"] <= done["lastUpdatedAt"]


async def test_what_is_quick_is_answered_without_a_task(faces: Faces) -> None:
    spawned = await faces.running.invoke("process.spawn", {"runtime": "command", "argv": ["true"]})
    await faces.running.invoke("process.result", {"pid": spawned.pid})
    async with faces.raw() as raw:
        with anyio.fail_after(10):
            found: dict[str, Any] = {"resultType": "task"}
            while found["resultType"] == "task":  # until the process has ended
                call = {"name": "aether_process_wait", "arguments": {"pid": spawned.pid}}
                found = await asked(raw, "tools/call", **call)
        assert found["resultType"] == "complete"
        assert found["structuredContent"]["outcome"] == "completed"
        wrong = await asked(raw, "tools/call", name="aether_process_wait", arguments={"pid": "x"})
        assert json.loads(wrong["content"][0]["text"])["code"] == "invalid"


async def test_a_client_that_did_not_say_it_knows_tasks_gets_none(faces: Faces) -> None:
    async with faces.raw() as raw:
        faces.lab.go_on.set()
        found = await asked(raw, "tools/call", ENVELOPE, name="aether_lab_wait", arguments={"text": "x"})
        assert found["structuredContent"] == {"text": "x"}
        for method, more in (("get", {}), ("cancel", {}), ("update", {"inputResponses": {}})):
            error = (await asked(raw, f"tasks/{method}", ENVELOPE, taskId="x", **more))["error"]
            assert error["code"] == UNDECLARED
            assert "io.modelcontextprotocol/tasks" in error["data"]["requiredCapabilities"]["extensions"]
        refused = await asked(raw, "subscriptions/listen", ENVELOPE, notifications={"taskIds": ["x"]})
        assert refused["error"]["code"] == UNDECLARED
    async with faces.raw() as old:
        await old.greet()
        assert (await old.ask(2, "tasks/get", taskId="x"))["error"]["code"] == METHOD_NOT_FOUND


async def test_cancelling_a_task_stops_its_work(faces: Faces) -> None:
    async with faces.raw() as raw:
        task = await begun(raw)
        assert faces.lab.running == 1
        assert "status" not in await asked(raw, "tasks/cancel", taskId=task["taskId"])
        with anyio.fail_after(5):
            await faces.lab.cancelled.wait()
        assert (await asked(raw, "tasks/get", taskId=task["taskId"]))["status"] == "cancelled"
        again = await asked(raw, "tasks/cancel", taskId=task["taskId"])
        assert again["resultType"] == "complete"


async def test_a_task_runs_on_while_its_client_is_away(faces: Faces) -> None:
    token = await faces.token("*:read")
    async with faces.raw(token) as raw:
        task = await begun(raw, text="still here")
    assert faces.lab.running == 1
    faces.lab.go_on.set()
    async with faces.raw(token) as raw:
        done = await reached(raw, task["taskId"], "completed")
        assert done["result"]["structuredContent"] == {"text": "still here"}


async def test_a_client_that_leaves_before_it_has_the_task_leaves_no_work(faces: Faces) -> None:
    async with faces.raw() as raw:
        call = {"name": "aether_lab_wait", "arguments": {}}
        await raw.send(request(1, "tools/call", **call, _meta=ABLE))
        with anyio.fail_after(5):
            await faces.lab.begun.wait()
    with anyio.fail_after(5):
        await faces.lab.cancelled.wait()


async def test_a_task_is_nobody_elses(faces: Faces) -> None:
    _, path, secret = await door(faces)
    async with (
        faces.raw() as raw,
        faces.raw(await faces.token("*:read")) as other,
        faces.raw(secret, path) as agent,
    ):
        task = await begun(raw)
        for one in (other, agent):
            for method in ("tasks/get", "tasks/cancel"):
                error = (await asked(one, method, taskId=task["taskId"]))["error"]
                assert error["code"] == INVALID_PARAMS
        assert (await asked(raw, "tasks/get", taskId=task["taskId"]))["status"] == "working"
        for id in (task["taskId"][:-2] + "AA", "v1.AAAA", "", "ü" * 40):
            assert (await asked(raw, "tasks/get", taskId=id))["error"]["code"] == INVALID_PARAMS


async def test_the_number_of_tasks_is_bounded_and_the_oldest_ended_gives_way(
    faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks_module, "PER_OWNER", 2)
    faces.tools.tasks._held.clear()
    async with faces.raw() as raw:
        first, second = await begun(raw), await begun(raw)
        full = await asked(raw, "tools/call", name="aether_lab_wait", arguments={})
        assert json.loads(full["content"][0]["text"])["code"] == "exhausted"
        await asked(raw, "tasks/cancel", taskId=first["taskId"])
        third = await begun(raw)
        for task in (second, third):
            assert (await asked(raw, "tasks/get", taskId=task["taskId"]))["status"] == "working"


async def test_a_task_expires_and_its_work_with_it(faces: Faces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_module, "TTL_S", 0.6)
    async with faces.raw() as raw:
        task = await begun(raw)
        with anyio.fail_after(5):
            await faces.lab.cancelled.wait()
            while "error" not in (found := await asked(raw, "tasks/get", taskId=task["taskId"])):
                await anyio.sleep(0.02)
        assert found["error"]["code"] == INVALID_PARAMS


async def test_after_a_restart_a_task_that_changes_nothing_is_done_again_and_any_other_is_reported(
    mortal: Faces,
) -> None:
    async with mortal.raw() as raw:
        read, change = await begun(raw, text="again"), await begun(raw, "aether_lab_change")
    mortal.lab.go_on.set()
    async with serve(mortal.running, lab=False) as reborn, reborn.raw() as raw:  # which remembers nothing
        done = await reached(raw, read["taskId"], "completed")
        assert done["result"]["structuredContent"] == {"text": "again"}
        lost = await reached(raw, change["taskId"], "failed")
        assert "may or may not have run" in lost["error"]["message"]


async def test_a_task_cancelled_after_a_restart_is_not_begun(mortal: Faces) -> None:
    async with mortal.raw() as raw:
        task = await begun(raw)
    async with serve(mortal.running, lab=False) as reborn, reborn.raw() as raw:
        await asked(raw, "tasks/cancel", taskId=task["taskId"])
        assert mortal.lab.running == 1  # the earlier one's, which the test did not end
        assert (await asked(raw, "tasks/get", taskId=task["taskId"]))["status"] == "cancelled"


async def test_a_task_may_ask_its_client_and_goes_on_with_the_answers(faces: Faces) -> None:
    form = types.ElicitRequestFormParams(message="Sure?", requested_schema={"type": "object", "properties": {}})

    async def work(task: Task) -> types.CallToolResult:
        answers = await task.ask(sure=types.ElicitRequest(params=form), where=types.ListRootsRequest())
        return types.CallToolResult(content=[types.TextContent(text=json.dumps(sorted(answers)))])

    tasks = faces.tools.tasks
    begun = await tasks.start(tasks.new(faces.running.call()), work)
    assert isinstance(begun, dict)
    id = begun["taskId"]
    async with faces.raw() as raw:
        keys = list((await reached(raw, id, "input_required"))["inputRequests"])
        bad = await asked(raw, "tasks/update", taskId=id, inputResponses={keys[0]: {"action": "perhaps"}})
        assert bad["error"]["code"] == INVALID_PARAMS
        first = {keys[0]: {"action": "accept", "content": {}}, "never asked": 1}
        assert (await asked(raw, "tasks/update", taskId=id, inputResponses=first))["resultType"] == "complete"
        assert list((await asked(raw, "tasks/get", taskId=id))["inputRequests"]) == keys[1:]
        await asked(raw, "tasks/update", taskId=id, inputResponses={keys[1]: {"roots": []}})
        assert (await reached(raw, id, "completed"))["result"]["content"][0]["text"] == '["sure", "where"]'


async def test_over_http_the_header_names_the_task(faces: Faces) -> None:
    headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2026-07-28"}
    async with faces.http(**headers) as client:
        call = request(1, "tools/call", name="aether_lab_wait", arguments={}, _meta=ABLE)
        named = {"mcp-method": "tools/call", "mcp-name": "aether_lab_wait"}
        id = (await client.post("/mcp", json=call, headers=named)).json()["result"]["taskId"]
        get = request(2, "tasks/get", taskId=id, _meta=ABLE)
        for name in ({}, {"mcp-name": "another"}):
            wrong = await client.post("/mcp", json=get, headers={"mcp-method": "tasks/get", **name})
            assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, HEADER_MISMATCH)
        right = await client.post("/mcp", json=get, headers={"mcp-method": "tasks/get", "mcp-name": id})
        assert right.json()["result"]["status"] == "working"
