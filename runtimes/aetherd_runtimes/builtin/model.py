"""The seam where a model is plugged into the loop: what it is told, what it yields, and its one method.

A provider is a class with a `name` and `respond`. The loop calls `respond` with the whole conversation, shows
the blocks as they come, runs the tools, appends what they returned and calls again until a response asks for
nothing.
"""

from __future__ import annotations

import select
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool on offer."""

    name: str
    description: str
    input_schema: Mapping[str, Any]
    read_only: bool


# What a model is told --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Said:
    """Somebody's words."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """A picture a tool gave."""

    media_type: str
    data: str  # base64


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What became of a `ToolUse`: `data` is the structured answer, when there is one."""

    id: str
    text: str
    data: Mapping[str, Any] | None = None
    is_error: bool = False
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The turn was stopped here from outside."""


# What a model yields ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Delta:
    """Part of a block while it is written; an empty one lets the loop look at its input."""

    kind: Literal["text", "thought"]
    text: str


@dataclass(frozen=True, slots=True)
class Thought:
    """A whole block of reasoning; `sealed` is the provider's own form of it, given back as it came."""

    text: str
    sealed: Any = None


@dataclass(frozen=True, slots=True)
class Text:
    """A whole block of text."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A wish to call a tool; the id is the model's and unique in the conversation."""

    id: str
    name: str
    input: Mapping[str, Any]
    wrong: str = ""  # why it cannot be called: its input could not be read
    sealed: Any = None  # the provider's own addition, given back as it came


@dataclass(frozen=True, slots=True)
class Usage:
    """What the response cost."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so long, or with None until something is said; then `respond` is called again. For scripts."""

    seconds: float | None = None
    until_said: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """End the turn in another way than completed."""

    outcome: Literal["failed", "limited"]
    error: str
    resets_at: str | None = None


@dataclass(frozen=True, slots=True)
class Anew:
    """The answer is asked for again: what was shown of it so far is void, for this reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Cut:
    """The answer was cut off at its longest; it can go on when it is told to."""


class TooLong(Exception):
    """Raised by a model whose provider says that the conversation does not fit its window."""


Content = Said | ToolResult | Interrupted | Thought | Text | ToolUse
Block = Delta | Thought | Text | ToolUse | Usage | Pause | Stop | Anew | Cut


@dataclass(frozen=True, slots=True)
class Message:
    """One side's contribution; the conversation only grows."""

    role: Literal["context", "user", "assistant"]
    content: tuple[Content, ...] = field(default=())


class Wait(Protocol):
    """How everything here waits: `Inbox.wait`."""

    def __call__(self, fd: int | None = None, events: int = select.POLLIN, deadline: float | None = None) -> bool:
        """Return whether `fd` became ready before the deadline (`time.monotonic`); may raise `Hurry`."""
        ...


class Model(Protocol):
    """Something that decides what to do next. One instance per process."""

    @property
    def name(self) -> str:
        """Return what the console shows as the model."""
        ...

    def respond(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Iterator[Block]:
        """Yield blocks as they come, waiting only by `Wait`, so that the step can be stopped at any moment.

        The iterator is closed when the step is stopped. An exception ends the turn as failed, with its text, but
        for `TooLong`.
        """
        ...
