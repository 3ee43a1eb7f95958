"""OpenAI's chat completions, as OpenAI and everybody compatible with it speak them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from aetherd_runtimes.builtin.dialects.common import (
    Ask,
    Broken,
    Refused,
    Turn,
    called,
    count,
    data_url,
    messages_of,
    new_id,
    whole,
    words_of,
)
from aetherd_runtimes.builtin.model import (
    Block,
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

MOST_TOOLS = 128


class OpenAi:
    """The dialect; `limit` is what the longest answer is called."""

    def __init__(self, limit: str = "max_completion_tokens") -> None:
        self._limit = limit

    def path(self, model: str) -> str:
        """Return the one path."""
        return "/v1/chat/completions"

    def headers(self, key: str) -> dict[str, str]:
        """Return the key."""
        return {"authorization": f"Bearer {key}"} if key else {}

    def body(self, ask: Ask) -> dict[str, Any]:
        """Return the question."""
        said = [{"role": "system", "content": ask.system}] if ask.system else []
        body: dict[str, Any] = {
            "model": ask.model,
            self._limit: ask.limit,
            "stream": True,
            "stream_options": {"include_usage": True},
            "messages": [*said, *(message for turn in ask.turns for message in _messages(turn))],
        }
        if ask.tools:
            body["tools"] = [
                function(tool.name, tool.description, tool.input_schema) for tool in ask.tools[:MOST_TOOLS]
            ]
        return body

    def blocks(self, chunks: Iterable[bytes]) -> Iterator[Block]:
        """Read the chunks of a completion."""
        text, thought, finish = "", "", None
        calls: dict[int, dict[str, str]] = {}
        usage: dict[str, Any] = {}
        for chunk in messages_of(chunks):
            if error := chunk.get("error"):
                raise Refused(500, "error", str(error.get("message") if isinstance(error, dict) else error))
            usage = chunk.get("usage") or usage
            for choice in (chunk.get("choices") or [])[:1]:
                delta = choice.get("delta") or {}
                if more := delta.get("content") or delta.get("refusal"):
                    text += more
                    yield Delta("text", more)
                if more := delta.get("reasoning_content") or delta.get("reasoning"):
                    thought += more
                    yield Delta("thought", more)
                for call in delta.get("tool_calls") or ():
                    _gather(calls, call)
                finish = choice.get("finish_reason") or finish
        if finish is None:
            raise Broken("the stream was cut before its end")
        blocks: list[Block] = [Thought(thought)] if thought else []
        blocks += [Text(text)] if text else []
        blocks += [called(call["id"] or new_id(), call["name"], call["input"]) for _, call in sorted(calls.items())]
        yield from whole(blocks, finish == "length")
        cached = count((usage.get("prompt_tokens_details") or {}).get("cached_tokens"))
        yield Usage(
            input_tokens=max(0, count(usage.get("prompt_tokens")) - cached),
            output_tokens=count(usage.get("completion_tokens")),
            cache_read_tokens=cached,
        )
        if finish == "content_filter":
            yield Stop("failed", "the provider's content filter stopped the answer")


def function(name: str, description: str, schema: Any) -> dict[str, Any]:
    """Return a tool as it is offered."""
    return {"type": "function", "function": {"name": name, "description": description, "parameters": dict(schema)}}


def _gather(calls: dict[int, dict[str, str]], part: dict[str, Any]) -> None:
    index = part.get("index")
    call = calls.setdefault(index if isinstance(index, int) else len(calls), {"id": "", "name": "", "input": ""})
    wanted = part.get("function") or {}
    call["id"] = call["id"] or part.get("id") or ""
    call["name"] = call["name"] or wanted.get("name") or ""
    call["input"] += wanted.get("arguments") or ""


def _messages(turn: Turn) -> Iterator[dict[str, Any]]:
    if turn.role == "assistant":
        calls = [
            {"id": one.id, "type": "function", "function": {"name": one.name, "arguments": json.dumps(dict(one.input))}}
            for one in turn.content
            if isinstance(one, ToolUse)
        ]
        text = "\n\n".join(one.text for one in turn.content if isinstance(one, Text))
        yield {"role": "assistant", "content": text or None, **({"tool_calls": calls} if calls else {})}
        return
    pictures: list[dict[str, Any]] = []
    for one in turn.content:
        if isinstance(one, ToolResult):
            text = f"error: {one.text}" if one.is_error else one.text
            yield {"role": "tool", "tool_call_id": one.id, "content": text or "(nothing)"}
            pictures += [{"type": "image_url", "image_url": {"url": data_url(image)}} for image in one.images]
    spoken = (words_of(one) for one in turn.content if isinstance(one, Said | Interrupted))
    texts = [{"type": "text", "text": text} for text in spoken if text]
    if pictures:  # a tool's message cannot hold one
        texts.insert(0, {"type": "text", "text": "[The pictures the tools gave:]"})
    if pictures or texts:
        yield {"role": "user", "content": [*texts[:1], *pictures, *texts[1:]] if pictures else texts}
