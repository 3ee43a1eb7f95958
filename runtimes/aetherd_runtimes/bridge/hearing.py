"""What a bridge reads: lines out of bytes, and the daemon's words out of lines."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

LINE_LIMIT = 4 << 20  # bytes of a line of the daemon's
CHUNK = 1 << 16
REMEMBERED_IDS = 10_000
PRIORITIES = ("now", "next", "queue")

Trouble = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Say:
    """A text for the model."""

    id: str
    text: str
    priority: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Stop the turn."""

    id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A person's answer to what was asked."""

    request: str
    allow: bool
    for_run: bool
    reason: str | None


Heard = Say | Interrupt | Answer


class Cutter:
    """Cuts lines out of chunks; one that is too long is counted and left out."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._skipping = 0  # bytes of the line that is left out

    def feed(self, data: bytes) -> Iterator[bytes | int]:
        """Yield complete lines without their end, and the length of each that was left out."""
        *ends, rest = data.split(b"\n")
        for end in ends:
            if self._skipping:
                yield self._skipping + len(end)
                self._skipping = 0
            elif len(self._buffer) + len(end) > self._limit:
                yield len(self._buffer) + len(end)
            else:
                yield bytes(self._buffer + end)
            self._buffer.clear()
        if self._skipping or len(self._buffer) + len(rest) > self._limit:
            self._skipping += len(self._buffer) + len(rest)
            self._buffer.clear()
        else:
            self._buffer += rest


async def lines_of(reader: asyncio.StreamReader, limit: int) -> AsyncIterator[bytes | int]:
    """Yield the lines of a stream until it ends; an int is the length of a line that was too long."""
    cutter = Cutter(limit)
    while data := await reader.read(CHUNK):
        for line in cutter.feed(data):
            yield line


class Ears:
    """Hears the daemon on stdin: each id is obeyed once, what is not of the protocol is told as trouble."""

    def __init__(self, trouble: Trouble, fd: int = 0) -> None:
        self._trouble = trouble
        self._fd = fd
        self._seen: dict[str, None] = {}

    async def listen(self) -> AsyncIterator[Heard]:
        """Yield the daemon's words until it closes our input."""
        reader = asyncio.StreamReader()
        pipe = os.fdopen(self._fd, "rb", buffering=0, closefd=False)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            async for line in lines_of(reader, LINE_LIMIT):
                if isinstance(line, int):
                    self._trouble(f"a line of {line} bytes on stdin is too long and was left out")
                elif line.strip() and (heard := self._hear(line)) is not None:
                    yield heard
        finally:
            transport.close()

    def _hear(self, line: bytes) -> Heard | None:
        try:
            heard = _understand(json.loads(line))
        except (ValueError, TypeError, KeyError, RecursionError):
            self._trouble(f"a line of {len(line)} bytes on stdin is not in my protocol and was left out")
            return None
        if isinstance(heard, Answer):
            return heard
        if heard.id in self._seen:
            return None
        self._seen[heard.id] = None
        if len(self._seen) > REMEMBERED_IDS:
            del self._seen[next(iter(self._seen))]
        return heard


def _understand(message: Any) -> Heard:
    match message["type"]:
        case "say":
            say = Say(_text(message["id"]), _text(message.get("text", "")), message.get("priority", "next"))
            if say.priority in PRIORITIES:
                return say
        case "interrupt":
            return Interrupt(_text(message["id"]))
        case "answer":
            reason = message.get("reason")
            reason = None if reason is None else _text(reason)
            return Answer(_text(message["request"]), message["allow"] is True, message.get("for_run") is True, reason)
    raise ValueError


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value
