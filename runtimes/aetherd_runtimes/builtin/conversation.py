"""A conversation and its record: a file of one JSON object per line in the agent's home, written as it goes.

    {"role": "user" | "assistant", "content": [{"kind": "said", "text": "…"}, …]}      a message
    {"summary": "…", "kept": 4}      all but the goal and the newest 4 messages became this summary

Pictures are not written down. A line that was cut off by a kill, and whatever follows it, is dropped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from aetherd_runtimes.builtin.model import (
    Content,
    Interrupted,
    Message,
    Said,
    Text,
    Thought,
    ToolResult,
    ToolUse,
)

KINDS: dict[str, type[Content]] = {
    "said": Said,
    "result": ToolResult,
    "interrupted": Interrupted,
    "thought": Thought,
    "text": Text,
    "use": ToolUse,
}
NAMES = {kind: name for name, kind in KINDS.items()}
NO_PICTURE = "[A picture was here; it was not kept over a restart.]"
STOPPED = "the agent was stopped before an answer came; its outcome is unknown: look before you call it again"


class Conversation:
    """What was said and done, oldest first; `messages` begins with the context, which is not recorded."""

    def __init__(self, context: str, path: str | None, trouble: Callable[[str], None]) -> None:
        self.messages: list[Message] = [Message("context", (Said(context),))] if context else []
        self._above = len(self.messages)
        self._path = path
        self._trouble = trouble
        self._file: int | None = None

    @property
    def spoken(self) -> list[Message]:
        """Return it without the context."""
        return self.messages[self._above :]

    @property
    def begun(self) -> bool:
        """Whether anything was said."""
        return len(self.messages) > self._above

    def add(self, message: Message) -> None:
        """Append a message."""
        self.messages.append(message)
        self._write(_written(message))

    def replace(self, summary: str, kept: int) -> None:
        """Put a summary in the place of everything between the goal and the newest `kept` messages."""
        self._replace(summary, kept)
        self._write({"summary": summary, "kept": kept})

    def middle(self, kept: int) -> list[Message]:
        """Return what `replace` would drop."""
        return self.messages[self._above + 1 : len(self.messages) - kept]

    def resume(self) -> bool:
        """Read the record; False when there is none. A call without a result gets one that says so."""
        if self._path is None:
            return False
        try:
            flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(self._path, flags), "r+b") as file:
                good = 0
                for line in file:
                    if not line.endswith(b"\n") or not self._read(line):
                        break
                    good += len(line)
                file.truncate(good)
        except OSError as error:
            self._trouble(f"the conversation cannot be read: {error.strerror}")
            return False
        self._mend()
        return self.begun

    def _mend(self) -> None:
        last = self.messages[-1] if self.begun else None
        if last is None or last.role != "assistant":
            return
        open_calls = [one for one in last.content if isinstance(one, ToolUse)]
        if open_calls:
            self.add(Message("user", tuple(ToolResult(use.id, STOPPED, None, True) for use in open_calls)))

    def _replace(self, summary: str, kept: int) -> None:
        tail = self.messages[len(self.messages) - kept :] if kept else []
        self.messages[self._above + 1 :] = [Message("user", (Said(summary),)), *tail]

    def _read(self, line: bytes) -> bool:
        try:
            value = json.loads(line)
            if "summary" in value:
                summary, kept = value["summary"], value["kept"]
                if not isinstance(summary, str) or not 0 <= kept < len(self.messages) - self._above:
                    return False
                self._replace(summary, kept)
            else:
                self.messages.append(_message(value))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return False
        return True

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._path is None:
            return
        try:
            if self._file is None:
                os.makedirs(os.path.dirname(self._path), 0o700, exist_ok=True)
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
                self._file = os.open(self._path, flags, 0o600)
            rest = json.dumps(line, separators=(",", ":")).encode() + b"\n"
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            self._trouble(f"the conversation is no longer written down, so it cannot be resumed: {error.strerror}")
            self._path = None


def _written(message: Message) -> dict[str, Any]:
    return {"role": message.role, "content": [_content(one) for one in message.content]}


def _content(one: Content) -> dict[str, Any]:
    facts = {field.name: getattr(one, field.name) for field in fields(one)}
    if isinstance(one, ToolResult):
        facts["data"] = None  # the text says the same, and only a demonstration looks at it
        if facts.pop("images"):
            facts["text"] = f"{one.text}\n{NO_PICTURE}"
    if isinstance(one, ToolUse):
        facts["input"] = dict(one.input)
    return {
        "kind": NAMES[type(one)],
        **{name: value for name, value in facts.items() if value not in (None, "", False)},
    }


def _message(value: Mapping[str, Any]) -> Message:
    if value["role"] not in ("user", "assistant"):
        raise ValueError(value["role"])
    return Message(value["role"], tuple(_one(raw) for raw in value["content"]))


def _one(raw: Mapping[str, Any]) -> Content:
    facts = {name: value for name, value in raw.items() if name != "kind"}
    kind = KINDS[raw["kind"]]
    if kind in (Said, Text, Thought, ToolResult):
        facts.setdefault("text", "")
    if kind is ToolUse:
        facts.setdefault("input", {})
    return kind(**facts)


def whole_tail(messages: Sequence[Message], at_most: int, size: Callable[[Message], int]) -> int:
    """Return how many of the newest messages fit into `at_most`, never beginning between a call and its result."""
    taken = fits = 0
    for number, message in enumerate(reversed(messages), 1):
        taken += size(message)
        if taken > at_most:
            break
        if not any(isinstance(one, ToolResult) for one in message.content):
            fits = number
    return fits
