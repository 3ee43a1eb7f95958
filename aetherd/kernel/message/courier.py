"""The way of a message to its recipient's runtime, told as it is: delivered when the runtime has it, not before."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress

import anyio
from sqlmodel import Session, col, select

from aetherd.core.clock import Clock
from aetherd.core.context import Origin, origin
from aetherd.core.errors import AetherError
from aetherd.kernel.message.events import MessageDelivered
from aetherd.kernel.message.kinds import ANSWERS, shown
from aetherd.kernel.message.ports import Processes
from aetherd.kernel.message.posts import Posts
from aetherd.kernel.message.tables import MessageRow
from aetherd.operations.posting import HOUSE
from aetherd.store import Store, Tx, rider

logger = logging.getLogger(__name__)

RETRY_S = 15.0  # how often messages that no process could take are tried again
BATCH = 100
AT_ONCE = 16  # agents that are brought something at the same time


class Courier:
    """Brings each agent what waits for it, in the order of sending."""

    def __init__(self, store: Store, clock: Clock, processes: Processes, posts: Posts) -> None:
        self._store, self._clock, self._processes, self._posts = store, clock, processes, posts
        self._order: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)  # one round to an agent at a time
        self._watched: dict[str, anyio.Event] = {}
        self._hands = anyio.CapacityLimiter(AT_ONCE)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver what waited while the daemon was down, and go on trying."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._keep_trying)
            group.start_soon(self._keep_fetching)
            yield
            group.cancel_scope.cancel()

    async def on_start(self, pid: int, agent: str) -> None:
        """Bring what waits for an agent whose process has just started, or goes on."""
        await self.bring(agent)

    async def bring(self, agent: str) -> None:
        """Give an agent's running process what waits for it, until nothing does or none can take it."""
        async with self._order[agent]:
            seq = 0
            while rows := await self._store.read(lambda session, seq=seq: _waiting(session, agent, seq)):  # type: ignore[misc]
                for row in rows:
                    seq = row.seq or 0
                    try:
                        if not await self._processes.deliver(agent, _spoken(row), row.priority, row.id, _by(row)):
                            return
                    except AetherError as exc:
                        if exc.retryable:
                            logger.info("message %s waits: %s", row.id, exc.message)
                            return
                        await self._give_up(row, exc.message)

    def at_work(self, rows: Iterable[MessageRow]) -> Mapping[str, Sequence[int]]:
        """Return the processes of the recipients that are at work, for `give_in`."""
        return {agent: self._processes.at_work(agent) for row in rows if (agent := row.recipient) is not None}

    def give_in(self, tx: Tx, row: MessageRow, at_work: Mapping[str, Sequence[int]]) -> None:
        """Give a message to its recipient's process in the transaction that writes it, unless others wait before it."""
        pids = at_work.get(row.recipient or "")
        if row.state != "queued" or not pids:
            return
        before = "SELECT 1 FROM message WHERE recipient = ? AND state = 'queued' AND pid IS NULL AND seq < ? LIMIT 1"
        if tx.execute(before, (row.recipient, row.seq)).fetchone() is None:
            with suppress(AetherError):  # `bring` meets it again, and knows what to do
                self._processes.deliver_in(tx, pids, text=_spoken(row), priority=row.priority, key=row.id, by=_by(row))

    async def bring_all(self, agents: Iterable[str]) -> None:
        """Bring several agents what waits for them; what goes wrong with one is logged and tried again."""
        async with anyio.create_task_group() as group:
            for agent in agents:
                group.start_soon(self._try, agent)

    def told(self, tx: Tx, key: str, pid: int, state: str) -> None:
        """Write how far a message is, in the transaction in which its runtime or its end is read."""
        if not key.startswith("message_"):
            return
        if state == "queued":
            tx.execute("UPDATE message SET pid = ? WHERE id = ? AND state = 'queued'", (pid, key))
        elif state == "delivered":
            moved = tx.execute(
                "UPDATE message SET state = 'delivered', delivered_at = ?, pid = ? WHERE id = ? AND state = 'queued' "
                "RETURNING recipient, thread, agent, sender_name",
                (self._posts.now(), pid, key),
            ).fetchone()
            if moved is not None:  # else it was acknowledged before
                to, thread, agent, name = moved
                tx.emit(MessageDelivered(agent=to, pid=pid, message=key, thread=thread, sender=agent or name))
            tx.after(lambda: self._settled(key))
        else:  # its process ended and never said that it read it: the next one is told
            freed = tx.execute(
                "UPDATE message SET pid = NULL WHERE id = ? AND state = 'queued' AND pid = ? RETURNING recipient",
                (key, pid),
            ).fetchone()
            if freed is not None:
                tx.after(lambda: self._posts.leave(freed[0]))

    def retired(self, tx: Tx, agent: str, why: str) -> None:
        """Send back what waits for an agent that was put away or removed."""
        rows = select(MessageRow).where(MessageRow.recipient == agent, MessageRow.state == "queued")
        self._posts.bounce(tx, tx.session.exec(rows).all(), why)

    @contextmanager
    def watching(self, keys: Sequence[str]) -> Iterator[dict[str, anyio.Event]]:
        """Give what is set when each of some messages is delivered."""
        events = {key: anyio.Event() for key in keys}
        self._watched |= events
        try:
            yield events
        finally:
            for key in keys:
                del self._watched[key]

    def _settled(self, key: str) -> None:
        if (event := self._watched.get(key)) is not None:
            event.set()

    async def _give_up(self, row: MessageRow, why: str) -> None:
        """Send a message back that can never be told; not as part of whatever call made us look."""

        def work(tx: Tx) -> None:
            stored = tx.session.get_one(MessageRow, row.seq)
            if stored.state == "queued":
                self._posts.bounce(tx, [stored], why)

        actor, slot = origin.set(Origin("system", None, row.user, row.org)), rider.set(None)
        try:
            await self._store.write(work)
        finally:
            rider.reset(slot)
            origin.reset(actor)

    async def _keep_trying(self) -> None:
        while True:
            for agent in await self._store.read(_recipients):
                self._posts.leave(agent)
            await self._clock.sleep(RETRY_S)

    async def _keep_fetching(self) -> None:
        while True:
            await self.bring_all(await self._posts.left())

    async def _try(self, agent: str) -> None:
        async with self._hands:
            try:
                await self.bring(agent)
            except Exception:
                logger.exception("messages for %s could not be delivered", agent)


