"""What a dialect is, and what the dialects share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from tests.model_api.conversation import Conversation
from tests.model_api.script import Part, Reply


@dataclass(frozen=True)
class Frame:
    """Bytes of a stream that belong together."""

    data: bytes
    delta: bool = False  # part of a text or of a call: delayed and counted
    last: bool = False  # the one after which the answer is whole: a stall comes before it


Piece = Frame | dict[str, Any]  # a frame, or a pause of the script


class Dialect(Protocol):
    """A provider's wire format."""

    name: str
    content_type: str  # of a stream
    ping: bytes  # what may be written while nothing is to be said

    def speaks(self, path: str) -> bool:
        """Say whether a request to this path asks for an answer of the model."""
        ...

    def read(self, path: str, body: dict[str, Any]) -> Conversation:
        """Bring a request into the common form."""
        ...

    def whole(self, reply: Reply) -> dict[str, Any]:
        """Return an answer in one piece."""
        ...

    def stream(self, reply: Reply, asked: Conversation) -> Iterator[Piece]:
        """Yield an answer piece by piece."""
        ...

    def error(self, status: int, error: dict[str, Any]) -> dict[str, Any]:
        """Return the body of a refusal; `error` is the script's."""
        ...

    def beside(self, path: str, body: dict[str, Any], models: list[str]) -> dict[str, Any] | None:
        """Answer what else a client may ask, such as the list of models; None when it is not of this dialect."""
        ...


def unversioned(path: str) -> str:
    """Return the path without /v1, which base addresses have or have not."""
    return path.removeprefix("/v1")


def data(value: Any, **facts: bool) -> Frame:
    """Return a server-sent event without a name."""
    return Frame(f"data: {json.dumps(value)}\n\n".encode(), **facts)


def event(value: dict[str, Any], **facts: bool) -> Frame:
    """Return a server-sent event that has its type for a name."""
    return Frame(f"event: {value['type']}\ndata: {json.dumps(value)}\n\n".encode(), **facts)


def tokens(body: dict[str, Any]) -> int:
    """Guess how many tokens a request has."""
    return len(json.dumps(body)) // 4


def pieces(text: str, size: int) -> Iterator[str]:
    """Yield the JSON of a call's input in at most 200 pieces."""
    step = max(size, len(text) // 200 + 1)
    for at in range(0, len(text), step):
        yield text[at : at + step]


__all__ = ["Dialect", "Frame", "Part", "Piece", "data", "event", "pieces", "tokens", "unversioned"]
