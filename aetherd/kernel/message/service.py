"""Messages: durable text from agent to agent, handed to the recipient's runtime once it can take it."""

from __future__ import annotations

import json
import logging
import re
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
from sqlmodel import Session, col, select

from aetherd.core.clock import Clock, stamp
from aetherd.core.context import Origin, origin
from aetherd.core.errors import AetherError, Exhausted, Forbidden, Invalid, NotFound
from aetherd.core.ids import new_id
from aetherd.kernel.message.events import MessageAcked, MessageDelivered, MessageFailed, MessageSent
from aetherd.kernel.message.models import (
    Acked,
    Message,
    MessageAck,
    MessageInbox,
    Messages,
    MessageSend,
    MessageThread,
)
from aetherd.kernel.message.ports import Agents, Processes
from aetherd.kernel.message.posts import OWNER, Posts
from aetherd.kernel.message.tables import MessageRow
from aetherd.operations.operation import Call, Effect, Owner, Rule, Subject, operation
from aetherd.store import Store, Tx, rider

logger = logging.getLogger(__name__)

HOUSE = "aetherd"  # the sender of announcements
PER_MINUTE = 120  # most messages an agent sends in a minute: two that answer each other for ever are slowed
RETRY_S = 15.0  # how often messages that no process could take are tried again
BATCH = 100


