"""Anthropic's Messages API, with its cache: system prompt and conversation are marked to be kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from aetherd_runtimes.builtin.dialects.common import Ask, Broken, Refused, called, count, messages_of, whole, words_of
from aetherd_runtimes.builtin.model import (
    Block,
    Content,
    Delta,
    Interrupted,
    Said,
    Stop,
    Text,
    Thought,
    ToolResult,
    ToolUse,
    Usage,
)

VERSION = "2023-06-01"
NOTHING = {"type": "text", "text": "(nothing)"}  # what is blank is refused
KEPT = {"cache_control": {"type": "ephemeral"}}
LONGEST = ("max_tokens", "model_context_window_exceeded")
STATUS = {"overloaded_error": 529, "rate_limit_error": 429, "api_error": 500}


class Anthropic:
    """The dialect."""

    def path(self, model: str) -> str:
        """Return the one path."""
        return "/v1/messages"

    def headers(self, key: str) -> dict[str, str]:
        """Return key and version."""
        return {**({"x-api-key": key} if key else {}), "anthropic-version": VERSION}

    def body(self, ask: Ask) -> dict[str, Any]:
        """Return the question."""
        body: dict[str, Any] = {"model": ask.model, "max_tokens": ask.limit, "stream": True}
        if ask.system:
            body["system"] = [{"type": "text", "text": ask.system, **KEPT}]
        body["messages"] = [
            {"role": turn.role, "content": [part for one in turn.content for part in _parts(one)] or [dict(NOTHING)]}
            for turn in ask.turns
        ]
        if ask.turns and ask.turns[-1].role == "user":
            body["messages"][-1]["content"][-1] |= KEPT
        if ask.tools:
            body["tools"] = [
                {"name": tool.name, "description": tool.description, "input_schema": dict(tool.input_schema)}
                for tool in ask.tools
            ]
        return body

    def blocks(self, chunks: Iterable[bytes]) -> Iterator[Block]:
        """Read the events of a message."""
        parts: dict[int, dict[str, Any]] = {}
        usage: dict[str, Any] = {}
        stop, ended = None, False
        for event in messages_of(chunks):
            match event.get("type"):
                case "message_start":
                    usage.update(event["message"].get("usage") or {})
                case "content_block_start":
                    parts[event["index"]] = {"json": "", **event["content_block"]}
                case "content_block_delta":
                    yield from _grow(parts[event["index"]], event["delta"])
                case "message_delta":
                    stop = event["delta"].get("stop_reason") or stop
                    usage.update({name: value for name, value in (event.get("usage") or {}).items() if value})
                case "message_stop":
                    ended = True
                    break
                case "error":
                    error = event.get("error") or {}
                    kind = str(error.get("type"))
                    raise Refused(STATUS.get(kind, 400), kind, str(error.get("message")))
        if not ended:
            raise Broken("the stream was cut before its end")
        yield from whole([block for index in sorted(parts) for block in _block(parts[index])], stop in LONGEST)
        yield Usage(
            input_tokens=count(usage.get("input_tokens")),
            output_tokens=count(usage.get("output_tokens")),
            cache_read_tokens=count(usage.get("cache_read_input_tokens")),
            cache_write_tokens=count(usage.get("cache_creation_input_tokens")),
        )
        if stop == "refusal":
            yield Stop("failed", "the model refused to answer")


def _grow(part: dict[str, Any], delta: dict[str, Any]) -> Iterator[Block]:
    match delta.get("type"):
        case "text_delta":
            part["text"] = part.get("text", "") + delta["text"]
            yield Delta("text", delta["text"])
        case "thinking_delta":
            part["thinking"] = part.get("thinking", "") + delta["thinking"]
            yield Delta("thought", delta["thinking"])
        case "signature_delta":
            part["signature"] = part.get("signature", "") + delta["signature"]
        case "input_json_delta":
            part["json"] += delta["partial_json"]


def _block(part: dict[str, Any]) -> Iterator[Block]:
    match part.get("type"):
        case "text" if part.get("text", "").strip():
            yield Text(part["text"])
        case "thinking":
            sealed = {name: part.get(name, "") for name in ("type", "thinking", "signature")}
            yield Thought(part.get("thinking", ""), sealed)
        case "redacted_thinking":
            yield Thought("", {"type": "redacted_thinking", "data": part.get("data", "")})
        case "tool_use":
            yield called(str(part["id"]), str(part["name"]), part["json"])


def _parts(one: Content) -> Iterator[dict[str, Any]]:
    match one:
        case Text(text) if text.strip():
            yield {"type": "text", "text": text}
        case Thought(sealed=dict() as sealed) if "type" in sealed:
            yield dict(sealed)
        case ToolUse(id, name, input):
            yield {"type": "tool_use", "id": id, "name": name, "input": dict(input)}
        case ToolResult():
            pictures = [
                {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": image.data}}
                for image in one.images
            ]
            parts = [{"type": "text", "text": one.text or "(nothing)"}, *pictures]
            yield {"type": "tool_result", "tool_use_id": one.id, "content": parts, "is_error": one.is_error}
        case Said() | Interrupted() if words_of(one).strip():
            yield {"type": "text", "text": words_of(one)}
