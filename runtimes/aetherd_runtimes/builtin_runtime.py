"""The runtime `builtin`: the agent loop of `aetherd_runtimes.builtin` in a process of its own.

Its protocol is written down in `aetherd_runtimes.builtin.protocol`.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import aetherd_runtimes
from aetherd import __version__
from aetherd.core.errors import Invalid, Unavailable
from aetherd.runtime import (
    Capabilities,
    Decoder,
    Delta,
    Ended,
    File,
    Hints,
    Input,
    Interrupt,
    Launch,
    Output,
    Report,
    Runtime,
    Say,
    SessionStarted,
    Spawn,
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
from aetherd_runtimes.builtin.protocol import bounded
from aetherd_runtimes.command import SEARCH_PATH, judge_exit

PACKAGE = Path(aetherd_runtimes.__file__).resolve().parent
OUTCOMES = ("completed", "failed", "interrupted", "limited")
NO_INTERPRETER = "this aetherd has no Python interpreter of its own to run it: install aetherd with pip in a venv"


class Builtin:
    """Hosts the loop that comes with aetherd; without a model it is a scripted demonstration, and says so."""

    name = "builtin"
    capabilities = Capabilities(structured=True, steer=True, interrupt=True, echo=True, skills=True)
    hints = Hints(
        title="Builtin",
        summary="A small agent loop that comes with aetherd. No model yet: it runs a scripted demonstration.",
    )

    def check(self) -> Report:
        """Look whether there is an interpreter and whether the loop can be imported by it."""
        if not sys.executable:
            return Report(available=False, missing=NO_INTERPRETER)
        try:
            # this also leaves the bytecode, which an agent with a uid of its own could not write
            importlib.import_module("aetherd_runtimes.builtin.loop")
        except ImportError as error:
            return Report(available=False, missing=f"{error}: install aetherd again")
        return Report(available=True, version=__version__, path=sys.executable)

    def launch(self, spawn: Spawn) -> Launch:
        """Run the loop on pipes, with nothing of the daemon's environment, path or site-packages."""
        if not sys.executable:
            raise Unavailable(NO_INTERPRETER)
        if spawn.resume:
            raise Invalid("the runtime builtin cannot resume a conversation", field="resume")
        if spawn.mode == "tui":
            raise Invalid("the runtime builtin has no screen of its own", field="mode")
        settings = spawn.config / "builtin.json"
        return Launch(
            # by file, not by -m: so -I -S can keep out the working directory, PYTHON* and every .pth, and it
            # is the same in a checkout, an editable install and a wheel
            argv=(spawn.python or sys.executable, "-I", "-S", str(PACKAGE / "builtin" / "__main__.py"), str(settings)),
            env={
                "HOME": str(spawn.home),
                "LANG": "C.UTF-8",
                "PATH": SEARCH_PATH,
                **spawn.env,
                **spawn.door.env,
            },
            cwd=spawn.cwd,
            stdio="pipes",
            files=(File(settings, self._settings(spawn)),),
            session=spawn.session,
            needs=needs(),
        )

    def decoder(self, spawn: Spawn, state: dict[str, Any] | None = None) -> Decoder:
        """Return a decoder of its JSON lines."""
        return BuiltinDecoder(state)

    def transcript(self, spawn: Spawn, since: float) -> Iterable[Output]:
        """Return nothing: it opens no TUI."""
        return ()

    def ended_in(self, spawn: Spawn, since: float) -> str | None:
        """Return None: it opens no TUI, so the conversation stays."""
        return None

    def _settings(self, spawn: Spawn) -> str:
        return json.dumps(
            {
                "session": spawn.session,
                "model": spawn.model,
                "context": "\n\n".join(part for part in (spawn.context, _skills(spawn)) if part),
                "idle_exit_s": spawn.idle_exit_s,
                "version": __version__,
            }
        )


def _skills(spawn: Spawn) -> str:
    """List the skills; it has no place of its own for them, so their texts are read through the door."""
    if not spawn.skills:
        return ""
    how = "read one with aether_skill_get, found by aether_tool_search, before you do what it is for"
    return f"Skills you have ({how}):\n" + "\n".join(f"- {skill.name}: {skill.description}" for skill in spawn.skills)


def needs() -> tuple[Path, ...]:
    """Return what must be readable to run the loop: the interpreter, its library and our package."""
    interpreter = Path(sys.executable)
    paths = (Path(sys.prefix), Path(sys.base_prefix), interpreter, interpreter.resolve(), PACKAGE)
    return tuple(dict.fromkeys(paths))


class BuiltinDecoder:
    """Translates the lines, and remembers how the last turn ended."""

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        state = state or {}
        self._session: dict[str, Any] | None = state.get("session")
        self._in_turn = bool(state.get("in_turn", False))
        self._outcome: str | None = state.get("outcome")
        self._error: str | None = state.get("error")

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
                self._in_turn = True
            case TurnEnded(outcome=outcome, error=error):
                self._in_turn, self._outcome, self._error = (
                    False,
                    outcome,
                    bounded(error, 1000) if error else None,
                )
        return (output,)

    def encode(self, message: Input) -> bytes | None:
        """Return a line; nothing ever asks for permission, so an answer has no form."""
        match message:
            case Say(id, text, priority):
                return _line(type="say", id=id, text=text, priority=priority)
            case Interrupt(id):
                return _line(type="interrupt", id=id)
        return None

    def close(self) -> bytes | None:
        """Return None: it ends by itself, after the running turn, when its input is closed."""
        return None

    def rest(self) -> Iterable[Output]:
        """Leave nothing open."""
        return ()

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
        """Return the last session and turn."""
        return {
            "session": self._session,
            "in_turn": self._in_turn,
            "outcome": self._outcome,
            "error": self._error,
        }


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
        tools_connected=m.flag("tools_connected"),
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


def _line(**message: str) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


_: type[Runtime] = Builtin
