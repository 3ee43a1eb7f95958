"""The model gateway over HTTP: what passes, what is refused, and what it is counted as."""

from __future__ import annotations

import json
from typing import Any

import anyio
import httpx2
import pytest
from llm_lab import ASKS, KEY, MODEL, SAID, Gate, asking, gate

from tests.model_api import ModelApi

__all__ = ["gate"]
pytestmark = pytest.mark.anyio

USAGE = {"input_tokens": 1000, "output_tokens": 50, "cache_read_input_tokens": 400}
COSTS = {  # nanodollars of that usage, by the table of prices
    "anthropic": 1000 * 4000 + 400 * 200 + 50 * 20000,
    "chat": 1000 * 200 + 400 * 20 + 50 * 1200,
    "responses": 1000 * 200 + 400 * 20 + 50 * 1200,
    "gemini": 1000 * 1250 + 400 * 125 + 50 * 10000,
    "ollama": 0,
    "compatible": 1400 * 1000 + 50 * 2000,
}


def said(dialect: str, text: str) -> str:
    """Put the text of an answer together, streamed or not."""
    found = []
    for line in text.splitlines() if text.startswith(("event:", "data:")) or "\n{" in text else [text]:
        line = line.removeprefix("data:").strip()
        if line.startswith("{"):
            found += texts(json.loads(line))
    return "".join(found)


def texts(part: Any) -> list[str]:
    """Return what a model says in an event or an answer."""
    if isinstance(part, list):
        return [text for one in part for text in texts(one)]
    if not isinstance(part, dict) or str(part.get("type", "")).startswith(("response.", "content_block_start")):
        return [part["delta"]] if isinstance(part, dict) and part.get("type") == "response.output_text.delta" else []
    own = [part["text"]] if isinstance(part.get("text"), str) else []
    content = part.get("content")
    own += [content] if isinstance(content, str) else []
    return own + [
        text for key, one in part.items() if key != "usage" and not isinstance(one, str) for text in texts(one)
    ]


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("dialect", ASKS)
async def test_a_request_passes_with_another_key_and_is_counted_as_its_provider_tells(
    gate: Gate, dialect: str, streamed: bool
) -> None:
    gate.api.use({"default": {"reply": [{"text": SAID}], "usage": USAGE}, "side": False, "key": KEY})
    path, body = asking(dialect, streamed=streamed)
    if dialect == "compatible" and streamed:
        body = body | {"stream_options": {"include_usage": True}}
    answer = await gate.ask(path, body, {"authorization": f"Bearer {gate.token}", "x-own": "kept", "cookie": "no=1"})
    assert answer.status_code == 200, answer.text
    assert said(dialect, answer.text) == SAID
    assert ("text/event-stream" in answer.headers["content-type"]) == (streamed and dialect != "ollama")
    (request,) = gate.api.log
    assert (request.body, request.headers.get("x-own"), request.key) == (body, "kept", KEY)
    assert gate.token not in str(request.headers) + str(request.query)
    assert {"cookie", "x-forwarded-for"} & request.headers.keys() == set()
    (call,) = await gate.calls()
    cached = 0 if dialect in ("ollama",) else 400
    assert call[1:3] == ("done", 200)
    assert (call[5], call[6]) == (COSTS[dialect], 0)
    assert call[3] + cached == 1400 or dialect == "compatible"


@pytest.mark.parametrize("where", ["x-api-key", "x-goog-api-key", "?key="])
async def test_the_token_is_taken_wherever_an_sdk_puts_its_key_and_reaches_no_provider(gate: Gate, where: str) -> None:
    path, body = asking("gemini", streamed=True)
    headers = {} if where == "?key=" else {where: gate.token}
    answer = await gate.ask(f"{path}&key={gate.token}" if where == "?key=" else path, body, headers)
    assert answer.status_code == 200
    (request,) = gate.api.log
    assert request.key == KEY
    assert gate.token not in str(request.headers) + str(request.query)


SHAPES = {  # where each dialect says what is wrong
    "anthropic": lambda body: (body["type"], body["error"]["type"], body["error"]["message"]),
    "chat": lambda body: ("", body["error"]["code"], body["error"]["message"]),
    "responses": lambda body: ("", body["error"]["code"], body["error"]["message"]),
    "gemini": lambda body: ("", body["error"]["status"], body["error"]["message"]),
    "ollama": lambda body: ("", "", body["error"]),
    "compatible": lambda body: ("", body["error"]["code"], body["error"]["message"]),
}


