"""Reading messages: pages of them, and whom they concern."""

from __future__ import annotations

import json

from sqlmodel import Session, col, select

from aetherd.core.errors import Forbidden, NotFound
from aetherd.core.model import NEWEST, position
from aetherd.kernel.message.models import Message, MessageInbox, Messages, MessageThread
from aetherd.kernel.message.tables import MessageRow
from aetherd.operations.operation import Call
from aetherd.operations.posting import OWNER

LIVING = ("queued", "delivered", "read")  # what its recipient has yet to deal with


def one(session: Session, key: str) -> MessageRow:
    """Return a message by its id."""
    row = session.exec(select(MessageRow).where(MessageRow.id == key)).first()
    if row is None:
        raise NotFound(f"no message {key}; message.inbox shows those there are", kind="message", id=key)
    return row


def party(row: MessageRow, call: Call) -> bool:
    """Tell whether the caller sent or got it; a person takes part in all of their agents' messages."""
    if (row.user, row.org) != (call.user, call.org):
        return False
    return call.agent is None or call.agent in (row.agent, row.recipient)


def enter(session: Session, thread: str, call: Call) -> None:
    """Refuse a thread that does not exist, or in which the caller takes no part."""
    some = select(MessageRow).where(MessageRow.thread == thread)
    mine = some
    if call.agent is not None:
        mine = some.where((MessageRow.agent == call.agent) | (MessageRow.recipient == call.agent))
    found = session.exec(mine.limit(1)).first() or session.exec(some.limit(1)).first()
    if found is None:
        raise NotFound(f"no thread {thread}; message.inbox shows those there are", kind="thread", id=thread)
    if not party(found, call):
        raise Forbidden(f"thread {thread} is between others", kind="thread", id=thread)


def inbox(session: Session, input: MessageInbox, recipient: str | None, call: Call) -> Messages:
    """Return what a recipient got, newest first."""
    before = position(input.cursor, NEWEST)
    rows = select(MessageRow).where(
        MessageRow.user == call.user,
        MessageRow.org == call.org,
        MessageRow.recipient == recipient,
        col(MessageRow.seq) < before,
    )
    if states := [*input.states, *(LIVING if input.unacked else ())]:
        rows = rows.where(col(MessageRow.state).in_(states))
    found = session.exec(rows.order_by(col(MessageRow.seq).desc()).limit(input.limit + 1)).all()
    return _page(list(found), input.limit)


def thread(session: Session, input: MessageThread, call: Call) -> Messages:
    """Return what the caller sent and got in a conversation, oldest first; a person sees all of it."""
    after = position(input.cursor, 0)
    enter(session, input.thread, call)
    rows = select(MessageRow).where(
        MessageRow.thread == input.thread,
        MessageRow.user == call.user,
        MessageRow.org == call.org,
        col(MessageRow.seq) > after,
    )
    if call.agent is not None:
        rows = rows.where((MessageRow.agent == call.agent) | (MessageRow.recipient == call.agent))
    return _page(list(session.exec(rows.order_by(col(MessageRow.seq)).limit(input.limit + 1)).all()), input.limit)


def states(session: Session, thread: str) -> list[str]:
    """Return the states of all messages of a thread."""
    return list(session.exec(select(col(MessageRow.state)).where(MessageRow.thread == thread)))


def given(session: Session, keys: list[str]) -> list[str]:
    """Return which of some messages a runtime was given and may tell at once that it has them."""
    rows = select(col(MessageRow.id)).where(
        col(MessageRow.id).in_(keys),
        MessageRow.state == "queued",
        MessageRow.priority != "queue",
        col(MessageRow.pid).is_not(None),
    )
    return list(session.exec(rows))


def wire(row: MessageRow) -> Message:
    """Return a message as it is shown."""
    facts = row.model_dump(
        exclude={"seq", "agent", "sender_name", "recipient", "recipient_name", "pid", "user", "org", "created_by"}
    )
    return Message.model_validate(
        {
            **facts,
            "from": row.agent or row.sender_name,
            "from_name": row.sender_name,
            "to": row.recipient or OWNER,
            "to_name": row.recipient_name,
            "data": None if row.data is None else json.loads(row.data),
        }
    )


def _page(rows: list[MessageRow], limit: int) -> Messages:
    more = len(rows) > limit
    rows = rows[:limit]
    return Messages(messages=[wire(row) for row in rows], cursor=str(rows[-1].seq) if more else None)
