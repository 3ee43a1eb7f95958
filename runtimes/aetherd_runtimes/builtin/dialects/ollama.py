"""Ollama's chat: one JSON object per line, calls with their input as an object and without ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aetherd_runtimes.builtin.dialects.common import (
    Ask,
    Broken,
    Refused,
    Turn,
    count,
    messages_of,
    names_of,
    new_id,
    whole,
    words_of,
)
from aetherd_runtimes.builtin.dialects.openai import function
from aetherd_runtimes.builtin.model import Block, Delta, Interrupted, Said, Text, Thought, ToolResult, ToolUse, Usage


class Ollama:
    """The dialect."""

    def path(self, model: str) -> str:
        """Return the one path."""
        return "/api/chat"

    def headers(self, key: str) -> dict[str, str]:
        """Return the key, which only the gateway wants."""
        return {"authorization": f"Bearer {key}"} if key else {}

    def body(self, ask: Ask) -> dict[str, Any]:
        """Return the question; the window must be asked for, or the beginning is silently lost."""
        calls = names_of(ask.turns)
        said = [{"role": "system", "content": ask.system}] if ask.system else []
        return {
            "model": ask.model,
            "stream": True,
            "messages": [*said, *(message for turn in ask.turns for message in _messages(turn, calls))],
            "options": {"num_ctx": ask.window, "num_predict": ask.limit},
            **(
                {"tools": [function(tool.name, tool.description, tool.input_schema) for tool in ask.tools]}
                if ask.tools
                else {}
            ),
        }

    def blocks(self, chunks: Iterable[bytes]) -> Iterator[Block]:
        """Read the lines of an answer."""
        text = thought = ""
        calls: list[Block] = []
        for line in messages_of(chunks, sse=False):
            if error := line.get("error"):
                raise Refused(500, "error", str(error))
            message = line.get("message") or {}
            if more := message.get("thinking"):
                thought += more
                yield Delta("thought", more)
            if more := message.get("content"):
                text += more
                yield Delta("text", more)
            for call in message.get("tool_calls") or ():
                wanted = call["function"]
                given = wanted.get("arguments") or {}
                wrong = "" if isinstance(given, dict) else "its input is no object"
                calls.append(
                    ToolUse(str(call.get("id") or new_id()), str(wanted["name"]), {} if wrong else given, wrong)
                )
            if line.get("done"):
                whole_text: list[Block] = [Text(text)] if text else []
                thoughts: list[Block] = [Thought(thought)] if thought else []
                yield from whole([*thoughts, *whole_text, *calls], line.get("done_reason") == "length")
                yield Usage(
                    input_tokens=count(line.get("prompt_eval_count")), output_tokens=count(line.get("eval_count"))
                )
                return
        raise Broken("the stream was cut before its end")


def _messages(turn: Turn, calls: Mapping[str, ToolUse]) -> Iterator[dict[str, Any]]:
    if turn.role == "assistant":
        made = [
            {"function": {"name": one.name, "arguments": dict(one.input)}}
            for one in turn.content
            if isinstance(one, ToolUse)
        ]
        text = "\n\n".join(one.text for one in turn.content if isinstance(one, Text))
        yield {"role": "assistant", "content": text, **({"tool_calls": made} if made else {})}
        return
    for one in turn.content:
        if isinstance(one, ToolResult):
            name = {"tool_name": calls[one.id].name} if one.id in calls else {}
            pictures = {"images": [image.data for image in one.images]} if one.images else {}
            text = f"error: {one.text}" if one.is_error else one.text
            yield {"role": "tool", **name, "content": text or "(nothing)", **pictures}
        elif isinstance(one, Said | Interrupted):
            yield {"role": "user", "content": words_of(one)}
