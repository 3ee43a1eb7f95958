"""What the message room takes and gives."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator

from aetherd.core.model import Model, Page
from aetherd.kernel.message.kinds import Kind

Said = Literal["text", "review_request", "status_update", "knowledge_share"]  # what can be said to many
Priority = Literal["now", "next", "queue"]
State = Literal["queued", "delivered", "read", "acked", "failed"]


class MessageSend(Model):
    """Text for another agent, or for the person; `to` and `text` are enough."""

    to: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="agent id or name, or `owner` for the person; default: who sent the message you reply to",
    )
    text: str = Field(min_length=1, max_length=100_000, repr=False, description="what you want to say")
    kind: Kind = Field(default="text", description="what it is about")
    priority: Priority = Field(
        default="next",
        description="now cuts its current step, next is read at its next tool boundary, queue after its turn",
    )
    thread: str | None = Field(default=None, max_length=100, description="thread to go on; default a new one")
    reply_to: str | None = Field(
        default=None, max_length=100, description="id of the message you answer; keeps its thread"
    )
    data: dict[str, Any] | None = Field(
        default=None,
        repr=False,
        description="facts, by kind: review_request {subject}, review_response {verdict: approve, changes or reject}, "
        "task_* {task?: id}, task_rejected {reason}, status_update {status}, knowledge_share {tags?}; text: any",
    )

    @model_validator(mode="after")
    def _somebody(self) -> MessageSend:
        if self.to is None and self.reply_to is None:
            raise ValueError("to whom? give `to`, or `reply_to`")
        return self


class Message(Model):
    """One message."""

    model_config = ConfigDict(serialize_by_alias=True)

    id: str
    thread: str
    correlation: str | None = Field(description="the same for a request and all that answers it")
    reply_to: str | None
    sender: str = Field(alias="from", description="agent id, `owner` for the person, `aetherd` for a notice")
    from_name: str
    to: str = Field(description="agent id, or `owner` for the person")
    to_name: str
    text: str
    kind: Kind
    priority: Priority
    state: State = Field(
        description="queued until the recipient's runtime has it, then delivered; failed: it never can"
    )
    data: dict[str, Any] | None
    created_at: str
    delivered_at: str | None
    read_at: str | None
    acked_at: str | None
    failed_at: str | None
    failed_reason: str | None


class MessageBroadcast(Model):
    """Text for many agents; `text` alone goes to all agents of the user, except you and those put away."""

    text: str = Field(min_length=1, max_length=100_000, repr=False, description="what you want to say")
    kind: Said = Field(default="text", description="what it is about")
    priority: Priority = Field(default="next", description="as in message.send")
    role: str | None = Field(default=None, max_length=200, description="only agents of exactly this role")
    template: str | None = Field(default=None, max_length=100, description="only agents made from this template")
    workspace: str | None = Field(default=None, max_length=100, description="only agents that have this workspace")
    data: dict[str, Any] | None = Field(default=None, repr=False, description="facts, as in message.send")


class Broadcast(Model):
    """How far it has come; message.thread shows each message, and what is answered."""

    thread: str = Field(description="the same for all of them; each agent sees only its own part")
    correlation: str | None = Field(description="of a request: what all answers carry")
    memory: str | None = Field(description="the memory a knowledge_share was kept as")
    recipients: int
    states: dict[State, int] = Field(description="how many are in which state by now")


class MessageInbox(Page):
    """Whose messages, and which; newest first."""

    agent: str | None = Field(default=None, description="for people: this agent's inbox; default your own")
    states: list[State] = Field(default=[], max_length=5, description="only these states; default all, see `unacked`")
    unacked: bool = Field(default=False, description="only those not acknowledged yet")


class Messages(Model):
    """A page of messages."""

    messages: list[Message]
    cursor: str | None = None


class MessageAck(Model):
    """Which messages you have dealt with."""

    ids: list[str] = Field(min_length=1, max_length=100, description="message ids")
    state: Literal["read", "acked"] = Field(default="acked", description="acked: dealt with; read: only seen")


class Acked(Model):
    """The messages as they are now."""

    messages: list[Message]


class MessageThread(Page):
    """A conversation; oldest first."""

    thread: str = Field(max_length=100, description="thread id")
