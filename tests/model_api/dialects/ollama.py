"""Ollama: `POST /api/chat`, a JSON object per line, streamed unless told otherwise."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from tests.model_api.conversation import Conversation, Tool, call_block, joined, result_block, text_block
from tests.model_api.dialects.words import Frame, Piece
from tests.model_api.script import Reply

KEYS = {"text": "content", "thinking": "thinking"}


class Ollama:
    """Lines of JSON; a call has an object for arguments and a tool's answer names the tool."""

    name = "ollama"
    content_type = "application/x-ndjson"
    ping = b""

    def speaks(self, path: str) -> bool:
        """Say whether the path asks for an answer."""
        return path == "/api/chat"

    def read(self, path: str, body: dict[str, Any]) -> Conversation:
        """Bring messages and functions into the common form."""
        return Conversation(
            messages=joined([_message(message) for message in body.get("messages") or []]),
            tools=[Tool(str((tool.get("function") or {}).get("name"))) for tool in body.get("tools") or []],
            model=str(body.get("model") or ""),
            stream=body.get("stream") is not False,
        )

    def whole(self, reply: Reply) -> dict[str, Any]:
        """Return an answer object."""
        message: dict[str, Any] = {"role": "assistant", "content": reply.text()}
        if thought := reply.text("thinking"):
            message["thinking"] = thought
        if reply.calls:
            message["tool_calls"] = [
                {"id": call.id, "function": {"index": index, "name": call.tool.name, "arguments": call.input}}
                for index, call in enumerate(reply.calls)
            ]
        return {**_head(reply), "message": message, **_end(reply)}

    def stream(self, reply: Reply, asked: Conversation) -> Iterator[Piece]:
        """Yield lines, the last with the reason of the end and the usage."""

        def line(message: dict[str, Any], end: dict[str, Any] | None = None, **facts: bool) -> Frame:
            said = {"message": {"role": "assistant", "content": "", **message}}
            value = {**_head(reply), **said, **(end or {"done": False})}
            return Frame(json.dumps(value).encode() + b"\n", **facts)

        for block in reply.blocks:
            for part in block.chunks(reply.chunk):
                yield line({KEYS[block.kind]: part}, delta=True) if isinstance(part, str) else part
        for call in self.whole(reply)["message"].get("tool_calls", []):
            yield line({"tool_calls": [call]}, delta=True)
        yield line({}, _end(reply), last=True)

    def error(self, status: int, error: dict[str, Any]) -> dict[str, Any]:
        """Return an error object."""
        return {"error": error.get("message", "scripted error")}

    def beside(self, path: str, body: dict[str, Any], models: list[str]) -> dict[str, Any] | None:
        """List the models, describe one, tell the version."""
        match path:
            case "/api/tags":
                return {"models": [{"name": id, "model": id, "size": 1, "details": {}} for id in models]}
            case "/api/show":
                return {"details": {}, "model_info": {}, "capabilities": ["completion", "tools", "vision"]}
            case "/api/version":
                return {"version": "0.12.0"}
        return None


def _head(reply: Reply) -> dict[str, Any]:
    return {"model": reply.model, "created_at": time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(reply.at))}


def _end(reply: Reply) -> dict[str, Any]:
    end: dict[str, Any] = {"done": True, "done_reason": "length" if reply.stop == "max_tokens" else "stop"}
    if reply.usage:
        given = reply.count("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        end |= {"prompt_eval_count": given, "eval_count": reply.count("output_tokens")}
    return {**end, "total_duration": 1, "load_duration": 1, "prompt_eval_duration": 1, "eval_duration": 1}


def _message(message: dict[str, Any]) -> dict[str, Any]:
    role, text = str(message.get("role")), str(message.get("content") or "")
    if role == "tool":
        name = str(message.get("tool_call_id") or message.get("tool_name") or message.get("name"))
        return {"role": "user", "content": [result_block(name, text)]}
    content = [text_block(text)] if text else []
    for call in message.get("tool_calls") or []:
        function = call.get("function") or {}
        content.append(call_block(str(call.get("id")), str(function.get("name")), function.get("arguments")))
    content += [{"type": "image", "source": image} for image in message.get("images") or []]
    return {"role": role, "content": content}
