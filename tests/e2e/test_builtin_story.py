"""The builtin agent works with a model through aetherd's gateway: the key stays there, a kill costs nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.daemon_lab import Daemon, until
from tests.model_api import ModelApi

CANARY = "sk-canary-5f1c7a"


@pytest.fixture(scope="module")
def api() -> Iterator[ModelApi]:
    with ModelApi({"side": False, "key": CANARY}) as one:
        yield one


@pytest.fixture(scope="module")
def house(api: ModelApi) -> Iterator[Daemon]:
    keys = dict.fromkeys(("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"), CANARY)
    env = {**keys, "OLLAMA_HOST": api.url, "OPENAI_BASE_URL": f"{api.url}/v1"}
    env |= dict.fromkeys(("ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL"), api.url)
    with Daemon(settings="approval_wait_s = 1\n", env=env) as daemon:
        yield daemon


def test_it_works_through_the_gateway_asks_before_a_command_and_goes_on_after_a_kill(
    house: Daemon, api: ModelApi
) -> None:
    remember = {"tool_use": {"name": "aether_memory_remember", "input": {"content": "the lamp is green"}}}
    command = {"tool_use": {"name": "shell", "input": {"command": "env; echo it runs"}}}
    api.use(
        {
            "side": False,
            "key": CANARY,
            "steps": [
                {"reply": [{"text": "I remember and run."}, remember, command]},
                {"reply": [{"text": ["half of an answer ", {"hold": "kill"}]}]},
                {"reply": [{"text": "all done after a kill"}]},
            ],
        }
    )
    before = len(api.requests)
    pid = house.spawn("builtin", goal="remember the lamp", model="claude-opus-5-5")["pid"]
    until(lambda: bool(house.call("approval.list")["approvals"]), 30, "its question")
    question = house.call("approval.list")["approvals"][0]
    assert "echo it runs" in json.dumps(question)
    house.call("approval.decide", id=question["id"], decision="allow_once")
    results = api.wait_for_request(before + 2).tool_results
    assert "it runs" in results[1]
    house.restart()
    api.release("kill")
    done = house.wait(pid)
    assert done["text"] == "all done after a kill", done
    assert {request.key for request in api.requests} == {CANARY}
    assert house.call("memory.recall", query="lamp")["memories"][0]["content"] == "the lamp is green"
    assert CANARY not in json.dumps(api.requests[-1].body) + json.dumps(house.events())
    places = [path for path in (house.home / "agents").rglob("*") if path.is_file()]
    assert places
    assert not [path for path in places if CANARY.encode() in path.read_bytes()]
    for one in house.tree(pid):
        assert CANARY.encode() not in Path(f"/proc/{one}/environ").read_bytes()


def test_a_limit_parks_it_and_it_wakes_in_the_same_conversation(house: Daemon, api: ModelApi) -> None:
    limited = {"error": {"status": 429, "type": "rate_limit_error", "message": "enough", "retry_after": 5}}
    api.use({"side": False, "key": CANARY, "steps": [limited, {"reply": [{"text": "back at work"}]}]})
    before = len(api.requests)
    pid = house.spawn("builtin", goal="work on the lamp")["pid"]
    until(lambda: house.get(pid)["phase"] == "limited", 30, "it to be limited")
    done = house.wait(pid)
    assert done["text"] == "back at work"
    assert "work on the lamp" in api.requests[-1].text
    assert len(api.requests) == before + 2


def test_every_provider_is_reached_through_the_gateway_and_its_calls_are_counted(house: Daemon, api: ModelApi) -> None:
    remember = {"tool_use": {"name": "aether_memory_remember", "input": {"content": "the lamp is green"}}}
    rules = [{"when": {"tool_result": False}, "reply": [remember]}, {"reply": [{"text": "done"}]}]
    api.use({"side": False, "rules": rules})
    models = ("claude-haiku-4-5", "gpt-5-mini", "gemini-2.5-flash", "ollama/qwen3")
    pids = {model: house.spawn("builtin", goal="remember the lamp", model=model)["pid"] for model in models}
    for model, pid in pids.items():
        assert house.wait(pid)["text"] == "done", model
        result, found = house.call("process.result", pid=pid), house.get(pid)
        assert (result["usage"]["input_tokens"], result["usage"]["output_tokens"]) == (200, 40), model
        assert found["metered"] is True
        assert (found["cost_usd"] > 0) is (model != "ollama/qwen3"), model
    assert {request.dialect for request in api.requests[-8:]} == {"anthropic", "chat", "gemini", "ollama"}
