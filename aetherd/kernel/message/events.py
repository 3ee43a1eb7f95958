"""What happens to messages; never their text."""

from __future__ import annotations

from typing import Literal

from aetherd.events import Event


class MessageSent(Event):
    """A message is durable; `agent` is who sent it."""

    type: Literal["message.sent"] = "message.sent"
    message: str
    thread: str
    to: str
    kind: str
    priority: str


class MessageDelivered(Event):
    """The recipient's runtime has it; `agent` is who got it."""

    type: Literal["message.delivered"] = "message.delivered"
    message: str
    thread: str
    sender: str


class MessageAcked(Event):
    """The recipient has read or acknowledged it; `agent` is the recipient."""

    type: Literal["message.acked"] = "message.acked"
    message: str
    thread: str
    state: str


class MessageFailed(Event):
    """It can never be delivered; `agent` is who sent it."""

    type: Literal["message.failed"] = "message.failed"
    message: str
    thread: str
    to: str
    reason: str


EVENTS = (MessageSent, MessageDelivered, MessageAcked, MessageFailed)
