"""Claude Code's stream-json lines: what they mean, and the lines it understands.

Measured on 2.1.327. Four things that are not obvious:

- A user line's `uuid` may be any text, comes back in the replay, and is remembered in the transcript: a
  second line with the same uuid is not run again, not even after `--resume`. So it carries `Say.id` as it
  is, and whoever is unsure whether a line arrived may send it again.
- `total_cost_usd` and `modelUsage` go on where the last incarnation stopped when that one ended cleanly, so
  only `model_usage_since_last_result` says what is new.
- A turn is judged by `is_error` and `terminal_reason`; `subtype` says "success" for a dead API.
- An interrupt leaves queued user lines queued: they run as the next turn.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NoReturn

from aetherd.core.clock import stamp
from aetherd.core.texts import one_line
from aetherd.runtime import (
    Answer,
    Delta,
    Ended,
    Input,
    Interrupt,
    Output,
    PermissionAsked,
    PermissionClosed,
    Say,
    SessionStarted,
    Text,
    Thought,
    Told,
    ToolCalled,
    ToolReturned,
    Trouble,
    TurnEnded,
    TurnStarted,
    Unread,
    Used,
    Verdict,
)

SERVER = "aether"  # the name of our MCP server in the runtime's configuration
BOUND = 20_000  # characters of a tool's answer, an unread line or a partial block that are kept

_PRIORITY = {"now": "now", "queue": "later"}
_QUIET = {
    "auth_status",
    "command_lifecycle",
    "control_request_progress",
    "keep_alive",
    "prompt_suggestion",
    "tool_progress",
    "tool_use_summary",
    "transcript_mirror",
}
_QUIET_SYSTEM = {
    "background_tasks_changed",
    "commands_changed",
    "compact_boundary",
    "files_persisted",
    "hook_progress",
    "hook_response",
    "hook_started",
    "local_command_output",
    "memory_recall",
    "memory_saved",
    "notification",
    "per_turn_effort_changed",
    "permission_denied",
    "permission_retry",
    "post_turn_summary",
    "session_metadata",
    "session_state_changed",
    "session_title_changed",
    "status",
    "stop_hook_summary",
    "task_notification",
    "task_progress",
    "task_started",
    "task_summary",
    "task_updated",
    "thinking_tokens",
    "turn_duration",
    "vcs_state_changed",
}
_LIMIT = re.compile(r"usage limit reached|hit your .{0,40}limit|limit (will )?reset", re.IGNORECASE)
_LIMIT_UNTIL = re.compile(r"limit reached\|(\d{9,11})\b")
_KILLED = {129: 1, 130: 2, 137: 9, 143: 15}  # a shell's way to write a signal
_SIGNALS = {1: "HUP", 2: "INT", 6: "ABRT", 9: "KILL", 11: "SEGV", 15: "TERM"}

Outcome = Literal["completed", "failed", "interrupted", "limited"]


class Lines:
    """One headless incarnation: `decode` its output, `encode` what it is told."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        was = dict(state or {})
        self._session: list[Any] | None = was.get("session")
        self._turn: bool = was.get("turn", False)
        self._partial: list[str] | None = was.get("partial")  # kind and text of the block being written
        self._pending: dict[str, list[str]] = dict(was.get("pending", {}))  # request -> subtype, tool
        self._spent: dict[str, list[float]] = dict(was.get("spent", {}))  # cumulative, by model
        self._resets: int | None = was.get("resets")
        self._last: list[str | None] | None = was.get("last")  # outcome and error of the last turn

    def state(self) -> dict[str, Any]:
        """Return what the next decoder needs to go on after the last decoded line."""
        return {
            "session": self._session,
            "turn": self._turn,
            "partial": self._partial and list(self._partial),
            "pending": dict(self._pending),
            "spent": dict(self._spent),
            "resets": self._resets,
            "last": self._last,
        }

    # What it says ------------------------------------------------------------------------------------

    def decode(self, line: bytes) -> Iterable[Output]:
        """Translate one line; what is not understood comes back as `Unread`."""
        if not line.strip():
            return []
        try:
            outputs = self._read(_load(line))
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError):
            outputs = None
        return [Unread(_bounded(line.decode("utf-8", "replace")))] if outputs is None else outputs

    def _read(self, message: dict[str, Any]) -> list[Output] | None:
        match message["type"]:
            case "stream_event":
                return self._stream(message)
            case "assistant":
                return self._assistant(message)
            case "user":
                return self._user(message)
            case "system":
                return self._system(message)
            case "result":
                return self._result(message)
            case "control_request":
                return self._asked(message["request_id"], message["request"])
            case "control_cancel_request":
                self._pending.pop(message["request_id"], None)
                return [PermissionClosed(message["request_id"])]
            case "control_response":
                return self._responded(message["response"])
            case "rate_limit_event":
                return self._rate_limit(message["rate_limit_info"])
            case "conversation_reset":
                self._spent = {}
                return []
            case kind:
                return [] if kind in _QUIET else None

    def _begin(self) -> list[Output]:
        if self._turn:
            return []
        self._turn = True
        return [TurnStarted()]

    def _system(self, message: dict[str, Any]) -> list[Output] | None:
        kind = message["subtype"]
        if kind == "init":
            return [*self._init(message), *self._begin()]
        if kind == "api_retry":
            wait = float(message.get("retry_delay_ms") or 0) / 1000
            status, error = message.get("error_status"), message.get("error") or "unknown"
            what = f"the model API answered {status}" if status else "the model API broke off"
            which = f"retry {message.get('attempt')} of {message.get('max_retries')}"
            return [Trouble(_bounded(f"{what} ({error}); {which} in {wait:.1f} s"))]
        if kind in _QUIET_SYSTEM:
            return []
        if kind.startswith("model_") or kind in ("mirror_error", "session_writes_lost", "informational"):
            said = message.get("content") or message.get("message") or message.get("error") or ""
            return [Trouble(_bounded(f"{kind.replace('_', ' ')}: {said}"))]
        return None

    def _init(self, message: dict[str, Any]) -> list[Output]:
        servers = {server["name"]: server["status"] for server in message.get("mcp_servers", [])}
        mode = message.get("permissionMode")
        seen = [
            message["session_id"],
            message.get("model"),
            "manual" if mode == "default" else mode,  # the wire's word for what the flag calls manual
            None if servers.get(SERVER) == "pending" else servers.get(SERVER) == "connected",
            message.get("claude_code_version"),
        ]
        if seen == self._session:
            return []
        self._session = seen
        return [SessionStarted(*seen)]

    def _stream(self, message: dict[str, Any]) -> list[Output]:
        if message.get("parent_tool_use_id") is not None:
            return []  # a sub-agent's blocks come whole
        event = message["event"]
        match event["type"]:
            case "message_start":
                self._partial = None  # a broken stream is asked for again from its start
                return self._begin()
            case "content_block_start":
                kind = event["content_block"]["type"]
                self._partial = [kind, ""] if kind in ("text", "thinking") else None
            case "content_block_delta":
                kind = event["delta"]["type"].removesuffix("_delta")
                text = event["delta"].get(kind)
                if kind in ("text", "thinking") and text:
                    if self._partial is None or self._partial[0] != kind:
                        self._partial = [kind, ""]
                    self._partial[1] = (self._partial[1] + text)[:BOUND]
                    return [Delta("text" if kind == "text" else "thought", text)]
        return []

    def _assistant(self, message: dict[str, Any]) -> list[Output]:
        if message.get("is_api_error_message"):
            return []  # written by the client itself; the result repeats it
        cut = bool(message.get("aborted"))
        mine = message.get("parent_tool_use_id") is None and not message.get("agent_id")
        helper = f"[{message.get('subagent_type') or 'sub-agent'}] "
        outputs: list[Output] = []
        if mine:
            self._partial = None
        for block in message["message"]["content"]:
            match block["type"]:
                case "text" if block["text"]:
                    text = block["text"]
                    outputs.append(Text(text, interrupted=cut) if mine else Thought(helper + text))
                case "thinking" if block["thinking"]:
                    outputs.append(Thought(block["thinking"] if mine else helper + block["thinking"]))
                case "tool_use" | "server_tool_use" | "mcp_tool_use":
                    given = block.get("input")
                    called = given if isinstance(given, dict) else {"input": given}
                    outputs.append(ToolCalled(block["id"], block["name"], called))
                case kind if kind.endswith("_tool_result"):
                    outputs.append(_returned(block))
                case "text" | "thinking" | "redacted_thinking":
                    pass
                case _:
                    outputs.append(Unread(_bounded(json.dumps(block))))
        return outputs

    def _user(self, message: dict[str, Any]) -> list[Output]:
        content = message["message"]["content"]
        if message.get("isReplay"):
            origin = (message.get("origin") or {}).get("kind", "human")
            text = _plain(content)
            said = text[1:] if text.startswith(" /") else text  # the space `_user_line` put there
            return [Told(said, message.get("uuid"))] if origin == "human" else []
        if isinstance(content, str):
            return []
        return [_returned(block) for block in content if block["type"].endswith("tool_result")]

    def _asked(self, request: str, body: dict[str, Any]) -> list[Output]:
        kind = body["subtype"]
        tool = body.get("tool_name") or kind
        if kind == "can_use_tool":
            given = body.get("input") or {}
            title = _title(tool, given, body.get("description") or "")
        else:
            given = {key: value for key, value in body.items() if key != "subtype"}
            sender = body.get("mcp_server_name") or "Claude Code"
            title = _line(f"{sender} asks: {body.get('message') or kind}")
        self._pending[request] = [kind, tool]
        return [PermissionAsked(request, tool, given, title, body.get("tool_use_id"))]

    def _responded(self, response: dict[str, Any]) -> list[Output]:
        request = response.get("request_id")
        if request in self._pending:  # the echo of an answer of ours: now it has arrived
            del self._pending[request]
        elif response.get("subtype") == "error":
            return [Trouble(_bounded(f"Claude Code refused a request: {response.get('error')}"))]
        return []

    def _rate_limit(self, info: dict[str, Any]) -> list[Output]:
        status, resets = info.get("status"), info.get("resetsAt")
        self._resets = int(resets) if resets and status == "rejected" else None
        if status == "allowed_warning":
            share = info.get("utilization")
            used = f"{float(share):.0%} of" if share is not None else "most of"
            return [Trouble(f"{used} the {info.get('rateLimitType') or 'usage'} limit is used")]
        return []

    def _result(self, message: dict[str, Any]) -> list[Output]:
        outputs = [*self._cut_off(), *self._used(message)]
        ended = self._ended(message)
        self._turn = False
        self._last = [ended.outcome, ended.error]
        return [*outputs, ended]

    def _cut_off(self) -> list[Output]:
        """Return the block that was being written when it all stopped."""
        kind, text = self._partial or ("", "")
        self._partial = None
        if not text:
            return []
        return [Text(text, interrupted=True) if kind == "text" else Thought(text)]

    def rest(self) -> list[Output]:
        """Return what an exit leaves open: a half-written block, questions nobody can answer any more."""
        closed = [PermissionClosed(request) for request in self._pending]
        self._pending = {}
        return [*self._cut_off(), *closed]

    def _used(self, message: dict[str, Any]) -> list[Output]:
        total, fresh = message.get("modelUsage") or {}, message.get("model_usage_since_last_result")
        outputs: list[Output] = []
        for model, usage in (fresh if fresh is not None else total).items():
            now = _amounts(usage)
            if fresh is None:
                before = self._spent.get(model, [0, 0, 0, 0, 0])
                more = [a - b for a, b in zip(now, before, strict=True)]
                now = now if min(more) < -1e-9 else more  # it began to count afresh
            if any(now):
                i, o, read, write, cost = now
                outputs.append(Used(int(i), int(o), int(read), int(write), round(cost, 9), model))
        self._spent = {model: _amounts(usage) for model, usage in total.items()}
        return outputs

    def _ended(self, message: dict[str, Any]) -> TurnEnded:
        text = str(message.get("result") or "")
        reason = str(message.get("terminal_reason") or "")
        if reason.startswith("aborted"):
            return TurnEnded("interrupted", text)
        if not message.get("is_error"):
            return TurnEnded("completed", text)
        error = text or "; ".join(map(str, message.get("errors") or [])) or reason or str(message["subtype"])
        if (
            message.get("api_error_status") in (429, 529)  # 529: the provider has too much to do
            or message.get("api_error") == "usage_limit_reached"
            or _LIMIT.search(error)
        ):
            told = _LIMIT_UNTIL.search(error)
            until = int(told[1]) if told else self._resets
            when = stamp(datetime.fromtimestamp(until, UTC)) if until else None
            return TurnEnded("limited", "", error, when)
        return TurnEnded("failed", "", error)

    # What it is told ---------------------------------------------------------------------------------

    def encode(self, message: Input) -> bytes | None:
        """Return the input line for this; None for an empty text, which the model API would refuse."""
        match message:
            case Say(id=ident, text=text, priority=priority):
                return _user_line(ident, text, _PRIORITY.get(priority)) if text.strip() else None
            case Interrupt(id=ident):
                return _control(ident, {"subtype": "interrupt"})
            case Answer():
                return self._answer(message)

    def _answer(self, answer: Answer) -> bytes:
        kind, tool = self._pending.get(answer.request, ["can_use_tool", answer.tool or ""])
        given = None if answer.input is None else dict(answer.input)
        body: dict[str, Any]
        if kind == "can_use_tool" and answer.allow:
            body = {"behavior": "allow"}
            if given is not None:
                body["updatedInput"] = given
            if answer.for_run and (name := answer.tool or tool):
                rule = {"type": "addRules", "rules": [{"toolName": name}], "behavior": "allow"}
                body["updatedPermissions"] = [{**rule, "destination": "session"}]
        elif kind == "can_use_tool":
            body = {"behavior": "deny", "message": answer.reason or "A person refused this."}
        elif kind == "elicitation" and answer.allow:
            body = {"action": "accept", "content": (given or {}).get("content") or {}}
        elif kind == "elicitation":
            body = {"action": "decline"}
        elif answer.allow:
            body = given or {}
        else:
            error = {"subtype": "error", "request_id": answer.request, "error": answer.reason or "refused"}
            return _json({"type": "control_response", "response": error})
        response = {"subtype": "success", "request_id": answer.request, "response": body}
        return _json({"type": "control_response", "response": response})

    def close(self) -> bytes | None:
        """Return the request that ends it now; a closed input alone lets it finish all that is queued."""
        return _control("aetherd-close", {"subtype": "end_session"})

    def judge(self, ended: Ended) -> Verdict:
        """Say what the exit means: the last turn's end first, then how the process went."""
        outcome, error = self._last or (None, None)
        signal = ended.signal or _KILLED.get(ended.code or 0)
        if outcome == "limited" and not self._turn:
            return Verdict("limited", error)
        if signal or (ended.wanted and (self._turn or outcome in (None, "interrupted"))):
            return Verdict("killed", None if ended.wanted or not signal else f"killed by {_name(signal)}")
        if outcome == "interrupted" and not self._turn:
            return Verdict("killed", "interrupted")
        if outcome == "failed" and not self._turn:
            return Verdict("failed", error)
        if ended.code == 0 and outcome == "completed" and not self._turn:
            return Verdict("completed")
        said = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
        how = "ended in the middle of a turn" if self._turn else "ended"
        return Verdict("failed", said[-1] if said else f"{how} with code {ended.code}")


