"""Gemini: `POST /v1beta/models/MODEL:streamGenerateContent?alt=sse` and `:generateContent`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.model_api.conversation import Conversation, Tool, call_block, joined, result_block, text_block
from tests.model_api.dialects.words import Piece, data, tokens
from tests.model_api.script import Block, Reply

ROOTS = ("/v1beta/models", "/v1/models")
KINDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    529: "UNAVAILABLE",
}


class Gemini:
    """Every chunk is a whole answer object with a part of the text."""

    name = "gemini"
    content_type = "text/event-stream"
    ping = b": ping\n\n"

    def speaks(self, path: str) -> bool:
        """Say whether the path asks for an answer."""
        return _word(path) in ("generateContent", "streamGenerateContent")

    def read(self, path: str, body: dict[str, Any]) -> Conversation:
        """Bring contents and function declarations into the common form."""
        system = body.get("systemInstruction") or body.get("system_instruction") or {}
        config = body.get("generationConfig") or {}
        return Conversation(
            messages=joined([_message(content) for content in body.get("contents") or []]),
            system=[text_block(str(part.get("text", ""))) for part in system.get("parts") or []],
            tools=[
                Tool(str(declared.get("name")))
                for entry in body.get("tools") or []
                for declared in entry.get("functionDeclarations") or entry.get("function_declarations") or []
            ],
            model=path.rpartition("/")[2].partition(":")[0],
            stream=_word(path) == "streamGenerateContent",
            wants_json=config.get("responseMimeType") == "application/json",
        )

    def whole(self, reply: Reply) -> dict[str, Any]:
        """Return an answer object."""
        return _answer(reply, [_part(block) for block in reply.blocks], True)

    def stream(self, reply: Reply, asked: Conversation) -> Iterator[Piece]:
        """Yield answer objects, the last with the reason of the end and the usage."""
        for block in reply.blocks:
            if block.kind == "tool_use":
                yield data(_answer(reply, [_part(block)], False), delta=True)
            for piece in block.chunks(reply.chunk):
                if isinstance(piece, str):
                    yield data(_answer(reply, [_part(Block(block.kind, [piece]))], False), delta=True)
                else:
                    yield piece
        yield data(_answer(reply, [{"text": ""}], True), last=True)

    def error(self, status: int, error: dict[str, Any]) -> dict[str, Any]:
        """Return an error object; a time to wait is told in its details."""
        kind = error.get("type") or KINDS.get(status, "INTERNAL")
        found: dict[str, Any] = {
            "code": status,
            "message": error.get("message", "scripted error"),
            "status": kind,
        }
        if "retry_after" in error:
            retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{error['retry_after']}s"}
            found["details"] = [retry]
        return {"error": found}

    def beside(self, path: str, body: dict[str, Any], models: list[str]) -> dict[str, Any] | None:
        """Count tokens and list the models; `/v1/models` belongs to the others."""
        if _word(path) == "countTokens":
            return {"totalTokens": tokens(body)}
        if path != ROOTS[0]:
            return None
        methods = ["generateContent", "streamGenerateContent", "countTokens"]
        listed = [{"name": f"models/{id}", "displayName": id, "supportedGenerationMethods": methods} for id in models]
        return {"models": listed}


def _word(path: str) -> str:
    """Return what is asked of a model, such as `generateContent`."""
    root, _, rest = path.rpartition("/")
    return rest.partition(":")[2] if root in ROOTS else ""


def _part(block: Block) -> dict[str, Any]:
    if block.kind == "tool_use":
        return {"functionCall": {"id": block.id, "name": block.tool.name, "args": block.input}}
    return {"text": block.text, **({"thought": True} if block.kind == "thinking" else {})}


def _answer(reply: Reply, parts: list[dict[str, Any]], ended: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": parts}}
    if ended:
        candidate["finishReason"] = "MAX_TOKENS" if reply.stop == "max_tokens" else "STOP"
    answer = {"candidates": [candidate], "modelVersion": reply.model, "responseId": reply.id}
    return {**answer, "usageMetadata": _usage(reply)} if reply.usage and ended else answer


def _usage(reply: Reply) -> dict[str, Any]:
    given = reply.count("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    thought, made = reply.count("reasoning_tokens"), reply.count("output_tokens")
    return {
        "promptTokenCount": given,
        "cachedContentTokenCount": reply.count("cache_read_input_tokens"),
        "candidatesTokenCount": made - thought,
        "thoughtsTokenCount": thought,
        "totalTokenCount": given + made,
    }


def _message(content: dict[str, Any]) -> dict[str, Any]:
    role = "assistant" if content.get("role") == "model" else "user"
    return {"role": role, "content": [_block(part) for part in content.get("parts") or []]}


def _block(part: dict[str, Any]) -> dict[str, Any]:
    if "text" in part:
        return text_block(str(part["text"]))
    if call := part.get("functionCall"):
        return call_block(str(call.get("id") or call.get("name")), str(call.get("name")), call.get("args") or {})
    if result := part.get("functionResponse"):
        return result_block(str(result.get("id") or result.get("name")), _result(result.get("response")))
    return {"type": "image", "source": part}


def _result(response: Any) -> str:
    """Return what a function answered: clients put it under one of these names."""
    if isinstance(response, dict):
        for key in ("output", "result", "error"):
            if key in response:
                return response[key] if isinstance(response[key], str) else json.dumps(response[key])
    return json.dumps(response)
