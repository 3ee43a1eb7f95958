"""Which step answers a request, and what it says, before any dialect puts it into its own words."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aetherd_runtimes.builtin.script import filled
from tests.model_api.conversation import Tool, texts
from tests.model_api.request import Request

Script = dict[str, Any]
Part = str | dict[str, Any]  # a text, or {"hold"}, {"sleep_ms"}, {"raw"}
NO_USAGE = {"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0}


@dataclass
class Block:
    """A part of an answer."""

    kind: str  # text, thinking or tool_use
    parts: list[Part]
    tool: Tool = field(default_factory=lambda: Tool(""))
    id: str = ""
    input: Any = None

    @property
    def text(self) -> str:
        """The whole text, without its pauses."""
        return "".join(part for part in self.parts if isinstance(part, str))

    def chunks(self, size: int) -> Iterator[Part]:
        """Yield its text in pieces of at most so many characters, with its pauses where they belong."""
        for part in self.parts:
            if isinstance(part, str):
                for at in range(0, len(part), size):
                    yield part[at : at + size]
            else:
                yield part


@dataclass
class Reply:
    """An answer of the model."""

    id: str
    model: str
    blocks: list[Block]
    usage: dict[str, Any]  # Anthropic's names; empty when none is told
    stop: str  # end_turn, tool_use, max_tokens, …
    chunk: int
    at: int  # Unix time

    @property
    def calls(self) -> list[Block]:
        """The tool calls."""
        return [block for block in self.blocks if block.kind == "tool_use"]

    def text(self, kind: str = "text") -> str:
        """Return all text of a kind."""
        return "".join(block.text for block in self.blocks if block.kind == kind)

    def count(self, *names: str) -> int:
        """Return a sum of its usage numbers."""
        return sum(int(self.usage.get(name) or 0) for name in names)


def holds(when: dict[str, Any] | None, request: Request) -> bool:
    """Say whether all conditions of `when` are met by this request."""
    return all(_holds(key, wanted, request) for key, wanted in (when or {}).items())


def _holds(key: str, wanted: Any, request: Request) -> bool:
    match key:
        case "said":
            return str(wanted) in request.said
        case "first":
            first = next((m for m in request.messages if m.get("role") == "user"), {})
            return str(wanted) in "\n".join(texts(first.get("content")))
        case "system":
            return str(wanted) in request.system
        case "text":
            return str(wanted) in request.text
        case "tool_result":
            results = request.tool_results
            if isinstance(wanted, bool):
                return bool(results) == wanted
            return any(str(wanted) in result for result in results)
        case "tool":
            return offered(str(wanted), request) is not None
        case "turns":
            return len([m for m in request.messages if m.get("role") == "assistant"]) == int(wanted)
        case "model":
            return str(wanted) in request.conversation.model
        case "dialect":
            return request.dialect == str(wanted)
        case "not":
            return not holds(wanted, request)
    raise ValueError(f"unknown condition {key!r}")


def offered(name: str, request: Request) -> Tool | None:
    """Return the tool of this name, or the first that ends so when it begins with a star."""
    tools = request.conversation.tools
    if name.startswith("*"):
        return next((tool for tool in tools if tool.name.endswith(name[1:])), None)
    return next((tool for tool in tools if name in (tool.name, tool.full)), None)


def reply(step: dict[str, Any], request: Request) -> Reply:
    """Return what a step answers to this request."""
    blocks = [_block(block, request) for block in step.get("reply", [{"text": "ok"}])]
    uses = any(block.kind == "tool_use" for block in blocks)
    usage = step.get("usage", {})
    return Reply(
        id=uuid.uuid4().hex[:20],
        model=request.conversation.model or "claude-test-double",
        blocks=blocks,
        usage={} if usage is False else {**NO_USAGE, "input_tokens": 100, "output_tokens": 20, **usage},
        stop=str(step.get("stop_reason") or ("tool_use" if uses else "end_turn")),
        chunk=step.get("chunk", 24),
        at=int(time.time()),
    )


def _block(block: dict[str, Any], request: Request) -> Block:
    for kind in ("text", "thinking"):
        if kind in block:
            return Block(kind, block[kind] if isinstance(block[kind], list) else [block[kind]])
    call = block["tool_use"]
    tool = offered(call["name"], request)
    if tool is None and call["name"].startswith("*"):
        return Block("text", [f"no tool ends with {call['name'][1:]}; there are: {', '.join(request.tools)}"])
    return Block(
        "tool_use",
        [],
        tool or Tool(call["name"]),
        call.get("id") or f"toolu_{uuid.uuid4().hex[:20]}",
        filled(call.get("input", {}), request.answers),
    )