class MessageService:
    """Sends, delivers and shows messages."""

    def __init__(self, store: Store, clock: Clock, agent: Agents, process: Processes) -> None:
        self._store, self._clock, self._agents, self._processes = store, clock, agent, process
        self._sent: dict[str, deque[float]] = {}  # when an agent sent what it sent in the last minute
        self._order: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)  # one delivery to an agent at a time
        self._posts = Posts(clock, self._try)
        self.post_in = self._posts.post_in

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver what waited while the daemon was down, and go on trying."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._keep_trying)
            group.start_soon(self._posts.keep_delivering)
            yield
            group.cancel_scope.cancel()

    def offers(self) -> Mapping[str, Any]:
        """Say who owns a message, and deliver to processes that start."""
        return {"owners.message": self.owner, "process.start_hooks": self.on_start}

    async def owner(self, key: str) -> Owner:
        """Return whose a message is: its sender's."""
        row = await self._row(key)
        return Owner(row.agent, row.user, row.org)

    # Operations -------------------------------------------------------------------------------------

    @operation("message.send", access=Rule.OWN, positional=("to", "text"))
    async def send(self, input: MessageSend, call: Call) -> Message:
        """Send text to another agent by id or name, or to the person with `to: owner`.

        It is durable and reaches a running agent in its conversation; one that does not run gets it when it
        next starts. Answer a message with `reply_to`. Answers come into your own conversation: do not poll.
        """
        answered = None if input.reply_to is None else await self._row(input.reply_to)
        if answered is not None and not _party(answered, call):
            raise Forbidden(f"message {answered.id} is between others", kind="message", id=answered.id)
        thread = input.thread or (answered.thread if answered is not None else new_id("thread"))
        if input.thread is not None:
            await self._in_thread(input.thread, call)
        recipient, recipient_name = await self._to(input.to, answered, call)
        if recipient == call.agent:
            raise Invalid("message.send: to: that is yourself")
        sender_name = OWNER if call.agent is None else (await self._agents.find(call.agent, call)).name
        if call.agent is not None:
            self._pace(call.agent)
        now = stamp(self._clock.now())
        row = MessageRow(
            id=new_id("message"),
            thread=thread,
            reply_to=input.reply_to,
            agent=call.agent,
            sender_name=sender_name,
            recipient=recipient,
            recipient_name=recipient_name,
            kind=input.kind,
            priority=input.priority,
            state="queued" if recipient is not None else "delivered",  # a person's inbox is the delivery
            text=input.text,
            data=None if input.data is None else json.dumps(input.data, ensure_ascii=False),
            user=call.user,
            org=call.org,
            created_at=now,
            created_by=call.actor,
            delivered_at=None if recipient is not None else now,
        )

        def work(tx: Tx) -> None:
            tx.session.add(row)
            tx.emit(
                MessageSent(
                    agent=call.agent,
                    pid=call.pid,
                    message=row.id,
                    thread=row.thread,
                    to=recipient or OWNER,
                    kind=row.kind,
                    priority=row.priority,
                )
            )

        await self._store.write(work)
        if recipient is None:
            return _wire(row)
        try:
            await self._deliver(recipient)
        except Exception:  # it is durable and will be tried again; the sender must not send it twice
            logger.exception("message %s could not be delivered", row.id)
        return _wire(await self._row(row.id))

    @operation("message.inbox", effect=Effect.READ, access=Subject("agent", "agent"))
    async def inbox(self, input: MessageInbox, call: Call) -> Messages:
        """Show the messages you got, newest first; looking changes nothing, message.ack does."""
        before = _position(input.cursor, 1 << 62, "message.inbox")
        mine = call.agent if input.agent is None else (await self._agents.find(input.agent, call)).id
        states = [*input.states, *(("queued", "delivered", "read") if input.unacked else ())]

        def query(session: Session) -> list[MessageRow]:
            rows = select(MessageRow).where(
                MessageRow.user == call.user, MessageRow.org == call.org, MessageRow.recipient == mine
            )
            if states:
                rows = rows.where(col(MessageRow.state).in_(states))
            rows = rows.where(col(MessageRow.seq) < before)
            return list(session.exec(rows.order_by(col(MessageRow.seq).desc()).limit(input.limit + 1)))

        return _page(await self._store.read(query), input.limit)

    @operation("message.ack", access=Rule.OWN, positional=("ids",))
    async def ack(self, input: MessageAck, call: Call) -> Acked:
        """Tell that you have dealt with messages you got, so that their senders know."""
        for key in input.ids:
            row = await self._row(key)
            if row.recipient != call.agent or (row.user, row.org) != (call.user, call.org):
                raise Forbidden(f"message {key} was sent to somebody else", kind="message", id=key)
        now = stamp(self._clock.now())

        def work(tx: Tx) -> list[MessageRow]:
            rows = []
            for key in dict.fromkeys(input.ids):
                row = tx.session.exec(select(MessageRow).where(MessageRow.id == key)).one()
                rows.append(row)
                if row.state in (input.state, "acked"):
                    continue
                row.state = input.state
                row.delivered_at = row.delivered_at or now
                row.read_at = row.read_at or now
                row.acked_at = now if input.state == "acked" else None
                tx.session.add(row)
                tx.emit(
                    MessageAcked(agent=call.agent, pid=call.pid, message=row.id, thread=row.thread, state=row.state)
                )
            return rows

        return Acked(messages=[_wire(row) for row in await self._store.write(work)])

    @operation("message.thread", effect=Effect.READ, access=Rule.OWN, positional=("thread",))
    async def thread(self, input: MessageThread, call: Call) -> Messages:
        """Show a conversation you take part in, oldest first."""
        after = _position(input.cursor, 0, "message.thread")
        await self._in_thread(input.thread, call)

        def query(session: Session) -> list[MessageRow]:
            rows = select(MessageRow).where(
                MessageRow.thread == input.thread,
                MessageRow.user == call.user,
                MessageRow.org == call.org,
                col(MessageRow.seq) > after,
            )
            if call.agent is not None:
                rows = rows.where((MessageRow.agent == call.agent) | (MessageRow.recipient == call.agent))
            return list(session.exec(rows.order_by(col(MessageRow.seq)).limit(input.limit + 1)))

        return _page(await self._store.read(query), input.limit)

    # For other rooms --------------------------------------------------------------------------------

    async def announce(self, agent: str, name: str, text: str, data: dict[str, Any]) -> None:
        """Send an agent a message of the house itself, durable as any; raises only when it cannot be written."""
        who = origin.get()
        await self._store.write(
            lambda tx: self.post_in(
                tx,
                sender=(None, HOUSE),
                to=(agent, name),
                text=text,
                kind="status_update",
                data=data,
                user=who.user,
                org=who.org,
            )
        )
        await self._try(agent)

    # Delivery ---------------------------------------------------------------------------------------

    async def on_start(self, pid: int, agent: str) -> None:
        """Deliver what waits for an agent whose process has just started."""
        await self._deliver(agent)

    async def _deliver(self, agent: str) -> None:
        """Hand an agent its waiting messages in the order of sending, until none is left or none is taken.

        A daemon killed between the hand-over and its record hands over again; the key makes that once.
        """
        async with self._order[agent]:
            while rows := await self._store.read(lambda session: _waiting(session, agent)):
                for row in rows:
                    by = f"agent:{row.agent}" if row.agent else row.created_by
                    failure = None
                    try:
                        if not await self._processes.deliver(agent, _spoken(row), row.priority, row.id, by):
                            return
                    except AetherError as exc:
                        if exc.retryable:
                            logger.info("message %s waits: %s", row.id, exc.message)
                            return
                        failure = exc.message
                    await self._record(row, failure)

    async def _record(self, row: MessageRow, failure: str | None) -> None:
        """Record a delivery, or that there can be none; not as part of whatever call made us look."""
        now = stamp(self._clock.now())

        def work(tx: Tx) -> None:
            moved = tx.execute(
                "UPDATE message SET state = ?, delivered_at = ?, failed_reason = ? WHERE id = ? AND state = 'queued'",
                ("failed" if failure else "delivered", None if failure else now, failure, row.id),
            ).rowcount
            if not moved:  # acknowledged before we came to write it down
                return
            if failure:
                tx.emit(MessageFailed(agent=row.agent, message=row.id, thread=row.thread, reason=failure))
            else:
                tx.emit(
                    MessageDelivered(agent=row.recipient, message=row.id, thread=row.thread, sender=row.agent or OWNER)
                )

        actor, slot = origin.set(Origin("system", None, row.user, row.org)), rider.set(None)
        try:
            await self._store.write(work)
        finally:
            rider.reset(slot)
            origin.reset(actor)

    async def _keep_trying(self) -> None:
        while True:
            for agent in await self._store.read(_recipients):
                await self._try(agent)
            await self._clock.sleep(RETRY_S)

    async def _try(self, agent: str) -> None:
        try:
            await self._deliver(agent)
        except Exception:
            logger.exception("messages for %s could not be delivered", agent)

    # ------------------------------------------------------------------------------------------------

    async def _to(self, ref: str | None, answered: MessageRow | None, call: Call) -> tuple[str | None, str]:
        """Return the recipient's id, None for the person, and its name."""
        if ref is None:
            assert answered is not None
            if answered.agent == call.agent:  # one's own message: go on towards the same recipient
                return answered.recipient, answered.recipient_name
            return answered.agent, answered.sender_name
        if ref == OWNER:
            return None, OWNER
        found = await self._agents.find(ref, call)
        return found.id, found.name

    async def _in_thread(self, thread: str, call: Call) -> None:
        """Refuse a thread that does not exist, or in which the caller takes no part."""

        def query(session: Session) -> list[MessageRow]:
            some = select(MessageRow).where(MessageRow.thread == thread)
            mine = some
            if call.agent is not None:
                mine = some.where((MessageRow.agent == call.agent) | (MessageRow.recipient == call.agent))
            return [row for rows in (mine, some) if (row := session.exec(rows.limit(1)).first())]

        found = await self._store.read(query)
        if not found:
            raise NotFound(f"no thread {thread}", kind="thread", id=thread)
        if not _party(found[0], call):
            raise Forbidden(f"thread {thread} is between others", kind="thread", id=thread)

    def _pace(self, agent: str) -> None:
        now = self._clock.monotonic()
        times = self._sent.setdefault(agent, deque())
        while times and times[0] <= now - 60:
            times.popleft()
        if len(times) >= PER_MINUTE:
            raise Exhausted(
                f"{PER_MINUTE} messages in a minute; wait, and answer only what needs an answer",
                retry_after_s=round(times[0] + 60 - now, 1),
            )
        times.append(now)

    async def _row(self, key: str) -> MessageRow:
        row = await self._store.read(
            lambda session: session.exec(select(MessageRow).where(MessageRow.id == key)).first()
        )
        if row is None:
            raise NotFound(f"no message {key}", kind="message", id=key)
        return row


