"""Messages on paper: written, bounced and read back, each step inside somebody's transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import anyio

from aetherd.core.clock import Clock, stamp
from aetherd.core.ids import new_id
from aetherd.kernel.message.events import MessageFailed, MessageSent
from aetherd.kernel.message.ports import Agents
from aetherd.kernel.message.tables import MessageRow
from aetherd.operations.posting import HOUSE, OWNER
from aetherd.store import Tx

MOST_WAITING = 1_000  # messages for one agent: what nobody reads is not piled up for ever
NAMED = 100  # ids of messages that one note names

Party = tuple[str | None, str]  # agent id, None for the person and the house; and name


class Posts:
    """Takes messages in, and knows for which agents something was left."""

    def __init__(self, clock: Clock, agents: Agents) -> None:
        self._clock, self._agents = clock, agents
        self._waiting: set[str] = set()
        self._left = anyio.Event()

    def now(self) -> str:
        """Return the wire form of now."""
        return stamp(self._clock.now())

    def letter(
        self,
        sender: Party,
        to: Party,
        text: str,
        *,
        kind: str,
        data: dict[str, Any] | None,
        user: str,
        org: str,
        by: str,
        priority: str = "next",
        thread: str | None = None,
        reply_to: str | None = None,
        correlation: str | None = None,
    ) -> MessageRow:
        """Return a message that is not written yet; a person has it as soon as it is."""
        now = self.now()
        return MessageRow(
            id=new_id("message"),
            thread=thread or new_id("thread"),
            correlation=correlation,
            reply_to=reply_to,
            agent=sender[0],
            sender_name=sender[1],
            recipient=to[0],
            recipient_name=to[1],
            kind=kind,
            priority=priority,
            state="queued" if to[0] is not None else "delivered",
            text=text,
            data=None if data is None else json.dumps(data, ensure_ascii=False),
            user=user,
            org=org,
            created_at=now,
            created_by=by,
            delivered_at=None if to[0] is not None else now,
        )

    def enter(self, tx: Tx, row: MessageRow, pid: int | None = None) -> None:
        """Write a message; one that can never arrive bounces at once."""
        tx.session.add(row)
        tx.session.flush()
        tx.emit(
            MessageSent(
                agent=row.agent,
                pid=pid,
                message=row.id,
                thread=row.thread,
                to=row.recipient or OWNER,
                kind=row.kind,
                priority=row.priority,
            )
        )
        if row.recipient is not None and (why := self._no_way(tx, row.recipient)):
            self.bounce(tx, [row], why)

    def bounce(self, tx: Tx, rows: Sequence[MessageRow], why: str) -> None:
        """Write that messages can never arrive; each sender finds one note about it in its inbox."""
        senders: dict[Party, list[MessageRow]] = {}
        for row in rows:
            row.state, row.failed_at, row.failed_reason = "failed", self.now(), why
            tx.session.add(row)
            to = row.recipient or OWNER
            tx.emit(MessageFailed(agent=row.agent, message=row.id, thread=row.thread, to=to, reason=why))
            if row.sender_name != HOUSE or row.agent is not None:
                senders.setdefault((row.agent, row.sender_name), []).append(row)
        for sender, theirs in senders.items():
            self._note(tx, sender, theirs, why)

    def _note(self, tx: Tx, sender: Party, rows: Sequence[MessageRow], why: str) -> None:
        ids, first = [row.id for row in rows], rows[0]
        what = f"Your message {ids[0]}" if len(ids) == 1 else f"{len(ids)} messages of yours, from {ids[0]} on,"
        self.leave_in(
            tx,
            self.letter(
                (None, HOUSE),
                sender,
                f"{what} to {first.recipient_name} cannot be delivered: {why}.",
                kind="status_update",
                data={"status": "failed", "messages": ids[:NAMED], "reason": why},
                user=first.user,
                org=first.org,
                by=HOUSE,
                priority="queue",  # nothing that a turn should be stopped for
                thread=first.thread,
                reply_to=first.id,
            ),
        )

    def leave_in(self, tx: Tx, row: MessageRow, pid: int | None = None) -> None:
        """Write a message that is handed over by itself, once the transaction stands."""
        self.enter(tx, row, pid)
        if (agent := row.recipient) is not None:
            tx.after(lambda: self.leave(agent))

    def post_in(
        self,
        tx: Tx,
        *,
        sender: Party,
        to: Party,
        text: str,
        kind: str,
        data: dict[str, Any],
        user: str,
        org: str,
    ) -> str:
        """Send for another room, inside its transaction; parties are agent id (None: the person) and name.

        The data are taken to fit the kind; a status_update without a status is a notice. Returns the message's id.
        """
        if kind == "status_update":
            data = {"status": "notice", **data}
        author, name = sender
        by = f"agent:{author}" if author else f"user:{user}" if name == OWNER else name
        row = self.letter(sender, to, text, kind=kind, data=data, user=user, org=org, by=by)
        self.leave_in(tx, row)
        return row.id

    def leave(self, agent: str) -> None:
        """Note that something may be handed to an agent."""
        self._waiting.add(agent)
        self._left.set()

    async def left(self) -> set[str]:
        """Return the agents for whom something was left since the last look, once there are any."""
        await self._left.wait()
        self._left = anyio.Event()
        found, self._waiting = self._waiting, set()
        return found

    def _no_way(self, tx: Tx, agent: str) -> str | None:
        if why := self._agents.gone_in(tx, agent):
            return why
        full = tx.execute(
            "SELECT 1 FROM message WHERE recipient = ? AND state = 'queued' LIMIT 1 OFFSET ?", (agent, MOST_WAITING)
        ).fetchone()
        return f"{MOST_WAITING:,} messages wait for it already and it reads none" if full else None