@pytest.mark.parametrize("dialect", ASKS)
async def test_a_call_past_its_budget_is_refused_in_the_words_of_the_provider_before_it_is_made(
    gate: Gate, dialect: str
) -> None:
    await gate("quota.set", pid=gate.pid, tokens=50)
    path, body = asking(dialect, streamed=True)
    answer = await gate.ask(path, body)
    assert (answer.status_code, answer.headers["x-should-retry"]) == (402, "false")
    _, kind, message = SHAPES[dialect](answer.json())
    assert kind in ("billing_error", "insufficient_quota", "RESOURCE_EXHAUSTED", "")
    assert "50 tokens" in message
    assert gate.api.log == []


async def test_only_a_process_comes_in_and_each_refusal_says_how_to_mend_it(gate: Gate) -> None:
    path, body = asking("anthropic", streamed=True)
    for headers, status, words in (
        ({}, 401, "AETHER_TOKEN"),
        ({"x-api-key": "nonsense"}, 401, "no such token"),
        (gate.served.bearer, 403, "for processes"),
        ({"cookie": await gate.served.cookie()}, 401, "AETHER_TOKEN"),
    ):
        answer = await gate.ask(path, body, headers)
        assert (answer.status_code, answer.json()["type"]) == (status, "error")
        assert words in answer.json()["error"]["message"]
    for path, content, status, words in (
        ("nobody/v1/chat/completions", body, 404, "there are: anthropic"),
        ("anthropic/v1/messages/batches", body, 404, "could not be metered"),
        ("openai/v1/%2e%2e/admin", body, 404, "could not be metered"),
        ("anthropic/v1/messages", b"[1]", 400, "not a JSON object"),
        ("anthropic/v1/messages", b'{"model": ', 400, "not JSON"),
        ("anthropic/v1/messages", {"messages": []}, 400, "names no model"),
        ("anthropic/v1/messages", b" " * (32 * 1024 * 1024 + 1), 413, "larger than"),
    ):
        answer = await gate.ask(path, content)
        assert (answer.status_code, words in answer.text) == (status, True), answer.text
    await gate("model.configure", provider="gemini", remove=True)
    answer = await gate.ask(*asking("gemini", streamed=True))
    assert (answer.status_code, "no key for gemini" in answer.text) == (403, True)
    assert gate.api.log == []
    assert await gate.calls() == []


async def test_what_a_provider_refuses_goes_back_as_it_came_and_costs_nothing(gate: Gate) -> None:
    await gate("model.configure", provider="anthropic", api_key="wrong")
    path, body = asking("anthropic", streamed=True)
    assert (await gate.ask(path, body)).json()["error"]["type"] == "authentication_error"
    await gate("model.configure", provider="anthropic", api_key=KEY)
    error = {"status": 529, "type": "overloaded_error", "message": "busy", "retry_after": 7}
    gate.api.use({"default": {"error": error}, "side": False})
    answer = await gate.ask(path, body)
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["error"]["message"]) == (529, "7", "busy")
    assert answer.headers["x-should-retry"] == "false"  # a limit of seconds: the agent is parked instead
    assert [call[1:6] for call in await gate.calls()] == [("refused", 401, 0, 0, 0), ("refused", 529, 0, 0, 0)]


async def test_a_key_that_a_provider_says_again_in_an_error_does_not_come_back(gate: Gate) -> None:
    async def echo(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            head = await stream.receive()
            await stream.send(b"HTTP/1.1 401 No\r\nx-echo: Bearer " + KEY.encode() + b"\r\nconnection: close\r\n\r\n")
            for cut in range(0, len(head), 7):  # the key comes in pieces
                await stream.send(head[cut : cut + 7])

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, echo)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        await gate("model.configure", provider="anthropic", base_url=f"http://127.0.0.1:{port}", api_key=KEY)
        answer = await gate.ask(*asking("anthropic", streamed=False))
        assert (answer.status_code, "[redacted]" in answer.text) == (401, True)
        assert KEY not in answer.text + str(answer.headers)
        group.cancel_scope.cancel()


async def test_the_token_in_an_address_reaches_no_provider_however_it_is_written(gate: Gate) -> None:
    path, body = asking("gemini", streamed=False)
    assert (await gate.ask(f"{path}?k%65y={gate.token}", body, {})).status_code == 200
    assert gate.token not in str(gate.api.log[-1])