def _party(row: MessageRow, call: Call) -> bool:
    """Tell whether the caller sent or got it; a person takes part in all of their agents' messages."""
    if (row.user, row.org) != (call.user, call.org):
        return False
    return call.agent is None or call.agent in (row.agent, row.recipient)


def _waiting(session: Session, agent: str) -> list[MessageRow]:
    rows = select(MessageRow).where(MessageRow.recipient == agent, MessageRow.state == "queued")
    return list(session.exec(rows.order_by(col(MessageRow.seq)).limit(BATCH)))


def _recipients(session: Session) -> list[str]:
    rows = select(MessageRow.recipient).where(MessageRow.state == "queued").distinct()
    return [agent for agent in session.exec(rows) if agent is not None]


def _spoken(row: MessageRow) -> str:
    """Return what the recipient's model reads."""
    kind = "" if row.kind == "text" else f", {row.kind}"
    data = "" if row.data is None else f"\ndata: {row.data}"
    return (
        f"Message from {row.sender_name} (message {row.id}, thread {row.thread}{kind}):\n{row.text}{data}\n\n"
        f"Answer with aether_message_send, reply_to {row.id}."
    )


def _position(cursor: str | None, start: int, name: str) -> int:
    if cursor is None:
        return start
    if not re.fullmatch(r"[0-9]{1,18}", cursor):
        raise Invalid(f"{name}: cursor: not a cursor of this list")
    return int(cursor)


def _page(rows: list[MessageRow], limit: int) -> Messages:
    more = len(rows) > limit
    rows = rows[:limit]
    return Messages(messages=[_wire(row) for row in rows], cursor=str(rows[-1].seq) if more else None)


def _wire(row: MessageRow) -> Message:
    return Message.model_validate(
        {
            **row.model_dump(
                exclude={
                    "seq",
                    "agent",
                    "sender_name",
                    "recipient",
                    "recipient_name",
                    "user",
                    "org",
                    "created_by",
                }
            ),
            "from": row.agent or OWNER,
            "from_name": row.sender_name,
            "to": row.recipient or OWNER,
            "to_name": row.recipient_name,
            "data": None if row.data is None else json.loads(row.data),
        }
    )