def _waiting(session: Session, agent: str, seq: int) -> list[MessageRow]:
    rows = select(MessageRow).where(
        MessageRow.recipient == agent,
        MessageRow.state == "queued",
        col(MessageRow.pid).is_(None),
        col(MessageRow.seq) > seq,
    )
    return list(session.exec(rows.order_by(col(MessageRow.seq)).limit(BATCH)))


def _recipients(session: Session) -> list[str]:
    rows = select(MessageRow.recipient).where(MessageRow.state == "queued", col(MessageRow.pid).is_(None)).distinct()
    return [agent for agent in session.exec(rows) if agent is not None]


def _by(row: MessageRow) -> str:
    return f"agent:{row.agent}" if row.agent else row.created_by


def _spoken(row: MessageRow) -> str:
    """Return what the recipient's model reads."""
    kind = "" if row.kind == "text" else f", {row.kind}"
    data = "" if row.data is None else f"\ndata: {row.data}"
    told = f"Message from {row.sender_name} (message {row.id}, thread {row.thread}{kind}):\n{row.text}{data}"
    if row.agent is None and row.sender_name == HOUSE:
        return told  # nobody there reads an answer
    answers = ANSWERS.get(row.kind, ())
    way = f", kind {' or '.join(answers)}, data like {shown(answers[0])}" if answers else ""
    return f"{told}\n\nAnswer with aether_message_send, reply_to {row.id}{way}."
