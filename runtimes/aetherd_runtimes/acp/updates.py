"""What the agent tells of a turn: updates of the session, in our words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aetherd_runtimes.builtin.protocol import TEXT_LIMIT, bounded

Emit = Callable[..., None]

BLOCK_LIMIT = 200_000  # characters of one block of text
OUTPUT_LIMIT = 64_000  # characters of a command's output that are kept
CALLS_LIMIT = 1000  # tool calls that are open at once
NOTICES = 20  # remembered, to tell each once
LATE_S = 0.5  # after this a text that came outside a turn is a whole one
DONE = ("completed", "failed")
SERVER = "aether"  # our MCP server's name


@dataclass(slots=True)
class ToolCall:
    """A call as far as it was told."""

    id: str
    naming: str  # how this agent tells a tool's name, which the protocol has no word for
    label: str = ""  # its first title
    wish: str = ""  # what it says it wants to do
    facts: dict[str, Any] = field(default_factory=dict)
    output: str = ""  # of a command that runs in a terminal of the agent's own
    told: bool = False
    closed: bool = False

    def add(self, update: Mapping[str, Any], *, asked: bool = False) -> None:
        """Learn what an update says; what it leaves out stays. What stands in a question is no result."""
        self.label = self.label or str(update.get("title") or "")
        if asked:
            self.wish = _text_of(update.get("content"))
            update = {name: value for name, value in update.items() if name != "content"}
        for name in ("title", "kind", "status", "name", "content", "locations", "rawInput", "rawOutput", "_meta"):
            value = update.get(name)
            if value is not None and (value or name not in self.facts):
                self.facts[name] = value
        delta = _object(_object(update, "_meta"), "terminal_output_delta").get("data")
        if isinstance(delta, str):
            self.output = (self.output + delta)[-OUTPUT_LIMIT:]

    @property
    def tool(self) -> str:
        """The tool's name; with our server's tools named as Claude Code names them."""
        return _NAMINGS[self.naming](self) or str(self.facts.get("name") or self.facts.get("kind") or "tool")[:200]

    @property
    def ours(self) -> bool:
        """Whether it is a call of our own server, which judges it itself."""
        return self.tool.startswith(f"mcp__{SERVER}__")

    @property
    def title(self) -> str:
        """What a person reads when asked."""
        return str(self.facts.get("title") or self.tool)[:500]

    @property
    def input(self) -> dict[str, Any]:
        """What it is called with, as far as the agent says."""
        raw = self.facts.get("rawInput")
        if isinstance(raw, dict) and self.naming == "mcp" and isinstance(raw.get("arguments"), dict):
            return dict(raw["arguments"])
        if isinstance(raw, dict) and raw:
            return raw
        facts: dict[str, Any] = {}
        if (title := self.facts.get("title")) and title != self.tool:
            facts["title"] = str(title)[:TEXT_LIMIT]
        if paths := [str(place.get("path")) for place in _objects(self.facts.get("locations"))]:
            facts["paths"] = paths[:100]
        if self.wish:
            facts["content"] = bounded(self.wish)
        return facts

    @property
    def text(self) -> str:
        """What it came to."""
        if text := _text_of(self.facts.get("content")):
            return bounded(text)
        if self.output:
            return bounded(self.output)
        raw = self.facts.get("rawOutput")
        return "" if raw is None else bounded(raw if isinstance(raw, str) else _readable(raw))


def _named_by_mcp(call: ToolCall) -> str:
    """Codex: an MCP call says so beside what the model wrote, and names server and tool."""
    raw = _object(call.facts, "rawInput")
    if _object(call.facts, "_meta").get("is_mcp_tool_call") is not True:
        return ""
    return f"mcp__{raw.get('server')}__{raw.get('tool')}"[:200]


def _named_by_id(call: ToolCall) -> str:
    """Gemini CLI: NAME__ID, and our tools are mcp_SERVER_NAME."""
    name = call.id.partition("__")[0]
    ours = name.removeprefix(f"mcp_{SERVER}_")
    return name if ours == name else f"mcp__{SERVER}__{ours}"


def _named_by_title(call: ToolCall) -> str:
    """opencode: the first title is the name, and our tools are SERVER_NAME."""
    ours = call.label.removeprefix(f"{SERVER}_")
    return call.label[:200] if ours == call.label else f"mcp__{SERVER}__{ours}"[:200]


def _named_by_meta(call: ToolCall) -> str:
    """claude-agent-acp: the name stands in its own corner of the message."""
    return str(_object(_object(call.facts, "_meta"), "claudeCode").get("toolName") or "")[:200]


_NAMINGS: dict[str, Callable[[ToolCall], str]] = {
    "": lambda call: "",
    "mcp": _named_by_mcp,
    "id": _named_by_id,
    "title": _named_by_title,
    "meta": _named_by_meta,
}


class Updates:
    """Turns updates into words; one instance for the life of the agent."""

    def __init__(self, emit: Emit, naming: str = "") -> None:
        self._emit = emit
        self._naming = naming if naming in _NAMINGS else ""
        self.muted = False  # while a conversation is loaded the agent tells all of it again
        self.in_turn = False
        self.notices_are_loose = False  # texts without a message id are the program's, not the model's
        self.notice: str | None = None  # the last of them in this turn
        self.last = ""  # the last whole text of the turn
        self.reached = False  # a tool of ours was called, so the agent has them
        self._kind: str | None = None
        self._block = ""
        self._calls: dict[str, ToolCall] = {}
        self._plan = ""
        self._noticed: list[str] = []
        self._heard = 0

    def begin(self) -> None:
        """Start a turn."""
        self.flush()
        self.in_turn, self.notice, self.last = True, None, ""

    def end(self, *, interrupted: bool = False) -> None:
        """Close what a turn left open."""
        self.flush(interrupted=interrupted)
        for call in self._calls.values():
            if call.told and not call.closed:
                self._emit("tool_returned", id=call.id, text=call.text or "the turn ended first", is_error=True)
        self._calls.clear()
        self.in_turn = False

    def hear(self, update: Mapping[str, Any]) -> None:
        """Take one update."""
        self._heard += 1
        if self.muted:
            return
        match update.get("sessionUpdate"):
            case "agent_message_chunk":
                self._chunk("text", update)
            case "agent_thought_chunk":
                self._chunk("thought", update)
            case "tool_call" | "tool_call_update":
                self.call(update)
            case "plan":
                self._planned(update)

    async def quiet(self, seconds: float) -> None:
        """Wait until nothing was heard for so long."""
        heard = -1
        while heard != self._heard:
            heard = self._heard
            await asyncio.sleep(seconds)

    def call(self, update: Mapping[str, Any], *, asked: bool = False) -> ToolCall:
        """Learn of a tool call, and tell of it once its input is known, it is asked for, or it runs."""
        identity = str(update.get("toolCallId") or "")[:200]
        call = self._calls.get(identity)
        if call is None:
            if len(self._calls) >= CALLS_LIMIT:
                del self._calls[next(iter(self._calls))]
            call = self._calls[identity] = ToolCall(identity, self._naming)
        call.add(update, asked=asked)
        status = update.get("status")
        # opencode tells the directory first and the rest when it begins
        begun = asked or status in ("in_progress", *DONE) or bool(_object(call.facts, "rawInput").keys() - {"cwd"})
        if begun and not call.told:
            self.flush()
            call.told = True
            self.reached |= call.ours
            self._emit("tool_called", id=call.id, tool=call.tool, input=call.input)
        if status in DONE and not call.closed:
            call.closed = True
            self._emit("tool_returned", id=call.id, text=call.text, is_error=status == "failed")
        return call

    def refused(self, call: ToolCall, reason: str | None) -> None:
        """Tell that a person said no; what the agent still tells of the call is left out."""
        if not call.closed:
            call.closed = True
            self._emit("tool_returned", id=call.id, text=refusal(call, reason), is_error=True)

    def flush(self, *, interrupted: bool = False) -> None:
        """End the block that is being written."""
        kind, block, self._kind, self._block = self._kind, self._block, None, ""
        if not block.strip():
            return
        if kind == "text":
            self.last = block
            self._emit("text", text=block, interrupted=interrupted)
        else:
            self._emit("thought", text=block.strip())

    def _chunk(self, kind: str, update: Mapping[str, Any]) -> None:
        text = _block(_object(update, "content"))
        if not text:
            return
        if self.notices_are_loose and kind == "text" and not update.get("messageId"):
            self.notice = text.strip()
            if self.notice not in self._noticed:  # a warning comes again with each turn
                self._noticed = [*self._noticed, self.notice][-NOTICES:]
                self._emit("trouble", text=bounded(self.notice))
            return
        if kind != self._kind or len(self._block) > BLOCK_LIMIT:
            self.flush()
        self._kind, self._block = kind, self._block + text
        self._emit("delta", kind=kind, text=text)
        if not self.in_turn:
            asyncio.get_running_loop().call_later(LATE_S, self._late, self._block)

    def _late(self, block: str) -> None:
        if not self.in_turn and self._block == block:
            self.flush()

    def _planned(self, update: Mapping[str, Any]) -> None:
        marks = {"completed": "x", "in_progress": "~"}
        entries = _objects(update.get("entries"))[:100]
        lines = [f"- [{marks.get(str(e.get('status')), ' ')}] {e.get('content')}" for e in entries]
        plan = bounded("Plan:\n" + "\n".join(lines))
        if lines and plan != self._plan:
            self._plan = plan
            self.flush()
            self._emit("thought", text=plan)


def refusal(call: ToolCall, reason: str | None) -> str:
    """Return what a refused agent is told."""
    return f"A person refused this: {call.title}" + (f" ({reason})" if reason else "")


def used(answer: Mapping[str, Any]) -> dict[str, int] | None:
    """Return the tokens of a turn, if the answer to its prompt tells them."""
    usage = _object(answer, "usage")
    if usage:
        names = ("inputTokens", "outputTokens", "cachedReadTokens", "cachedWriteTokens")
    else:  # Gemini CLI
        usage = _object(_object(_object(answer, "_meta"), "quota"), "token_count")
        names = ("input_tokens", "output_tokens", "cached_read_tokens", "cached_write_tokens")
    counts = [usage.get(name) for name in names]
    spent, answered, read, written = (n if type(n) is int and 0 <= n < 2**53 else 0 for n in counts)
    if not spent and not answered:
        return None
    return {
        "input_tokens": max(0, spent - read - written),
        "output_tokens": answered,
        "cache_read_tokens": read,
        "cache_write_tokens": written,
    }


def _text_of(content: Any) -> str:
    return "\n".join(part for item in _objects(content) if (part := _content(item)))


def _content(item: Mapping[str, Any]) -> str:
    match item.get("type"):
        case "content":
            return _block(_object(item, "content"))
        case "diff":
            return f"{item.get('path')}:\n{_changed(item.get('oldText'), '-')}{_changed(item.get('newText'), '+')}"
    return ""


def _changed(text: Any, mark: str) -> str:
    return "".join(f"{mark}{line}\n" for line in text.splitlines()) if isinstance(text, str) else ""


def _block(block: Mapping[str, Any]) -> str:
    match block.get("type"):
        case "text":
            return str(block.get("text") or "")
        case "resource_link":
            return str(block.get("uri") or "")
        case "resource":
            return str(_object(block, "resource").get("text") or "")
        case str(kind):
            return f"[{kind}]"
    return ""


def _readable(raw: Any) -> str:
    """Return the text of a tool's raw answer: of an MCP result, of an output, or the whole as JSON."""
    if isinstance(raw, Mapping):
        result = _object(raw, "result") or raw
        if texts := [_block(block) for block in _objects(result.get("content"))]:
            return "\n".join(texts)
        for name in ("output", "formatted_output", "error"):
            if isinstance(text := raw.get(name), str) and text:
                return text
    return json.dumps(raw, ensure_ascii=False, default=str)


def _object(parent: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