async def test_a_key_does_not_follow_to_another_address(gate: Gate) -> None:
    with ModelApi() as other:
        await gate("model.configure", provider="anthropic", base_url=other.url)
        assert (await gate.ask(*asking("anthropic", streamed=False))).status_code == 200
        assert KEY not in str([request.headers for request in other.log])
        await gate("model.configure", provider="anthropic", base_url=gate.api.url)
        assert (await gate.ask(*asking("anthropic", streamed=False))).status_code == 401


async def test_a_provider_that_is_down_is_a_clear_error_and_costs_nothing(gate: Gate) -> None:
    await gate("model.configure", provider="anthropic", base_url="http://127.0.0.1:9")
    answer = await gate.ask(*asking("anthropic", streamed=True))
    assert (answer.status_code, answer.json()["error"]["type"]) == (503, "overloaded_error")
    assert "127.0.0.1 gave no answer" in answer.json()["error"]["message"]
    assert [call[1:6] for call in await gate.calls()] == [("failed", None, 0, 0, 0)]


@pytest.mark.parametrize("dialect", ["anthropic", "chat"])
async def test_a_stream_that_is_cut_reaches_its_reader_cut_and_is_counted_once_as_the_most(
    gate: Gate, dialect: str
) -> None:
    gate.api.use({"default": {"reply": [{"text": "x" * 400}], "drop": 5, "usage": USAGE}, "side": False, "key": KEY})
    with pytest.raises(httpx2.RemoteProtocolError):
        await gate.ask(*asking(dialect, streamed=True))
    ((_, outcome, status, sent, got, nano, estimated),) = await gate.calls()
    assert (outcome, status, estimated) == ("cut", 200, 1)
    assert sent == 1400 if dialect == "anthropic" else sent >= 1000
    assert 0 < got <= 100
    assert nano > 0


async def test_garbage_in_a_stream_passes_and_does_not_hide_the_figures(gate: Gate) -> None:
    garbage = (
        'data: {"usage": {"input_tokens": "many", "output_tokens": -5}\n\n: \x00\n\ndata: [1,\n\nevent\n\n"usage"\n\n'
    )
    reply = [{"text": ["before ", {"raw": garbage}, "after"]}]
    gate.api.use({"default": {"reply": reply, "usage": USAGE}, "side": False, "key": KEY})
    answer = await gate.ask(*asking("anthropic", streamed=True))
    assert garbage in answer.text
    assert [call[1:2] + call[5:] for call in await gate.calls()] == [("done", COSTS["anthropic"], 0)]


async def test_an_answer_without_figures_is_counted_as_the_most_and_a_model_without_a_price_by_its_tokens(
    gate: Gate,
) -> None:
    path, body = asking("chat", streamed=True)
    gate.api.use({"default": {"reply": [{"text": SAID}], "usage": False}, "side": False})
    assert (await gate.ask(path, body)).status_code == 200
    gate.api.use({"default": {"reply": [{"text": SAID}], "usage": USAGE}, "side": False})
    assert (await gate.ask(path, body | {"model": "unheard-of"})).status_code == 200
    first, second = await gate.calls()
    assert (first[1], first[6], first[4] <= 100) == ("done", 1, True)
    assert (second[1], second[5], second[6]) == ("done", None, 0)
    assert {line.model: line.unpriced for line in await gate.lines()} == {"gpt-5.6-luna": 0, "unheard-of": 1}
    await gate("quota.set", pid=gate.pid, budget=5)
    answer = await gate.ask(path, body | {"model": "unheard-of"})
    assert (answer.status_code, "model.configure" in answer.text) == (402, True)


async def test_a_client_that_leaves_ends_the_call_at_its_provider_and_pays_for_what_it_may_have_cost(
    gate: Gate,
) -> None:
    reply = [{"text": ["begun ", {"hold": "never"}]}]
    gate.api.use({"default": {"reply": reply, "usage": USAGE}, "side": False, "key": KEY})
    path, body = asking("anthropic", streamed=True)
    headers = {"x-api-key": gate.token}
    async with gate.served.stranger.stream("POST", f"/llm/{path}", json=body, headers=headers) as answer:
        async for data in answer.aiter_bytes():
            if b"begun" in data:
                break
    ((_, outcome, _, sent, got, _, estimated),) = await gate.calls()
    assert (outcome, sent, estimated) == ("cut", 1400, 1)
    assert 0 < got <= 100


