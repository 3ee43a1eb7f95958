"""Messages that other rooms send: rows of their own transaction, delivered once that stands."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from aetherd.core.clock import Clock, stamp
from aetherd.core.ids import new_id
from aetherd.kernel.message.events import MessageSent
from aetherd.kernel.message.tables import MessageRow
from aetherd.store import Tx

OWNER = "owner"  # the person, as recipient and sender


class Posts:
    """Takes messages in from inside a transaction, and has them delivered after it."""

    def __init__(self, clock: Clock, deliver: Callable[[str], Awaitable[None]]) -> None:
        self._clock, self._deliver = clock, deliver
        self._waiting: set[str] = set()  # agents for whom something was left
        self._left = anyio.Event()

    def post_in(
        self,
        tx: Tx,
        *,
        sender: tuple[str | None, str],
        to: tuple[str | None, str],
        text: str,
        kind: str,
        data: dict[str, Any],
        user: str,
        org: str,
    ) -> str:
        """Send inside the caller's transaction; parties are agent id and name, of the person None and `owner`.

        Returns the message's id.
        """
        now = stamp(self._clock.now())
        (author, author_name), (recipient, recipient_name) = sender, to
        by = f"agent:{author}" if author else f"user:{user}" if author_name == OWNER else author_name
        row = MessageRow(
            id=new_id("message"),
            thread=new_id("thread"),
            agent=author,
            sender_name=author_name,
            recipient=recipient,
            recipient_name=recipient_name,
            kind=kind,
            priority="next",
            state="queued" if recipient is not None else "delivered",
            text=text,
            data=json.dumps(data, ensure_ascii=False),
            user=user,
            org=org,
            created_at=now,
            created_by=by,
            delivered_at=None if recipient is not None else now,
        )
        tx.session.add(row)
        key, thread = row.id, row.thread
        tx.emit(
            MessageSent(agent=author, message=key, thread=thread, to=recipient or OWNER, kind=kind, priority="next")
        )
        if recipient is not None:
            tx.after(lambda: self._leave(recipient))
        return key

    async def keep_delivering(self) -> None:
        """Deliver what is left, for ever."""
        while True:
            await self._left.wait()
            self._left = anyio.Event()
            while self._waiting:
                await self._deliver(self._waiting.pop())

    def _leave(self, agent: str) -> None:
        self._waiting.add(agent)
        self._left.set()
