"""The lines that programs of ours print for the daemon, and the words they are told.

The builtin agent and the bridges to other agents speak them; they are written down in
`aetherd_runtimes.builtin.protocol`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

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
from aetherd_runtimes.builtin.protocol import TEXT_LIMIT, bounded
from aetherd_runtimes.command import judge_exit

OUTCOMES = ("completed", "failed", "interrupted", "limited")
ASKED_LIMIT = 100  # questions that are open at once; an older one is given up


class LineDecoder:
    """Translates the lines; remembers how the last turn ended and what is still open.

    Without `permissions` the program never asks, and an answer has no form.
    """

    def __init__(self, state: dict[str, Any] | None = None, *, permissions: bool = False) -> None:
        state = state or {}
        self._permissions = permissions
        self._session: dict[str, Any] | None = state.get("session")
        self._in_turn = bool(state.get("in_turn", False))
        self._outcome: str | None = state.get("outcome")
        self._error: str | None = state.get("error")
        self._partial = str(state.get("partial", ""))  # the text that is being written
        self._asked: list[str] = list(state.get("asked", ()))

    def decode(self, line: bytes) -> Iterable[Output]:
        """Translate one line; what is not of the protocol comes back unread."""
        text = line.decode("utf-8", "replace")
        if not text.strip():
            return ()
        try:
            message = Facts(_parse(text))
            output = _WORDS[message.text("type")](message)
        except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError):
            return (Unread(bounded(text)),)
        match output:
            case SessionStarted():
                if self._session == (session := asdict(output)):
                    return ()
                self._session = session
            case TurnStarted():
                self._in_turn, self._partial = True, ""
            case Delta(kind="text", text=more):
                self._partial = (self._partial + more)[:TEXT_LIMIT]
            case Text():
                self._partial = ""
            case PermissionAsked(request=request):
                self._asked = [*(asked for asked in self._asked if asked != request), request][-ASKED_LIMIT:]
            case PermissionClosed(request=request):
                self._answered(request)
            case TurnEnded(outcome=outcome, error=error):
                self._in_turn, self._partial, self._outcome = False, "", outcome
                self._error = bounded(error, 1000) if error else None
                return (*self._withdrawn(), output)
        return (output,)

    def encode(self, message: Input) -> bytes | None:
        """Return a line, or None for an answer to what never asks."""
        match message:
            case Say(id, text, priority):
                return _line(type="say", id=id, text=text, priority=priority)
            case Interrupt(id):
                return _line(type="interrupt", id=id)
            case Answer(request, allow, for_run, reason) if self._permissions:
                self._answered(request)
                return _line(type="answer", request=request, allow=allow, for_run=for_run, reason=reason)
        return None

    def close(self) -> bytes | None:
        """Return None: it ends by itself, after the running turn, when its input is closed."""
        return None

    def rest(self) -> Iterable[Output]:
        """Return a text that was cut off, and questions nobody can answer any more."""
        cut = (Text(self._partial, interrupted=True),) if self._partial else ()
        self._partial = ""
        return (*cut, *self._withdrawn())

    def judge(self, ended: Ended) -> Verdict:
        """Go by the last turn when it exited by itself, else by the exit."""
        if ended.code != 0:
            return judge_exit(ended)
        if self._in_turn:
            return Verdict("killed") if ended.wanted else Verdict("failed", "it ended in the middle of a turn")
        match self._outcome:
            case "failed":
                return Verdict("failed", self._error)
            case "limited":
                return Verdict("limited", self._error)
            case "interrupted":
                return Verdict("killed", "its last turn was interrupted")
        return Verdict("completed")

    def state(self) -> dict[str, Any]:
        """Return the last session and turn, and what is open."""
        return {
            "session": self._session,
            "in_turn": self._in_turn,
            "outcome": self._outcome,
            "error": self._error,
            "partial": self._partial,
            "asked": list(self._asked),
        }

    def _answered(self, request: str) -> None:
        self._asked = [asked for asked in self._asked if asked != request]

    def _withdrawn(self) -> tuple[PermissionClosed, ...]:
        closed = tuple(PermissionClosed(request) for request in self._asked)
        self._asked = []
        return closed


class Facts:
    """A message whose fields are looked at before they are believed; raises `ValueError` for a wrong one."""

    def __init__(self, raw: Any) -> None:
        if not isinstance(raw, dict):
            raise ValueError("not an object")
        self._raw = raw

    def text(self, name: str) -> str:
        """Return a text that must be there."""
        if not isinstance(value := self._raw[name], str):
            raise ValueError(name)
        return value

    def maybe(self, name: str) -> str | None:
        """Return a text or None."""
        return None if self._raw.get(name) is None else self.text(name)

    def flag(self, name: str) -> bool:
        """Return whether a field is true."""
        return self._raw.get(name) is True

    def maybe_flag(self, name: str) -> bool | None:
        """Return whether a field is true, or None when nothing is said."""
        return None if self._raw.get(name) is None else self.flag(name)

    def mapping(self, name: str) -> Mapping[str, Any]:
        """Return an object that must be there."""
        if not isinstance(value := self._raw[name], dict):
            raise ValueError(name)
        return value

    def count(self, name: str) -> int:
        """Return a number of tokens."""
        value = self._raw.get(name, 0)
        if type(value) is not int or not 0 <= value < 2**53:
            raise ValueError(name)
        return value

    def amount(self, name: str) -> float:
        """Return a sum of money."""
        value = self._raw.get(name, 0.0)
        if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
            raise ValueError(name)
        return float(value)

    def choice(self, name: str, choices: tuple[str, ...]) -> Any:
        """Return one of the choices."""
        if (value := self.text(name)) not in choices:
            raise ValueError(name)
        return value


_WORDS: dict[str, Callable[[Facts], Output]] = {
    "session": lambda m: SessionStarted(
        session=bounded(m.text("session"), 200),
        model=bounded(m.maybe("model") or "", 200) or None,
        permission_mode=bounded(m.maybe("permission_mode") or "", 200) or None,
        tools_connected=m.maybe_flag("tools_connected"),
        version=bounded(m.maybe("version") or "", 200) or None,
    ),
    "turn_started": lambda m: TurnStarted(),
    "thought": lambda m: Thought(m.text("text")),
    "text": lambda m: Text(m.text("text"), m.flag("interrupted")),
    "delta": lambda m: Delta(m.choice("kind", ("text", "thought")), m.text("text")),
    "told": lambda m: Told(m.text("text"), m.maybe("id")),
    "tool_called": lambda m: ToolCalled(m.text("id"), m.text("tool"), m.mapping("input")),
    "tool_returned": lambda m: ToolReturned(m.text("id"), bounded(m.text("text")), m.flag("is_error")),
    "used": lambda m: Used(
        input_tokens=m.count("input_tokens"),
        output_tokens=m.count("output_tokens"),
        cache_read_tokens=m.count("cache_read_tokens"),
        cache_write_tokens=m.count("cache_write_tokens"),
        cost_usd=m.amount("cost_usd"),
        model=m.maybe("model"),
    ),
    "turn_ended": lambda m: TurnEnded(
        outcome=m.choice("outcome", OUTCOMES),
        text=m.text("text"),
        error=m.maybe("error"),
        resets_at=m.maybe("resets_at"),
    ),
    "trouble": lambda m: Trouble(m.text("text")),
    "permission_asked": lambda m: PermissionAsked(
        request=bounded(m.text("request"), 200),
        tool=bounded(m.text("tool"), 200),
        input=m.mapping("input"),
        title=bounded(m.text("title"), 500),
        tool_call=m.maybe("tool_call"),
    ),
    "permission_closed": lambda m: PermissionClosed(bounded(m.text("request"), 200)),
}


def _parse(text: str) -> Any:
    value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    if "\\ud" in text.lower():  # half a surrogate pair is legal JSON, but no text that can be stored
        value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _finite(number: str) -> float:
    if not math.isfinite(value := float(number)):
        raise ValueError(f"{number[:20]} is beyond any number")
    return value


def _line(**message: str | bool | None) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"