async def test_free_requests_pass_and_are_not_counted(gate: Gate) -> None:
    _, body = asking("anthropic", streamed=False)
    count = await gate.ask("anthropic/v1/messages/count_tokens", body)
    assert count.json()["input_tokens"] > 0
    listed = await gate.served.stranger.get("/llm/openai/v1/models", headers={"authorization": f"Bearer {gate.token}"})
    assert listed.json()["object"] == "list"
    assert await gate.calls() == []


async def test_one_process_has_so_many_calls_under_way_and_no_more(gate: Gate) -> None:
    gate.api.use({"default": {"reply": [{"text": SAID}], "hold": "all"}, "side": False, "key": KEY})
    path, body = asking("anthropic", streamed=True)
    statuses: list[int] = []

    async def one() -> None:
        statuses.append((await gate.ask(path, body)).status_code)

    async with anyio.create_task_group() as group:
        for _ in range(33):
            group.start_soon(one)
        with anyio.fail_after(20):
            while not statuses:
                await anyio.sleep(0.01)
        assert statuses == [503]
        gate.api.release("all")
    assert sorted(statuses) == [200] * 32 + [503]
    assert {call[1] for call in await gate.calls()} == {"done"}


async def test_the_requests_of_a_process_together_are_bounded(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aetherd.web.llm.HELD", 1_000)
    path, body = asking("anthropic", streamed=False)
    answer = await gate.ask(path, body | {"system": "x" * 1_000})
    assert (answer.status_code, "under way for this process" in answer.text) == (503, True)
    assert (await gate.ask(path, body)).status_code == 200  # what was refused is held no more


async def test_rules_route_a_call_and_the_next_place_is_tried_when_one_is_overloaded(gate: Gate) -> None:
    with ModelApi(
        {"default": {"error": {"status": 529, "type": "overloaded_error", "message": "busy"}}, "side": False}
    ) as busy:
        await gate("model.configure", provider="other", dialect="anthropic", base_url=busy.url, api_key="k")
        rules = [
            {"name": "titles", "when": {"tools": False, "role": "x"}, "to": [{"model": "claude-haiku-4-5"}]},
            {
                "name": "small first",
                "when": {"agent": "asker", "model": "claude-opus-*"},
                "to": [{"provider": "openai"}, {"provider": "other"}, {"model": "claude-haiku-4-5"}],
            },
        ]
        await gate("model.configure", rules=rules)
        plan = await gate("model.route", provider="anthropic", model=MODEL, agent="asker", tokens=1000, most_output=100)
        assert (plan.rule, [(one.provider, one.model) for one in plan.stops]) == (
            "small first",
            [("other", MODEL), ("anthropic", "claude-haiku-4-5")],
        )
        assert plan.why[0] == "titles: no, role is not known"
        assert "openai is left out" in plan.why[1]
        path, body = asking("anthropic", streamed=True)
        assert said("anthropic", (await gate.ask(path, body)).text) == SAID
        (tried,), (asked,) = busy.log, gate.api.log
        assert (tried.body["model"], asked.body) == (MODEL, body | {"model": "claude-haiku-4-5"})
    assert [call[:3] for call in await gate.calls()] == [("other", "refused", 529), ("anthropic", "done", 200)]


async def test_a_key_is_written_and_never_shown_and_a_trace_hides_it(gate: Gate) -> None:
    home = gate.served.house.settings.home
    await gate("model.configure", trace={"asker": True})
    path, body = asking("anthropic", streamed=True)
    gate.api.use(
        {"default": {"reply": [{"text": f"your key is {KEY} and sk-ant-api03-abcdefghijklmnop"}]}, "side": False}
    )
    await gate.ask(path, body | {"system": 'password = "hunter2hunter2"'})
    found = await gate("model.providers")
    assert {one.name: (one.key, one.ready) for one in found.providers}["anthropic"] == ("configured", True)
    assert KEY not in found.model_dump_json()
    file = home / "log" / "models" / f"{gate.agent}.jsonl"
    (kept,) = map(json.loads, file.read_text().splitlines())
    assert (kept["pid"], kept["model"], kept["status"], file.stat().st_mode & 0o777) == (gate.pid, MODEL, 200, 0o600)
    assert not any(
        secret in str(kept) for secret in (KEY, "sk-ant-api03-abcdefghijklmnop", "hunter2hunter2", gate.token)
    )
    await gate.lines()
    holders = [
        file.relative_to(home) for file in home.rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()
    ]
    assert {str(one.parent) for one in holders} == {"secrets/models"}
    modes = {(home / one).stat().st_mode & 0o777 for one in holders}
    assert modes == {0o600}
