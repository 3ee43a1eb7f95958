"""A request as a script and a test see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.model_api.conversation import Conversation, parsed, texts


@dataclass
class Request:
    """One request as it came, and how it was answered."""

    at: float  # wall clock
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    query: dict[str, str] = field(default_factory=dict)
    dialect: str | None = None  # None: it asks for no answer of a model
    conversation: Conversation = field(default_factory=lambda: Conversation([]))
    side: bool = False
    answered: dict[str, Any] = field(default_factory=dict)
    first_byte_at: float | None = None
    ended_at: float | None = None
    cut: bool = False  # the client went away before the end

    @property
    def main(self) -> bool:
        """Whether it is part of an agent's conversation."""
        return self.dialect is not None and not self.side

    @property
    def key(self) -> str | None:
        """The credential, wherever the SDK put it."""
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        places = (bearer, self.headers.get("x-api-key"), self.headers.get("x-goog-api-key"), self.query.get("key"))
        return next((key for key in places if key), None)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation."""
        return self.conversation.messages

    @property
    def tools(self) -> list[str]:
        """The names of the tools offered; one in a namespace is `namespace.name`."""
        return [tool.full for tool in self.conversation.tools]

    @property
    def fresh(self) -> list[dict[str, Any]]:
        """The messages since the last of the assistant."""
        last = max((i for i, m in enumerate(self.messages) if m.get("role") == "assistant"), default=-1)
        return self.messages[last + 1 :]

    @property
    def said(self) -> str:
        """The texts since the last assistant message, tool results apart."""
        return "\n".join(text for message in self.fresh for text in texts(message.get("content")))

    @property
    def system(self) -> str:
        """The system prompt and the system messages."""
        parts = list(texts(self.conversation.system))
        for message in self.messages:
            if message.get("role") == "system":
                parts.extend(texts(message.get("content")))
        return "\n".join(parts)

    @property
    def text(self) -> str:
        """All texts of the conversation, tool results and tool inputs apart."""
        return "\n".join(text for message in self.messages for text in texts(message.get("content")))

    @property
    def tool_results(self) -> list[str]:
        """The texts of the tool results since the last assistant message."""
        return self._results(self.fresh)

    @property
    def answers(self) -> list[Any]:
        """What every tool result of the conversation says, oldest first; None where it is no JSON."""
        return [parsed(text) for text in self._results(self.messages)]

    def _results(self, messages: list[dict[str, Any]]) -> list[str]:
        return [
            "\n".join(texts(block.get("content")))
            for message in messages
            if isinstance(message.get("content"), list)
            for block in message["content"]
            if block.get("type") == "tool_result"
        ]
