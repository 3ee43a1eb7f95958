"""Messages: durable text from agent to agent, handed to the recipient's runtime once it can take it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
from sqlmodel import col, select

from aetherd.core.clock import Clock
from aetherd.core.context import origin
from aetherd.core.errors import Exhausted, Forbidden, Invalid, NotFound, Unavailable
from aetherd.core.ids import new_id
from aetherd.kernel.message import queries
from aetherd.kernel.message.courier import Courier
from aetherd.kernel.message.events import MessageAcked
from aetherd.kernel.message.exchange import correlated, tie
from aetherd.kernel.message.kinds import checked
from aetherd.kernel.message.models import (
    Acked,
    Broadcast,
    Message,
    MessageAck,
    MessageBroadcast,
    MessageInbox,
    Messages,
    MessageSend,
    MessageThread,
)
from aetherd.kernel.message.pace import Pace
from aetherd.kernel.message.ports import Agents, Circles, Identity, Memories, Processes, Tasks
from aetherd.kernel.message.posts import Party, Posts
from aetherd.kernel.message.tables import MessageRow
from aetherd.operations.operation import Call, Effect, Owner, Rule, Subject, operation
from aetherd.operations.posting import HOUSE, OWNER
from aetherd.store import Store, Tx

PER_MINUTE, BROADCASTS = 120, 6  # most that an agent sends in a minute
MOST_RECIPIENTS = 500  # of one broadcast
SETTLE_S = 0.25  # how long the answer waits for the recipient's runtime: most have it by then


class MessageService:
    """Sends, delivers and shows messages."""

    def __init__(self, store: Store, clock: Clock, agent: Agents, process: Processes, memory: Memories) -> None:
        self._store, self._agents, self._memory = store, agent, memory
        self.tasks: list[Tasks] = []
        self.circles: list[Circles] = []
        self._sending = Pace(clock, PER_MINUTE, "messages")
        self._broadcasting = Pace(clock, BROADCASTS, "broadcasts")
        self._posts = Posts(clock, agent)
        self._courier = Courier(store, clock, process, self._posts)
        self.post_in = self._posts.post_in

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver what waited while the daemon was down, and go on trying."""
        async with self._courier.running():
            yield

    def offers(self) -> Mapping[str, Any]:
        """Say who owns a message; deliver to processes that start, hear how far texts are and who was put away."""
        return {
            "owners.message": self.owner,
            "process.start_hooks": self._courier.on_start,
            "process.text_hooks": self._courier.told,
            "agent.retire_hooks": self._courier.retired,
        }

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
        data = checked("message.send", input.kind, input.data)
        answered = None if input.reply_to is None else await self._row(input.reply_to)
        if answered is not None and not queries.party(answered, call):
            raise Forbidden(f"message {answered.id} is between others", kind="message", id=answered.id)
        if (named := input.thread) is not None:
            await self._store.read(lambda session: queries.enter(session, named, call))
        to = await self._to(input.to, answered, call)
        if to[0] == call.agent:
            raise Invalid("message.send: to: that is yourself")
        correlation = correlated(input.kind, answered, data, call)
        sender = await self._sender(call)
        self._sending.keep(call.agent)
        thread = named or (answered.thread if answered is not None else None)
        more = {"thread": thread, "reply_to": input.reply_to, "correlation": correlation}
        row = self._letter(input, data, sender, to, call, **more)

        def work(tx: Tx) -> None:
            if data is not None and (task := data.get("task")) and input.kind.startswith("task_"):
                tie(tx, self.tasks, row, task, call)
            if input.kind == "knowledge_share":
                row.data = json.dumps(self._kept(tx, input.text, data, call), ensure_ascii=False)
            self._posts.enter(tx, row, call.pid)

        await self._write(work, [row])
        return queries.wire(await self._row(row.id))

    @operation("message.broadcast", access=Rule.OWN, positional=("text",))
    async def broadcast(self, input: MessageBroadcast, call: Call) -> Broadcast:
        """Send text to all agents of the user, or to those of a role, a template or a workspace.

        Each gets a message of its own, in one thread with you; answers come into your own conversation.
        """
        data = checked("message.broadcast", input.kind, input.data)
        agents = await self._audience(input, call)
        sender = await self._sender(call)
        self._broadcasting.keep(call.agent)
        thread = new_id("thread")
        correlation = correlated(input.kind, None, data, call)
        more = {"thread": thread, "correlation": correlation}
        rows = [self._letter(input, data, sender, (agent.id, agent.name), call, **more) for agent in agents]
        memories: list[str] = []

        def work(tx: Tx) -> None:
            if input.kind == "knowledge_share":
                facts = self._kept(tx, input.text, data, call)
                memories.append(facts["memory"])
                for row in rows:
                    row.data = json.dumps(facts, ensure_ascii=False)
            for row in rows:
                self._posts.enter(tx, row, call.pid)

        await self._write(work, rows)
        states = await self._store.read(lambda session: queries.states(session, thread))
        memory = memories[-1] if memories else None
        return Broadcast(
            thread=thread, correlation=correlation, memory=memory, recipients=len(rows), states=dict(Counter(states))
        )

    @operation("message.inbox", effect=Effect.READ, access=Subject("agent", "agent"))
    async def inbox(self, input: MessageInbox, call: Call) -> Messages:
        """Show the messages you got, newest first; looking changes nothing, message.ack does."""
        mine = call.agent if input.agent is None else (await self._agents.find(input.agent, call)).id
        return await self._store.read(lambda session: queries.inbox(session, input, mine, call))

    @operation("message.ack", access=Rule.OWN, positional=("ids",))
    async def ack(self, input: MessageAck, call: Call) -> Acked:
        """Tell that you have dealt with messages you got, so that their senders know."""
        keys = list(dict.fromkeys(input.ids))

        def work(tx: Tx) -> list[MessageRow]:
            rows = [queries.one(tx.session, key) for key in keys]
            for row in rows:
                if row.recipient != call.agent or (row.user, row.org) != (call.user, call.org):
                    raise Forbidden(f"message {row.id} was sent to somebody else", kind="message", id=row.id)
            for row in rows:
                if row.state not in (input.state, "acked", "failed"):
                    self._dealt_with(tx, row, input.state, call)
            return rows

        return Acked(messages=[queries.wire(row) for row in await self._store.write(work)])

    @operation("message.thread", effect=Effect.READ, access=Rule.OWN, positional=("thread",))
    async def thread(self, input: MessageThread, call: Call) -> Messages:
        """Show a conversation you take part in, oldest first."""
        return await self._store.read(lambda session: queries.thread(session, input, call))

    # For other rooms --------------------------------------------------------------------------------

    async def got(self, agent: str, limit: int) -> list[dict[str, Any]]:
        """Return the newest messages an agent got, oldest first."""
        query = select(MessageRow).where(MessageRow.recipient == agent).order_by(col(MessageRow.seq).desc())
        rows = await self._store.read(lambda session: session.exec(query.limit(limit)).all())
        return [queries.wire(row).model_dump(mode="json", by_alias=True) for row in reversed(rows)]

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

    # ------------------------------------------------------------------------------------------------

    async def _to(self, ref: str | None, answered: MessageRow | None, call: Call) -> Party:
        """Return the recipient."""
        if ref is None:
            assert answered is not None
            if answered.agent == call.agent and answered.sender_name != HOUSE:
                return answered.recipient, answered.recipient_name  # one's own: go on towards the same recipient
            if answered.agent is None and answered.sender_name != OWNER:
                raise Invalid(
                    f"message.send: to: message {answered.id} is a notice of {answered.sender_name}, which reads no "
                    "answers; name a recipient"
                )
            return answered.agent, answered.sender_name
        if ref == OWNER:
            return None, OWNER
        found = await self._agents.find(ref, call)
        return found.id, found.name

    async def _sender(self, call: Call) -> Party:
        return call.agent, OWNER if call.agent is None else (await self._agents.find(call.agent, call)).name

    async def _audience(self, input: MessageBroadcast, call: Call) -> Sequence[Identity]:
        """Return whom a broadcast goes to: somebody, and not too many."""
        found = await self._agents.everyone(call, role=input.role, template=input.template, limit=10 * MOST_RECIPIENTS)
        agents = [agent for agent in found if agent.id != call.agent]
        if input.workspace is not None:
            if not self.circles:
                raise Unavailable("this house has no workspaces; leave `workspace` out", field="workspace")
            members = await self.circles[0].members(input.workspace, call)
            agents = [agent for agent in agents if agent.id in members]
        if not agents:
            raise NotFound(
                "message.broadcast: no other agent is like that; agent.list shows those there are", kind="agent"
            )
        if len(agents) > MOST_RECIPIENTS:
            raise Exhausted(
                f"message.broadcast: {len(agents):,} agents, at most {MOST_RECIPIENTS}; narrow it by role, template "
                "or workspace, or archive agents that are done"
            )
        return agents

    def _letter(
        self,
        input: MessageSend | MessageBroadcast,
        data: dict[str, Any] | None,
        sender: Party,
        to: Party,
        call: Call,
        **more: str | None,
    ) -> MessageRow:
        return self._posts.letter(
            sender,
            to,
            input.text,
            kind=input.kind,
            data=data,
            user=call.user,
            org=call.org,
            by=call.actor,
            priority=input.priority,
            **more,
        )

    def _kept(self, tx: Tx, text: str, data: Mapping[str, Any] | None, call: Call) -> dict[str, Any]:
        """Keep what is shared as a memory; returns the data that names it."""
        if not call.has("memory:write", "memory.remember"):
            raise Forbidden("message.send: a knowledge_share needs the scope memory:write", scope="memory:write")
        facts = dict(data or {})
        content, tags, importance = facts.get("content", text), facts.get("tags", []), facts.get("importance", 0.5)
        memory = self._memory.remember_in(tx, call, content=content, tags=tags, importance=importance)
        return {"memory": memory, **facts}

    def _dealt_with(self, tx: Tx, row: MessageRow, state: str, call: Call) -> None:
        now = self._posts.now()
        row.state = state
        row.delivered_at, row.read_at = row.delivered_at or now, row.read_at or now
        row.acked_at = now if state == "acked" else None
        tx.session.add(row)
        tx.emit(MessageAcked(agent=call.agent, pid=call.pid, message=row.id, thread=row.thread, state=state))

    async def _write(self, work: Callable[[Tx], None], rows: Sequence[MessageRow]) -> None:
        """Write messages and give them to whoever is at work; waits a moment for their runtimes to say so."""
        at_work = self._courier.at_work(rows)

        def both(tx: Tx) -> None:
            work(tx)
            for row in rows:
                self._courier.give_in(tx, row, at_work)

        with self._courier.watching([row.id for row in rows]) as delivered:
            await self._store.write(both)
            given = await self._store.read(lambda session: queries.given(session, list(delivered)))
            late = {row.recipient for row in rows if row.recipient and row.id not in given}
            await self._courier.bring_all(late)  # who began to run meanwhile, or for whom something waits
            with anyio.move_on_after(SETTLE_S):
                for key in given:
                    await delivered[key].wait()

    async def _row(self, key: str) -> MessageRow:
        return await self._store.read(lambda session: queries.one(session, key))
