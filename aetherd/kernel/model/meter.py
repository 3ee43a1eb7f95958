"""What a call used, read from the provider's own usage fields while its answer goes by."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aetherd.kernel.model.dialects import Wire

MOST = 32 * 1024 * 1024  # bytes of an answer, or of one line of a stream, that are kept to be read
NOTHING = re.compile(rb'"usage"\s*:\s*null')
DONE = re.compile(rb"^data: ?\[DONE\]", re.MULTILINE)
MARKS: Mapping[Wire, tuple[bytes, ...]] = {  # a line without them tells no usage; quotes in a text are escaped
    "messages": (b'"usage"',),
    "chat": (b'"usage"',),
    "responses": (b'"usage"',),
    "gemini": (b'"usageMetadata"',),
    "ollama": (b'"eval_count"', b'"prompt_eval_count"'),
    "free": (),
}


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens by their kind of price; none is counted twice."""

    model: str | None = None  # as the provider names it
    input: int = 0  # neither read from a cache nor written to one
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    image_output: int = 0
    audio_input: int = 0
    audio_output: int = 0
    searches: int = 0
    tier: str | None = None


class Meter:
    """Looks at an answer while it is passed on."""

    def __init__(self, wire: Wire, *, lines: bool) -> None:
        self._wire, self.lines, self._marks = wire, lines, MARKS[wire]
        self._rest = bytearray()  # of a line, or all of an answer that is no stream
        self._whole = True
        self._found: dict[str, Any] = {}  # Anthropic's parts, put together
        self._last = b""  # the newest line that tells usage: others tell the sum so far
        self._model: str | None = None
        self.bytes = 0
        self.told = False  # the final figures

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self.bytes += len(data)
        if not self._marks:
            return
        rest = self._rest
        if len(rest) + len(data) > MOST:
            self._whole = False
            rest.clear()
        rest += data
        if self.lines and b"\n" in data:
            whole, _, left = bytes(rest).rpartition(b"\n")
            self._rest = bytearray(left)
            if any(mark in whole for mark in self._marks):  # most chunks tell nothing: not even cut into lines
                for line in whole.split(b"\n"):
                    if any(mark in line for mark in self._marks):
                        self._line(line)
            if self._wire == "chat" and self._last and DONE.search(whole):
                self.told = True

    def _line(self, line: bytes) -> None:
        if self._wire != "messages":
            if self._wire in (
                "responses",
                "ollama",
            ):  # theirs come once, at the end; tools that are echoed say anything
                if READERS[self._wire](_parsed(line)) is not None:
                    self._last, self.told = line, True
            elif not NOTHING.search(line):
                self._last = line
            return
        event = _parsed(line)
        message = event.get("message")
        part = message if isinstance(message, dict) else event
        if isinstance(model := part.get("model"), str):
            self._model = model
        if isinstance(usage := part.get("usage"), dict):
            self._found |= {name: value for name, value in usage.items() if value is not None}
            self.told = self.told or event.get("type") == "message_delta"

    def usage(self) -> Usage | None:
        """Return what was told; None when nothing was."""
        if not self.lines and self._whole:
            found = _parsed(bytes(self._rest))
        elif self._wire == "messages":
            found = {"model": self._model, "usage": self._found}
        else:
            if any(mark in self._rest for mark in self._marks):  # its last line has no end
                self._line(bytes(self._rest))
            found = _parsed(self._last)
        return READERS[self._wire](found)


def _parsed(line: bytes) -> dict[str, Any]:
    line = line.strip()
    if line.startswith(b"data:"):
        line = line[5:]
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    if isinstance(value, list):  # Gemini's answer in one piece
        value = next((one for one in reversed(value) if isinstance(one, dict) and "usageMetadata" in one), {})
    return value if isinstance(value, dict) else {}


def _count(found: Any, *path: str) -> int:
    """Return a number of tokens; what is none, or makes no sense, is 0."""
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return int(found) if isinstance(found, int | float) and 0 <= found < 1 << 40 else 0


def _text(found: Any) -> str | None:
    return found[:200].encode("utf-8", "replace").decode() if isinstance(found, str) else None


