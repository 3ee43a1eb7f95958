"""The one form of a conversation that scripts look at, whatever dialect it came in: that of Anthropic."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Tool:
    """A tool that was offered."""

    name: str
    namespace: str | None = None  # Codex groups the tools of an MCP server
    custom: bool = False  # OpenAI's free-form tools take a text instead of an object

    @property
    def full(self) -> str:
        """The name a script knows it by."""
        return f"{self.namespace}.{self.name}" if self.namespace else self.name


@dataclass
class Conversation:
    """A request's content."""

    messages: list[dict[str, Any]]
    system: Any = None
    tools: list[Tool] = field(default_factory=list)
    model: str = ""
    stream: bool = False
    tells_usage: bool = True  # a stream of chat completions tells only who asked for it
    wants_json: bool = False  # a side call of Gemini CLI, which reads the answer as JSON


def parsed(text: str) -> Any:
    """Return what a tool result says, if it is JSON."""
    with contextlib.suppress(ValueError):
        return json.loads(text)
    return None


def texts(content: Any) -> Iterator[str]:
    """Yield the plain texts of a content value."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for block in content:
            if isinstance(block, dict) and block.get("type") == "text":
                yield str(block.get("text", ""))


def text_block(text: str) -> dict[str, Any]:
    """Return a text in the common form."""
    return {"type": "text", "text": text}


def call_block(id: str, name: str, arguments: Any) -> dict[str, Any]:
    """Return a tool call in the common form; arguments may be an object or its JSON."""
    value = parsed(arguments) if isinstance(arguments, str) else arguments
    return {"type": "tool_use", "id": id, "name": name, "input": arguments if value is None else value}


def result_block(id: str, text: str) -> dict[str, Any]:
    """Return a tool's answer in the common form."""
    return {"type": "tool_result", "tool_use_id": id, "content": text}


def joined(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make one message of neighbours of one role: other dialects have an item for every call and every result."""
    found: list[dict[str, Any]] = []
    for message in messages:
        if found and found[-1]["role"] == message["role"] != "system":
            found[-1]["content"] = [*found[-1]["content"], *message["content"]]
        else:
            found.append(dict(message))
    return found
