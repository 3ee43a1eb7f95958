"""The double of the model says the same in every dialect; it was held against the providers' own SDKs by hand."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from tests.model_api import ModelApi

CALL = {"tool_use": {"name": "*_remember", "input": {"content": "x"}, "id": "c1"}}
SCRIPT: dict[str, Any] = {
    "rules": [
        {"when": {"tool_result": "kept"}, "reply": [{"text": "Done, as I was told."}], "usage": {"output_tokens": 7}},
        {"when": {"said": "store", "system": "be brief"}, "reply": [{"text": "I will."}, CALL]},
    ],
    "default": {"reply": [{"text": "not understood"}]},
}
PARAMETERS = {"type": "object", "properties": {"content": {"type": "string"}}}
TOOL = {"name": "aether_memory_remember", "parameters": PARAMETERS}
CHAT_TOOL = {"type": "function", "function": TOOL}
USER = {"role": "user", "content": "store it"}
SYSTEM = {"role": "system", "content": "be brief"}
CHAT_CALL = {"id": "c1", "type": "function", "function": {"name": "aether_memory_remember", "arguments": '{"a": 1}'}}
OLLAMA_CALL = {"function": {"name": "aether_memory_remember", "arguments": {"content": "x"}}}
GEMINI = "/v1beta/models/g:{}"

# dialect: path, path of a stream, what each request has, the first messages, and those with the tool's answer
ASKED: dict[str, tuple[str, str, dict[str, Any], str, list[Any], list[Any]]] = {
    "anthropic": (
        "/v1/messages",
        "/v1/messages",
        {"system": "be brief", "tools": [{"name": TOOL["name"], "input_schema": PARAMETERS}]},
        "messages",
        [USER],
        [
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": TOOL["name"], "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "kept"}]},
        ],
    ),
    "chat": (
        "/v1/chat/completions",
        "/chat/completions",
        {"tools": [CHAT_TOOL]},
        "messages",
        [SYSTEM, USER],
        [{"role": "assistant", "tool_calls": [CHAT_CALL]}, {"role": "tool", "tool_call_id": "c1", "content": "kept"}],
    ),
    "responses": (
        "/v1/responses",
        "/responses",
        {"instructions": "be brief", "tools": [{"type": "namespace", "name": "mcp__aether", "tools": [TOOL]}]},
        "input",
        [USER],
        [
            {"type": "function_call", "call_id": "c1", "name": TOOL["name"], "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "kept"},
        ],
    ),
    "gemini": (
        GEMINI.format("generateContent"),
        GEMINI.format("streamGenerateContent?alt=sse"),
        {"systemInstruction": {"parts": [{"text": "be brief"}]}, "tools": [{"functionDeclarations": [TOOL]}]},
        "contents",
        [{"role": "user", "parts": [{"text": "store it"}]}],
        [
            {"role": "model", "parts": [{"functionCall": {"id": "c1", "name": TOOL["name"], "args": {}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": TOOL["name"], "response": {"output": "kept"}}}]},
        ],
    ),
    "ollama": (
        "/api/chat",
        "/api/chat",
        {"tools": [CHAT_TOOL]},
        "messages",
        [SYSTEM, USER],
        [{"role": "assistant", "tool_calls": [OLLAMA_CALL]}, {"role": "tool", "tool_name": "x", "content": "kept"}],
    ),
}


def post(url: str, body: dict[str, Any]) -> str:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: bytes = answer.read()
    return found.decode()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", list(ASKED))
def test_one_script_drives_every_dialect(dialect: str, stream: bool) -> None:
    whole, streamed, always, key, first, more = ASKED[dialect]
    flag = {} if dialect == "gemini" else {"stream": stream}
    with ModelApi(SCRIPT) as api:
        url = api.url + (streamed if stream else whole)
        called = post(url, {"model": "m", **always, **flag, key: first})
        assert "aether_memory_remember" in called
        assert ("mcp__aether" in called) == (dialect == "responses")
        ended = post(url, {"model": "m", **always, **flag, key: [*first, *more]})
        assert "Done, as I was told." in ended  # it fits into one chunk
        seen = api.requests
    assert [request.dialect for request in seen] == [dialect, dialect]
    assert seen[0].said.endswith("store it")
    assert "store it" not in seen[1].said
    assert seen[1].tool_results == ["kept"]
    assert seen[1].answered["reply"] == [{"text": "Done, as I was told."}]