def _messages(found: dict[str, Any]) -> Usage | None:
    usage = found.get("usage")
    if not isinstance(usage, dict) or "input_tokens" not in usage:
        return None
    written, long = (
        _count(usage, "cache_creation_input_tokens"),
        _count(usage, "cache_creation", "ephemeral_1h_input_tokens"),
    )
    steps = usage.get("iterations")  # what a summary of the conversation took is in none of the sums
    steps = steps if isinstance(steps, list) else []
    more = [one for one in steps if isinstance(one, dict) and one.get("type") == "compaction"]
    return Usage(
        _text(found.get("model")),
        input=_count(usage, "input_tokens") + sum(_count(one, "input_tokens") for one in more),
        output=_count(usage, "output_tokens") + sum(_count(one, "output_tokens") for one in more),
        cache_read=_count(usage, "cache_read_input_tokens"),
        cache_write=max(0, written - long),
        cache_write_1h=long,
        searches=_count(usage, "server_tool_use", "web_search_requests"),
        tier=_text(usage.get("speed")) or _text(usage.get("service_tier")),
    )


def _openai(found: dict[str, Any], usage: Any, names: tuple[str, str]) -> Usage | None:
    """Read what OpenAI and its like tell: the parts are contained in the sums."""
    sent, got = names
    if not isinstance(usage, dict) or sent not in usage:
        return None
    total, output = _count(usage, sent), _count(usage, got)
    details, more = usage.get(f"{sent}_details"), usage.get(f"{got}_details")
    read = _count(details, "cached_tokens") or _count(usage, "prompt_cache_hit_tokens")
    written = _count(details, "cache_write_tokens") or _count(details, "cache_creation_tokens")
    heard, spoken, drawn = _count(details, "audio_tokens"), _count(more, "audio_tokens"), _count(more, "image_tokens")
    return Usage(
        _text(found.get("model")),
        input=max(0, total - read - written - heard),
        output=max(0, output - spoken - drawn),
        cache_read=read,
        cache_write=written,
        image_output=drawn,
        audio_input=heard,
        audio_output=spoken,
        searches=sum(
            one.get("type") == "web_search_call" for one in found.get("output") or () if isinstance(one, dict)
        ),
        tier=_text(found.get("service_tier")),
    )


def _chat(found: dict[str, Any]) -> Usage | None:
    return _openai(found, found.get("usage"), ("prompt_tokens", "completion_tokens"))


def _responses(found: dict[str, Any]) -> Usage | None:
    inner = found.get("response")
    found = inner if isinstance(inner, dict) else found
    return _openai(found, found.get("usage"), ("input_tokens", "output_tokens"))


def _gemini(found: dict[str, Any]) -> Usage | None:
    usage = found.get("usageMetadata")
    if not isinstance(usage, dict):
        return None
    parts = usage.get("candidatesTokensDetails")
    kinds = {str(one.get("modality")): _count(one, "tokenCount") for one in parts or () if isinstance(one, dict)}
    drawn, spoken, read = kinds.get("IMAGE", 0), kinds.get("AUDIO", 0), _count(usage, "cachedContentTokenCount")
    sent = _count(usage, "promptTokenCount") + _count(usage, "toolUsePromptTokenCount")
    output = _count(usage, "candidatesTokenCount") + _count(usage, "thoughtsTokenCount")
    queries = sum(
        len(one.get("groundingMetadata", {}).get("webSearchQueries") or ())
        for one in found.get("candidates") or ()
        if isinstance(one, dict) and isinstance(one.get("groundingMetadata"), dict)
    )
    return Usage(
        _text(found.get("modelVersion")),
        input=max(0, sent - read),
        output=max(0, output - drawn - spoken),
        cache_read=read,
        image_output=drawn,
        audio_output=spoken,
        searches=queries,
    )


def _ollama(found: dict[str, Any]) -> Usage | None:
    if not {"eval_count", "prompt_eval_count"} & found.keys():
        return None
    return Usage(
        _text(found.get("model")), input=_count(found, "prompt_eval_count"), output=_count(found, "eval_count")
    )


def _free(found: dict[str, Any]) -> Usage | None:
    return None


READERS = {
    "messages": _messages,
    "chat": _chat,
    "responses": _responses,
    "gemini": _gemini,
    "ollama": _ollama,
    "free": _free,
}
