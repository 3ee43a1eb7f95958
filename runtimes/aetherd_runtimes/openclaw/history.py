"""The conversation as the gateway keeps it: what a message says, and what was said in a person's terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aetherd_runtimes.builtin.protocol import bounded

USER = ":user"  # a text keeps the id it was sent with, with this behind it


@dataclass(frozen=True, slots=True)
class Said:
    """A text for the model; ours by its id, a person's with an id of the terminal's."""

    id: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Used:
    """What one answer of the model took."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    model: str | None

    @property
    def any(self) -> bool:
        """Whether there is anything to count."""
        return bool(self.input_tokens or self.output_tokens or self.cache_read_tokens or self.cache_write_tokens)

    @property
    def facts(self) -> dict[str, Any]:
        """The fields of the line."""
        return asdict(self)


def read(message: Any) -> Said | Used | None:
    """Return what a kept message is: a text that was told, or an answer with its tokens."""
    if not isinstance(message, dict):
        return None
    match message.get("role"):
        case "user":
            key = message.get("idempotencyKey")
            ours = isinstance(key, str) and key.endswith(USER) and not _typed(message)
            return Said(str(key)[: -len(USER)] if ours else None, text_of(message))
        case "assistant":
            usage = message.get("usage")
            usage = usage if isinstance(usage, dict) else {}
            model = message.get("responseModel") or message.get("model")
            return Used(
                _count(usage.get("input")),
                _count(usage.get("output")),
                _count(usage.get("cacheRead")),
                _count(usage.get("cacheWrite")),
                model if isinstance(model, str) else None,
            )
    return None


def _typed(message: Mapping[str, Any]) -> bool:
    """Tell whether a person typed it in OpenClaw's own terminal."""
    about = message.get("__openclaw")
    clients = about.get("transport", {}).get("clients", ()) if isinstance(about, dict) else ()
    return any(client.get("mode") == "ui" for client in clients if isinstance(client, dict))


def _count(value: Any) -> int:
    return value if type(value) is int and 0 <= value < 2**53 else 0


def text_of(message: Any) -> str:
    """Return the plain text of a message or a tool's result."""
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return "\n".join(_readable(part) for part in parts if isinstance(part, dict) and part.get("type") in _SHOWN)


_SHOWN = ("text", "image")


def _readable(part: Mapping[str, Any]) -> str:
    return str(part.get("text", "")) if part.get("type") == "text" else "[a picture]"


def called(block: Mapping[str, Any]) -> tuple[str, str, Any]:
    """Return id, tool and arguments of a call."""
    return str(block.get("id")), str(block.get("name")), block.get("arguments")


def lines(messages: list[Any], since_ms: float) -> Iterator[dict[str, Any]]:
    """Yield the daemon's lines for what was said since then (Unix time in ms), each with its time `at`."""
    for message in messages:
        if isinstance(message, dict) and (at := _at(message)) >= since_ms:
            yield from ({"at": at, **line} for line in _lines(message))


def _lines(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if message.get("role") == "toolResult":
        error = message.get("isError") is True
        text = bounded(text_of(message))
        yield {"type": "tool_returned", "id": str(message.get("toolCallId")), "text": text, "is_error": error}
        return
    match read(message):
        case Said(text=text):
            yield {"type": "told", "id": None, "text": text}
        case Used() as used:
            for block in message.get("content") or ():
                if isinstance(block, dict):
                    yield from _block(block)
            if used.any:
                yield {"type": "used", **used.facts}


def _at(message: Mapping[str, Any]) -> float:
    at = message.get("timestamp")
    return at if isinstance(at, int | float) else 0


def _block(block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    match block.get("type"):
        case "thinking" if block.get("thinking"):
            yield {"type": "thought", "text": str(block["thinking"])}
        case "text" if block.get("text"):
            yield {"type": "text", "text": str(block["text"])}
        case "toolCall":
            call, tool, arguments = called(block)
            arguments = arguments if isinstance(arguments, dict) else {}
            yield {"type": "tool_called", "id": call, "tool": tool, "input": arguments}
