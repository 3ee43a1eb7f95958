"""What the dialects share: the question they put, the turns of a conversation, streams cut into messages."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from aetherd_runtimes.builtin.model import (
    Block,
    Content,
    Cut,
    Image,
    Interrupted,
    Message,
    Said,
    Text,
    Tool,
    ToolResult,
    ToolUse,
)

LINE_LIMIT = 32 * 1024 * 1024
KEPT_IMAGES = 6  # the newest; each costs about as much as two pages of text
INTERRUPTED = "[The turn was stopped here from outside.]"
NO_IMAGE = "[A picture was here; it is too old to be shown again.]"


class Broken(Exception):
    """Raised when a stream ends before its answer does, or cannot be read."""


class Away(Broken):
    """Raised when nobody can be asked at the address."""


class Refused(Exception):
    """Raised when the provider answers with an error: its status (0: none), its own kind and words for it."""

    def __init__(self, status: int, kind: str, text: str, after: float | None = None, again: bool | None = None):
        super().__init__(text)
        self.status, self.kind, self.text = status, kind, text
        self.after = after  # seconds until it can be asked again, when it says so
        self.again = again  # whether it says that it may be asked again


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to a model: everything that was said, what it may call, how long it may answer."""

    model: str
    system: str
    turns: Sequence[Turn]
    tools: Sequence[Tool]
    limit: int  # tokens of the answer
    window: int  # tokens of question and answer together


@dataclass(slots=True)
class Turn:
    """All that one side said before the other did; of a user first what the tools returned."""

    role: str  # user | assistant
    content: list[Content] = field(default_factory=list)


class Dialect(Protocol):
    """A provider's protocol."""

    def path(self, model: str) -> str:
        """Return where to ask, below the provider's base address."""
        ...

    def headers(self, key: str) -> dict[str, str]:
        """Return the headers that carry the key and whatever else must be there."""
        ...

    def body(self, ask: Ask) -> dict[str, Any]:
        """Return the question as it is sent, as JSON."""
        ...

    def blocks(self, chunks: Iterable[bytes]) -> Iterator[Block]:
        """Yield deltas as they come and the whole blocks at the end; raises `Broken` or `Refused`."""
        ...


def system_of(messages: Sequence[Message]) -> str:
    """Return what stands above the conversation."""
    said = (
        content.text
        for message in messages
        if message.role == "context"
        for content in message.content
        if isinstance(content, Said)
    )
    return "\n\n".join(said)


def turns_of(messages: Sequence[Message]) -> list[Turn]:
    """Return the conversation as turns that alternate, beginning with the user's; old pictures are left out."""
    turns: list[Turn] = []
    for message in messages:
        if message.role == "context":
            continue
        if not turns or turns[-1].role != message.role:
            turns.append(Turn(message.role))
        turns[-1].content.extend(message.content)
    turns = [
        turn for turn in turns if turn.role == "user" or any(isinstance(one, Text | ToolUse) for one in turn.content)
    ]
    merged: list[Turn] = []
    for turn in turns:  # an answer of nothing but thoughts is gone now
        if merged and merged[-1].role == turn.role:
            merged[-1].content.extend(turn.content)
        else:
            merged.append(turn)
    left = KEPT_IMAGES
    for turn in reversed(merged):
        turn.content.sort(key=lambda one: not isinstance(one, ToolResult)) if turn.role == "user" else None
        for index in range(len(turn.content) - 1, -1, -1):
            one = turn.content[index]
            if isinstance(one, ToolResult) and one.images:
                kept = one.images[-left:] if left else ()
                note = "" if len(kept) == len(one.images) else f"\n{NO_IMAGE}"
                turn.content[index] = ToolResult(one.id, one.text + note, one.data, one.is_error, kept)
                left -= len(kept)
    return merged


def words_of(content: Said | Interrupted) -> str:
    """Return what somebody said, or what happened to the turn, as text."""
    return content.text if isinstance(content, Said) else INTERRUPTED


def names_of(turns: Sequence[Turn]) -> dict[str, ToolUse]:
    """Return every call by its id: some dialects want the name again with the result."""
    return {one.id: one for turn in turns for one in turn.content if isinstance(one, ToolUse)}


def data_url(image: Image) -> str:
    """Return a picture as an address that holds it."""
    return f"data:{image.media_type};base64,{image.data}"


def called(id: str, name: str, text: str, sealed: Any = None) -> ToolUse:
    """Return a call whose input came as JSON text; one that cannot be read says so."""
    try:
        value = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        return ToolUse(id, name, {}, f"its input is not JSON: {text[:200]}", sealed)
    if not isinstance(value, dict):
        return ToolUse(id, name, {}, f"its input is no object: {text[:200]}", sealed)
    return ToolUse(id, name, value, "", sealed)


def whole(blocks: Sequence[Block], cut: bool) -> Iterator[Block]:
    """Yield the blocks of an answer; of one that was cut off, no half a call, and that it was cut."""
    yield from (block for block in blocks if not (cut and isinstance(block, ToolUse) and block.wrong))
    if cut:
        yield Cut()


def new_id() -> str:
    """Return an id for a call of a model that gives none."""
    return f"call_{os.urandom(8).hex()}"


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Cut a stream into lines."""
    buffer = bytearray()
    for chunk in chunks:
        *done, rest = chunk.split(b"\n")
        for part in done:
            buffer += part
            yield buffer.decode("utf-8", "replace").rstrip("\r")
            buffer.clear()
        buffer += rest
        if len(buffer) > LINE_LIMIT:
            raise Broken(f"a line of more than {LINE_LIMIT} bytes came")
    if buffer:
        yield buffer.decode("utf-8", "replace").rstrip("\r")


def messages_of(chunks: Iterable[bytes], *, sse: bool = True) -> Iterator[Mapping[str, Any]]:
    """Yield the JSON objects of a stream of server-sent events, or of one object per line; `[DONE]` ends it."""
    held: list[str] = []
    for line in lines(chunks):
        if not sse:
            held = [line]
        elif line.startswith("data:"):
            held.append(line[5:].removeprefix(" "))
            continue
        elif line:
            continue  # an event's name, an id, a comment
        if held and "".join(held).strip():
            text = "\n".join(held)
            if text.strip() == "[DONE]":
                return
            yield _object(text)
        held = []
    if held and "".join(held).strip() not in ("", "[DONE]"):
        yield _object("\n".join(held))


def _object(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Broken(f"it sent something that is no JSON: {text[:80]!r}") from error
    if not isinstance(value, dict):
        raise Broken(f"it sent something that is no object: {text[:80]!r}")
    return value


def count(value: Any) -> int:
    """Return a number of tokens as it was told, 0 when it was not."""
    return value if type(value) is int and value > 0 else 0