class Screen:
    """One incarnation in its TUI: the terminal is a person's, nothing is read from it or typed into it."""

    def decode(self, line: bytes) -> Iterable[Output]:
        """Return nothing: a screen is not a protocol."""
        return []

    def encode(self, message: Input) -> bytes | None:
        """Return None: only the person at the terminal types."""
        return None

    def close(self) -> bytes | None:
        """Return None: ask by SIGTERM, which leaves the transcript whole."""
        return None

    def rest(self) -> Iterable[Output]:
        """Leave nothing open."""
        return ()

    def judge(self, ended: Ended) -> Verdict:
        """Say what the exit means."""
        signal = ended.signal or _KILLED.get(ended.code or 0)
        if signal:
            return Verdict("killed", None if ended.wanted else f"killed by {_name(signal)}")
        if ended.code == 0:
            return Verdict("completed")
        said = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
        return Verdict("failed", said[-1] if said else f"the TUI ended with code {ended.code}")

    def state(self) -> dict[str, Any]:
        """Return nothing: there is nothing to remember."""
        return {}


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _load(line: bytes) -> dict[str, Any]:
    value = json.loads(line.decode("utf-8"), parse_constant=_refuse)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return _whole(value) if b"\\u" in line else value


def _whole(value: Any) -> Any:
    """Replace lone surrogates, which no store and no socket can carry."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value


def _bounded(text: str) -> str:
    return text if len(text) <= BOUND else f"{text[:BOUND]}\n[cut: {len(text):,} characters in all]"


def _plain(content: Any) -> str:
    """Return a content value as text; what is no text is named."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return "" if content is None else json.dumps(content)
    parts = []
    for block in content:
        if not isinstance(block, dict):
            parts.append(str(block))
        elif block.get("type") == "text":
            parts.append(str(block.get("text", "")))
        elif block.get("type") in ("image", "document", "audio"):
            parts.append(f"[{block['type']}]")
        else:
            parts.append(json.dumps(block))
    return "\n".join(parts)


