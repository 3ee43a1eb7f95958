"""OpenAI responses: `POST /v1/responses`, with the namespaces in which Codex groups MCP tools."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.model_api.conversation import Conversation, Tool, call_block, joined, result_block
from tests.model_api.dialects.chat import blocks, openai_error
from tests.model_api.dialects.words import Piece, event, pieces, unversioned
from tests.model_api.script import Block, Reply


class Responses:
    """Named, numbered events; the whole answer comes once more at the end."""

    name = "responses"
    content_type = "text/event-stream"
    ping = b": ping\n\n"

    def speaks(self, path: str) -> bool:
        """Say whether the path asks for an answer."""
        return unversioned(path) == "/responses"

    def read(self, path: str, body: dict[str, Any]) -> Conversation:
        """Bring input items and tools into the common form."""
        given = body.get("input") or []
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        return Conversation(
            messages=joined([message for item in items if (message := _message(item))]),
            system=body.get("instructions"),
            tools=[tool for entry in body.get("tools") or [] for tool in _tools(entry)],
            model=str(body.get("model") or ""),
            stream=bool(body.get("stream")),
        )

    def whole(self, reply: Reply) -> dict[str, Any]:
        """Return a response object."""
        cut = reply.stop == "max_tokens"
        return {
            "id": f"resp_{reply.id}",
            "object": "response",
            "created_at": reply.at,
            "status": "incomplete" if cut else "completed",
            "model": reply.model,
            "output": [_item(reply, number, block) for number, block in enumerate(reply.blocks)],
            "usage": _usage(reply),
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "instructions": None,
            "metadata": {},
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "temperature": None,
            "top_p": None,
        }

    def stream(self, reply: Reply, asked: Conversation) -> Iterator[Piece]:
        """Yield the events of each item between those of the response."""
        answer = self.whole(reply)
        begun = {**answer, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
        number = 0
        for piece in self._events(reply, begun, answer):
            if "type" in piece:
                word = str(piece["type"])
                last = word == f"response.{answer['status']}"
                yield event({**piece, "sequence_number": number}, delta=word.endswith(".delta"), last=last)
                number += 1
            else:
                yield piece

    def _events(self, reply: Reply, begun: dict[str, Any], answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield {"type": "response.created", "response": begun}
        yield {"type": "response.in_progress", "response": begun}
        for index, block in enumerate(reply.blocks):
            item = answer["output"][index]
            place = {"item_id": item["id"], "output_index": index}
            empty = {key: [] if isinstance(value, list) else value for key, value in item.items()}
            for key in ("arguments", "input"):
                if key in empty:
                    empty[key] = ""
            open_item = {**empty, **({"status": "in_progress"} if "status" in item else {})}
            yield {"type": "response.output_item.added", "output_index": index, "item": open_item}
            if block.kind == "tool_use":
                yield from _call(place, item, reply.chunk)
            else:
                yield from _text(place, block, reply.chunk)
            yield {"type": "response.output_item.done", "output_index": index, "item": item}
        yield {"type": f"response.{answer['status']}", "response": answer}

    def error(self, status: int, error: dict[str, Any]) -> dict[str, Any]:
        """Return an error object."""
        return openai_error(status, error)

    def beside(self, path: str, body: dict[str, Any], models: list[str]) -> dict[str, Any] | None:
        """Have nothing else."""
        return None


def _text(place: dict[str, Any], block: Block, size: int) -> Iterator[dict[str, Any]]:
    more: dict[str, Any] = {}
    if block.kind == "thinking":
        at, word = {**place, "summary_index": 0}, "response.reasoning_summary"
        part, empty = {"type": "summary_text", "text": block.text}, {"type": "summary_text", "text": ""}
        around = f"{word}_part"
    else:
        at, word = {**place, "content_index": 0}, "response.output"
        part, empty = _output_text(block.text), _output_text("")
        around, more = "response.content_part", {"logprobs": []}
    yield {"type": f"{around}.added", **at, "part": empty}
    for piece in block.chunks(size):
        yield {"type": f"{word}_text.delta", **at, "delta": piece, **more} if isinstance(piece, str) else piece
    yield {"type": f"{word}_text.done", **at, "text": block.text, **more}
    yield {"type": f"{around}.done", **at, "part": part}


def _call(place: dict[str, Any], item: dict[str, Any], size: int) -> Iterator[dict[str, Any]]:
    word, key = ("function_call_arguments", "arguments")
    if item["type"] == "custom_tool_call":
        word, key = ("custom_tool_call_input", "input")
    for piece in pieces(item[key], size):
        yield {"type": f"response.{word}.delta", **place, "delta": piece}
    yield {"type": f"response.{word}.done", **place, key: item[key], "name": item["name"]}


def _output_text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _item(reply: Reply, number: int, block: Block) -> dict[str, Any]:
    id = f"{reply.id}{number}"
    if block.kind == "thinking":
        return {"type": "reasoning", "id": f"rs_{id}", "summary": [{"type": "summary_text", "text": block.text}]}
    if block.kind == "text":
        content = [_output_text(block.text)]
        return {"type": "message", "id": f"msg_{id}", "role": "assistant", "status": "completed", "content": content}
    head: dict[str, Any] = {"id": f"fc_{id}", "call_id": block.id, "name": block.tool.name, "status": "completed"}
    if block.tool.namespace:
        head["namespace"] = block.tool.namespace
    if block.tool.custom:
        text = block.input.get("input") if isinstance(block.input, dict) else block.input
        return {**head, "type": "custom_tool_call", "input": str(text)}
    return {**head, "type": "function_call", "arguments": json.dumps(block.input)}


def _usage(reply: Reply) -> dict[str, Any] | None:
    if not reply.usage:
        return None
    given = reply.count("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": reply.count("cache_read_input_tokens")},
        "output_tokens": reply.count("output_tokens"),
        "output_tokens_details": {"reasoning_tokens": reply.count("reasoning_tokens")},
        "total_tokens": given + reply.count("output_tokens"),
    }


def _message(item: dict[str, Any]) -> dict[str, Any] | None:
    kind = item.get("type", "message")
    if kind == "message":
        role = str(item.get("role"))
        return {"role": "system" if role == "developer" else role, "content": blocks(item.get("content"))}
    id = str(item.get("call_id"))
    if kind in ("function_call", "custom_tool_call"):
        given = item.get("arguments", item.get("input"))
        return {"role": "assistant", "content": [call_block(id, str(item.get("name")), given)]}
    if kind in ("function_call_output", "custom_tool_call_output"):
        text = "".join(block.get("text", "") for block in blocks(item.get("output")))
        return {"role": "user", "content": [result_block(id, text)]}
    return None


def _tools(entry: dict[str, Any]) -> Iterator[Tool]:
    if entry.get("type") == "namespace":
        for tool in entry.get("tools") or []:
            yield Tool(str(tool.get("name")), str(entry.get("name")))
    elif entry.get("name"):
        yield Tool(str(entry["name"]), custom=entry.get("type") == "custom")
