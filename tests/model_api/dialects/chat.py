"""OpenAI chat completions: `POST /v1/chat/completions`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.model_api.conversation import Conversation, Tool, call_block, joined, result_block, text_block
from tests.model_api.dialects.words import Frame, Piece, data, unversioned
from tests.model_api.script import Reply

FINISHED = {"end_turn": "stop", "stop_sequence": "stop", "tool_use": "tool_calls", "max_tokens": "length"}
KINDS = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


class Chat:
    """Unnamed chunks and `[DONE]`; usage comes in a stream only when `stream_options.include_usage` asks for it."""

    name = "chat"
    content_type = "text/event-stream"
    ping = b": ping\n\n"

    def speaks(self, path: str) -> bool:
        """Say whether the path asks for an answer."""
        return unversioned(path) == "/chat/completions"

    def read(self, path: str, body: dict[str, Any]) -> Conversation:
        """Bring messages and functions into the common form."""
        options = body.get("stream_options") or {}
        return Conversation(
            messages=joined([_message(message) for message in body.get("messages", [])]),
            tools=[Tool(str((tool.get("function") or tool).get("name"))) for tool in body.get("tools") or []],
            model=str(body.get("model") or ""),
            stream=bool(body.get("stream")),
            tells_usage=bool(options.get("include_usage")),
        )

    def whole(self, reply: Reply) -> dict[str, Any]:
        """Return a completion."""
        message: dict[str, Any] = {"role": "assistant", "content": reply.text() or None}
        if thought := reply.text("thinking"):
            message["reasoning_content"] = thought
        if reply.calls:
            message["tool_calls"] = _calls(reply)
        choice = {"index": 0, "message": message, "finish_reason": FINISHED.get(reply.stop, reply.stop)}
        return {**_head(reply, "chat.completion"), "choices": [choice], "usage": _usage(reply)}

    def stream(self, reply: Reply, asked: Conversation) -> Iterator[Piece]:
        """Yield chunks."""

        def chunk(change: dict[str, Any], finish: str | None = None, **facts: bool) -> Frame:
            choice = {"index": 0, "delta": change, "finish_reason": finish}
            return data({**_head(reply, "chat.completion.chunk"), "choices": [choice]}, **facts)

        yield chunk({"role": "assistant", "content": ""})
        for block in reply.blocks:
            key = "content" if block.kind == "text" else "reasoning_content"
            for part in block.chunks(reply.chunk):
                yield chunk({key: part}, delta=True) if isinstance(part, str) else part
        for index, call in enumerate(_calls(reply)):
            yield chunk({"tool_calls": [{"index": index, **call}]}, delta=True)
        yield chunk({}, FINISHED.get(reply.stop, reply.stop))
        if asked.tells_usage and reply.usage:
            yield data({**_head(reply, "chat.completion.chunk"), "choices": [], "usage": _usage(reply)})
        yield Frame(b"data: [DONE]\n\n", last=True)

    def error(self, status: int, error: dict[str, Any]) -> dict[str, Any]:
        """Return an error object."""
        return openai_error(status, error)

    def beside(self, path: str, body: dict[str, Any], models: list[str]) -> dict[str, Any] | None:
        """List the models, in words both OpenAI's and Anthropic's clients read."""
        if unversioned(path) != "/models":
            return None
        listed = [
            {"type": "model", "object": "model", "id": id, "display_name": id, "created": 0, "owned_by": "script"}
            for id in models
        ]
        return {"object": "list", "data": listed, "has_more": False}


def openai_error(status: int, error: dict[str, Any]) -> dict[str, Any]:
    """Return the body of OpenAI's refusals."""
    kind, code = KINDS.get(status, ("server_error", None))
    detail = {"message": error.get("message", "scripted error"), "type": error.get("type") or kind, "param": None}
    return {"error": {**detail, "code": error.get("code") or code}}


def _head(reply: Reply, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{reply.id}", "object": kind, "created": reply.at, "model": reply.model}


def _calls(reply: Reply) -> list[dict[str, Any]]:
    return [
        {"id": call.id, "type": "function", "function": {"name": call.tool.name, "arguments": json.dumps(call.input)}}
        for call in reply.calls
    ]


def _usage(reply: Reply) -> dict[str, Any] | None:
    if not reply.usage:
        return None
    given = reply.count("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return {
        "prompt_tokens": given,
        "completion_tokens": reply.count("output_tokens"),
        "total_tokens": given + reply.count("output_tokens"),
        "prompt_tokens_details": {"cached_tokens": reply.count("cache_read_input_tokens")},
        "completion_tokens_details": {"reasoning_tokens": reply.count("reasoning_tokens")},
    }


def _message(message: dict[str, Any]) -> dict[str, Any]:
    role, content = message.get("role"), blocks(message.get("content"))
    if role in ("system", "developer"):
        return {"role": "system", "content": content}
    if role == "tool":
        text = "".join(block.get("text", "") for block in content)
        return {"role": "user", "content": [result_block(str(message.get("tool_call_id")), text)]}
    for call in message.get("tool_calls") or []:
        function = call.get("function") or {}
        content.append(call_block(str(call.get("id")), str(function.get("name")), function.get("arguments")))
    return {"role": str(role), "content": content}


def blocks(content: Any) -> list[dict[str, Any]]:
    """Return a text, or a list of OpenAI's parts, as blocks of the common form."""
    if isinstance(content, str):
        return [text_block(content)]
    return [
        text_block(str(part.get("text", ""))) if "text" in part else {"type": "image", "source": part}
        for part in content or []
        if isinstance(part, dict)
    ]