def _returned(block: dict[str, Any]) -> ToolReturned:
    return ToolReturned(block["tool_use_id"], _bounded(_plain(block.get("content"))), bool(block.get("is_error")))


def _amounts(usage: Mapping[str, Any]) -> list[float]:
    counts = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens", "costUSD")
    return [float(usage.get(name) or 0) for name in counts]


def _line(text: str) -> str:
    return one_line(text, 200)


def _title(tool: str, given: Mapping[str, Any], about: str) -> str:
    """Say in one line what is asked for."""
    match tool, given:
        case "Bash", {"command": what}:
            return _line(f"Run: {what}")
        case (("Write" | "Edit" | "MultiEdit" | "Read"), {"file_path": what}):
            return _line(f"{'Edit' if tool == 'MultiEdit' else tool}: {what}")
        case "NotebookEdit", {"notebook_path": what}:
            return _line(f"Edit: {what}")
        case "WebFetch", {"url": what}:
            return _line(f"Fetch: {what}")
        case "WebSearch", {"query": what}:
            return _line(f"Search the web: {what}")
        case "AskUserQuestion", {"questions": [{"question": what}, *_]}:
            return _line(f"Question: {what}")
        case "ExitPlanMode", _:
            return "Start on the plan"
    if tool.startswith("mcp__") and tool.count("__") >= 2:
        _, server, name = tool.split("__", 2)
        tool = f"{name} of {server}"
    return _line(f"Use {tool}: {about}" if about else f"Use {tool}")


def _name(signal: int) -> str:
    return f"SIG{_SIGNALS[signal]}" if signal in _SIGNALS else f"signal {signal}"


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _control(request: str, body: dict[str, Any]) -> bytes:
    return _json({"type": "control_request", "request_id": request, "request": body})


def _user_line(ident: str, text: str, priority: str | None) -> bytes:
    """Write a text for the model: a slash at its start would be a command to the client, such as `/clear`."""
    text = f" {text}" if text.startswith("/") else text
    line = {
        "type": "user",
        "message": {"role": "user", "content": text},
        "parent_tool_use_id": None,
        "session_id": "default",
        "uuid": ident,
    }
    return _json({**line, "priority": priority} if priority else line)
