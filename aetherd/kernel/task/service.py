"""Tasks: a durable queue of work that agents share; each is claimed by one of them at a time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
from sqlmodel import Session

from aetherd.core.clock import Clock
from aetherd.core.errors import Forbidden, NotFound
from aetherd.core.ids import new_id
from aetherd.core.model import NEWEST, position
from aetherd.kernel.task import rows
from aetherd.kernel.task.models import (
    Cancelled,
    Claimed,
    Delegated,
    Needed,
    Part,
    Task,
    TaskCancel,
    TaskClaim,
    TaskComplete,
    TaskCreate,
    TaskCreated,
    TaskDelegate,
    TaskFail,
    TaskList,
    TaskRef,
    Tasks,
)
from aetherd.kernel.task.notices import Notices, how
from aetherd.kernel.task.parts import keys_of
from aetherd.kernel.task.ports import Agents, Processes
from aetherd.kernel.task.queue import SWEPT, Queue
from aetherd.kernel.task.rows import SHOWN, Record
from aetherd.kernel.task.tables import TaskRow
from aetherd.operations.operation import Call, Effect, Owner, Rule, Subject, operation
from aetherd.operations.posting import OWNER, Posting
from aetherd.store import Store, Tx
from aetherd.store.rows import bare, fetch

SWEEP_S = 5.0  # how late a lease that ended may be noticed
ITS_MAKER = Subject("task", "id")
NOBODY = ("", "")


class TaskService:
    """Keeps the queues, and the promise that one claim wins."""

    def __init__(self, store: Store, clock: Clock, agent: Agents, process: Processes, message: Posting) -> None:
        self._store, self._clock, self._agents, self._processes = store, clock, agent, process
        self._queue = Queue(clock, Notices(message))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take back what was not done while the daemon was down, and go on looking."""
        await self._sweep()
        async with anyio.create_task_group() as group:
            group.start_soon(self._keep_sweeping)
            yield
            group.cancel_scope.cancel()

    def offers(self) -> Mapping[str, Any]:
        """Say who owns a task; take back what a process held when it ends."""
        return {
            "owners.task": self.owner,
            "process.end_hooks": self._queue.process_ended,
            "message.tasks": self,
        }

    async def owner(self, key: str) -> Owner:
        """Return whose a task is: its maker's."""
        row = await self._store.read(lambda session: rows.find(bare(session), key))
        return Owner(row["agent"], row["user"], row["org"])

    # Operations -------------------------------------------------------------------------------------

    @operation("task.create", access=Rule.OWN, positional=("title",))
    async def create(self, input: TaskCreate, call: Call) -> TaskCreated:
        """Put work into a queue, for any agent of the same user or, with `to`, for one that is told.

        With `parts` a whole job is made at once: parts wait for one another as `depends_on` says, the task
        itself for all of them, and whoever claims one sees the results of what came first.
        """
        parts = keys_of(input.parts)
        whole, ids = new_id("task"), {key: new_id("task") for key in parts}
        made = [
            (await self._new(ids[part.key], input, part, whole, call), self._needs(part, ids)) for part in input.parts
        ]
        made.append((await self._new(whole, input, None, None, call), [*input.depends_on, *ids.values()]))
        strange = {need for _, needs in made for need in needs} - set(ids.values())

        def work(tx: Tx) -> Record:
            self._queue.room(tx, call, len(made))
            for need in strange:
                try:
                    rows.seen(tx.cursor, need, call)
                except NotFound as exc:
                    raise NotFound(f"depends_on: no part or task {need!r}", kind="task", id=need) from exc
            for row, needs in made:
                last = self._queue.put(tx, row, list(dict.fromkeys(needs)), call)
            return last

        record = await self._store.write(work)
        task = rows.wire(record, list(dict.fromkeys(made[-1][1])))
        return TaskCreated(**task.model_dump(), parts=ids)

    @operation("task.list", effect=Effect.READ, access=Rule.OWN)
    async def list_tasks(self, input: TaskList, call: Call) -> Tasks:
        """List tasks, newest first; an agent sees those anybody may take, and those it has to do with."""
        where, values = ["user = ?", "org = ?"], [call.user, call.org]
        if call.agent is not None:
            where, values = [*where, rows.VISIBLE], [*values, call.agent]
        if input.mine:
            where.append("(created_by = ? OR holder = ? OR assignee = ?)")
            values += [call.actor, call.actor, call.agent or OWNER]
        if input.states:
            where.append(f"state IN ({','.join('?' * len(input.states))})")
            values += input.states
        for column, value in (("queue", input.queue), ("parent", input.parent)):
            if value is not None:
                where.append(f"{column} = ?")
                values.append(value)

        def query(session: Session) -> tuple[list[Record], dict[str, list[str]]]:
            cursor = bare(session)
            found = fetch(
                cursor.execute(
                    f"SELECT * FROM task WHERE {' AND '.join(where)} AND seq < ? ORDER BY seq DESC LIMIT ?",
                    (*values, position(input.cursor, NEWEST), input.limit + 1),
                )
            )
            return found, rows.needs(cursor, [row["id"] for row in found])

        found, needs = await self._store.read(query)
        more, found = len(found) > input.limit, found[: input.limit]
        return Tasks(
            tasks=[rows.wire(row, needs[row["id"]], whole=False) for row in found],
            cursor=str(found[-1]["seq"]) if more else None,
        )

    @operation("task.get", effect=Effect.READ, access=Rule.OWN, positional=("id",))
    async def get(self, input: TaskRef, call: Call) -> Task:
        """Show one task in full: where it stands, who has it, what came of it."""

        def query(session: Session) -> Task:
            cursor = bare(session)
            return _whole(cursor, rows.seen(cursor, input.id, call))

        return await self._store.read(query)

    @operation("task.claim", access=Rule.OWN, positional=("id",))
    async def claim(self, input: TaskClaim, call: Call) -> Claimed:
        """Take the next task of a queue, or the one with this id: nobody else gets it while your lease lasts.

        Claim it again by id before the lease ends to keep it longer. End it with task.complete or task.fail.
        """

        def work(tx: Tx) -> Claimed:
            if input.id is not None:
                row = self._queue.take(tx, input.id, call, input.lease_s, input.lease)
            elif (found := self._queue.next(tx, call, input.queue, input.lease_s)) is not None:
                row = found
            else:
                return Claimed(task=None, lease=None, inputs=[])
            needed = tx.execute(
                "SELECT id, title, substr(result, 1, ?) FROM task_dependency JOIN task ON id = needs WHERE task = ?",
                (SHOWN, row["id"]),
            ).fetchall()
            inputs = [Needed(id=key, title=title, result=result) for key, title, result in needed]
            return Claimed(task=rows.wire(row, [one.id for one in inputs]), lease=row["lease"], inputs=inputs)

        until = anyio.current_time() + input.wait_s
        while True:
            news = self._queue.news
            claimed = await self._store.write(work)
            if claimed.task is not None or (left := until - anyio.current_time()) <= 0:
                return claimed
            with anyio.move_on_after(left):
                await news.wait()

    @operation("task.complete", access=Rule.OWN, positional=("id", "result"))
    async def complete(self, input: TaskComplete, call: Call) -> Task:
        """Say that a task you hold is done, and what came of it; what waited for it can begin."""

        def work(tx: Tx) -> Task:
            return _whole(tx.cursor, self._queue.complete(tx, input.id, call, input.result, input.lease))

        return await self._store.write(work)

    @operation("task.fail", access=Rule.OWN, positional=("id", "reason"))
    async def fail(self, input: TaskFail, call: Call) -> Task:
        """Say that a task you hold did not work out; it is tried again after a pause, a few times.

        A task that was given to you alone and that you do not want is refused this way, too.
        """

        def work(tx: Tx) -> Task:
            row = self._queue.fail(tx, input.id, call, input.reason, input.retry, input.lease)
            return _whole(tx.cursor, row)

        return await self._store.write(work)

    @operation("task.cancel", access=ITS_MAKER, positional=("id", "reason"))
    async def cancel(self, input: TaskCancel, call: Call) -> Cancelled:
        """Give a task up for good, with its parts and all that waits for it; who works on it is told to stop."""
        return Cancelled(ids=await self._store.write(lambda tx: self._queue.cancel(tx, input.id, call, input.reason)))

    @operation("task.delegate", access=ITS_MAKER, positional=("id", "to"))
    async def delegate(self, input: TaskDelegate, call: Call) -> Delegated:
        """Give a task to one agent: to one that exists by a message, or to a new one that is started for it.

        You get a message when it is accepted, refused, done or given up: do not poll.
        """
        by = await self._delegator(call)
        if input.to is not None:
            agent = await self._assignee(input.to, call)
            return await self._store.write(lambda tx: self._given(tx, input.id, call, agent, by, None))
        if not call.has("process:write", "process.spawn"):
            raise Forbidden(
                "task.delegate: runtime: needs the scope process:write, and process.spawn", scope="process:write"
            )

        def goal(session: Session) -> str:
            row = rows.seen(bare(session), input.id, call)
            return f"{row['title']}\n\n{row['text']}\n\nThis is task {row['id']}. {how(row['id'])}"

        given: list[Delegated] = []

        def also(tx: Tx, pid: int, agent: str, name: str) -> None:
            given.append(self._given(tx, input.id, call, (agent, name), by, pid))

        wish = {"runtime": input.runtime, "name": input.name, "model": input.model}
        await self._processes.start(
            call, also, goal=await self._store.read(goal), **{key: value for key, value in wish.items() if value}
        )
        return given[-1]

    # For other rooms --------------------------------------------------------------------------------

    def having_in(self, tx: Tx, key: str, call: Call) -> set[str]:
        """Return the agents that were given a task or took it; refuses one the caller may not know of."""
        row = rows.seen(tx.cursor, key, call)
        return {agent for agent in (row["assignee"], row["holder_agent"]) if agent}

    # For other rooms --------------------------------------------------------------------------------

    def done_by(self, session: Session, agent: str) -> dict[str, int]:
        """Count the tasks an agent has done by queue, most first."""
        done = "SELECT queue, count(*) FROM task WHERE holder_agent = ? AND state = 'done' GROUP BY queue"
        return dict(bare(session).execute(f"{done} ORDER BY 2 DESC, 1", (agent,)).fetchall())

    # ------------------------------------------------------------------------------------------------

    def _given(
        self, tx: Tx, key: str, call: Call, agent: tuple[str, str], by: tuple[str, str], pid: int | None
    ) -> Delegated:
        row = self._queue.give(tx, key, call, agent, by, pid)
        return Delegated(task=_whole(tx.cursor, row), agent=agent[0], pid=pid)

    async def _new(self, key: str, input: TaskCreate, part: Part | None, parent: str | None, call: Call) -> TaskRow:
        """Return the row of a task or of one of its parts."""
        what = part or input
        to = NOBODY if what.to is None else await self._assignee(what.to, call)
        by = NOBODY if what.to is None else await self._delegator(call)
        return TaskRow(
            id=key,
            parent=parent,
            title=what.title,
            text=what.text,
            data=None if part or input.data is None else json.dumps(input.data, ensure_ascii=False),
            queue=what.queue or input.queue,
            rank=-input.priority,
            state="waiting",
            max_attempts=input.max_attempts,
            backoff_s=input.backoff_s,
            assignee=to[0],
            assignee_name=to[1],
            delegator=by[0],
            delegator_name=by[1],
            agent=call.agent,
            user=call.user,
            org=call.org,
            created_at=self._queue.now(),
            created_by=call.actor,
        )

    def _needs(self, part: Part, ids: Mapping[str, str]) -> Sequence[str]:
        return [ids.get(need, need) for need in part.depends_on]

    async def _assignee(self, ref: str, call: Call) -> tuple[str, str]:
        """Return id and name of an agent that is given a task; it is told by a message."""
        if not call.has("message:write", "message.send"):
            raise Forbidden(
                "to: giving a task to an agent needs the scope message:write, and message.send", scope="message:write"
            )
        found = await self._agents.find(ref, call)
        return found.id, found.name

    async def _delegator(self, call: Call) -> tuple[str, str]:
        if call.agent is None:
            return OWNER, OWNER
        return call.agent, (await self._agents.find(call.agent, call)).name

    async def _keep_sweeping(self) -> None:
        while True:
            await self._clock.sleep(SWEEP_S)
            await self._sweep()

    async def _sweep(self) -> None:
        """Look at what is due, and write only when something is."""
        due = "SELECT 1 FROM task WHERE state IN ('claimed', 'delayed') AND due <= ? LIMIT 1"
        while await self._store.read(lambda s: bare(s).execute(due, (self._queue.now(),)).fetchone()):
            if await self._store.write(self._queue.sweep) < SWEPT:
                return


def _whole(cursor: Any, row: Record) -> Task:
    return rows.wire(row, rows.needs(cursor, [row["id"]])[row["id"]])
