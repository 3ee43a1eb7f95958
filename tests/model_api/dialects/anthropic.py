"""Anthropic messages: `POST /v1/messages`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.model_api.conversation import Conversation, Tool
from tests.model_api.dialects.words import Piece, event, pieces, tokens, unversioned
from tests.model_api.script import Block, Reply

SIGNATURE = "c2NyaXB0ZWQ="


class Anthropic:
    """Named events; the common form is its own."""

    name = "anthropic"
    content_type = "text/event-stream"
    ping = b'event: ping\ndata: {"type": "ping"}\n\n'

    def speaks(self, path: str) -> bool:
        """Say whether the path asks for an answer."""
        return unversioned(path) == "/messages"

    def read(self, path: str, body: dict[str, Any]) -> Conversation:
        """Take it as it is."""
        return Conversation(
            messages=body.get("messages", []),
            system=body.get("system"),
            tools=[Tool(str(tool.get("name"))) for tool in body.get("tools") or []],
            model=str(body.get("model") or ""),
            stream=bool(body.get("stream")),
        )

    def whole(self, reply: Reply) -> dict[str, Any]:
        """Return a message."""
        return {
            "id": f"msg_{reply.id}",
            "type": "message",
            "role": "assistant",
            "model": reply.model,
            "content": [_content(block) for block in reply.blocks],
            "stop_reason": reply.stop,
            "stop_sequence": None,
            "usage": reply.usage,
        }

    def stream(self, reply: Reply, asked: Conversation) -> Iterator[Piece]:
        """Yield message_start, the blocks, message_delta and message_stop."""
        begun = {**reply.usage, "output_tokens": 1} if reply.usage else {}
        start = {**self.whole(reply), "content": [], "stop_reason": None, "usage": begun}
        yield event({"type": "message_start", "message": start})
        for index, block in enumerate(reply.blocks):
            yield from _events(index, block, reply.chunk)
        delta = {"stop_reason": reply.stop, "stop_sequence": None}
        usage = {"output_tokens": reply.usage["output_tokens"]} if reply.usage else {}
        yield event({"type": "message_delta", "delta": delta, "usage": usage})
        yield event({"type": "message_stop"}, last=True)

    def error(self, status: int, error: dict[str, Any]) -> dict[str, Any]:
        """Return an error object."""
        kinds = {
            400: "invalid_request_error",
            401: "authentication_error",
            403: "permission_error",
            404: "not_found_error",
            429: "rate_limit_error",
            529: "overloaded_error",
        }
        kind = error.get("type") or kinds.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": error.get("message", "scripted error")}}

    def beside(self, path: str, body: dict[str, Any], models: list[str]) -> dict[str, Any] | None:
        """Count tokens."""
        return {"input_tokens": tokens(body)} if unversioned(path) == "/messages/count_tokens" else None


def _content(block: Block) -> dict[str, Any]:
    match block.kind:
        case "tool_use":
            return {"type": "tool_use", "id": block.id, "name": block.tool.name, "input": block.input}
        case "thinking":
            return {"type": "thinking", "thinking": block.text, "signature": SIGNATURE}
    return {"type": "text", "text": block.text}


def _events(index: int, block: Block, size: int) -> Iterator[Piece]:
    def delta(kind: str, key: str, text: str) -> Piece:
        change = {"type": "content_block_delta", "index": index, "delta": {"type": kind, key: text}}
        return event(change, delta=True)

    empty: dict[str, dict[str, Any]] = {
        "text": {"text": ""},
        "thinking": {"thinking": "", "signature": ""},
        "tool_use": {"input": {}},
    }
    begun = {**_content(block), **empty[block.kind]}
    yield event({"type": "content_block_start", "index": index, "content_block": begun})
    if block.kind == "tool_use":
        for piece in pieces(json.dumps(block.input), size):
            yield delta("input_json_delta", "partial_json", piece)
    for part in block.chunks(size):
        yield delta(f"{block.kind}_delta", block.kind, part) if isinstance(part, str) else part
    if block.kind == "thinking":
        yield delta("signature_delta", "signature", SIGNATURE)
    yield event({"type": "content_block_stop", "index": index})
