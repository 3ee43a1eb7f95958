"""Reflection: what an agent learnt from a run, shown to the person and kept as a memory of how to do things."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from sqlmodel import col, func, select

from aetherd.core.clock import Clock, stamp
from aetherd.core.config import Settings
from aetherd.core.errors import Conflict, Forbidden, Invalid
from aetherd.core.ids import new_id
from aetherd.core.model import NEWEST, position
from aetherd.core.texts import one_line
from aetherd.kernel.reflection.events import ReflectionAdded
from aetherd.kernel.reflection.models import Reflection, ReflectionAdd, ReflectionList, Reflections
from aetherd.kernel.reflection.ports import Agents, Memories, Processes
from aetherd.kernel.reflection.tables import ReflectionRow
from aetherd.operations.operation import Call, Effect, Rule, Subject, operation
from aetherd.store import Store, Tx

PER_RUN = 10  # most reflections on one run
GOAL = 100  # characters of the first line of the run's goal in the memory
IMPORTANCE = 0.6
ASKED = (
    "Before you finish, look back at this run once, if there is something to learn from it: aether_tool_call with "
    'name "reflection.add" and input {"rating": 1 to 5, "lessons": ["what to know next time"]}.'
)


class ReflectionService:
    """Keeps what agents learn."""

    def __init__(
        self, store: Store, clock: Clock, settings: Settings, agent: Agents, process: Processes, memory: Memories
    ) -> None:
        self._store, self._clock, self._settings = store, clock, settings
        self._agents, self._processes, self._memories = agent, process, memory

    def offers(self) -> Mapping[str, Any]:
        """Ask agents that start to look back at the end, where the setting `reflection` says so."""
        return {"process.notes": self.note}

    @operation("reflection.add", access=Subject("process", "pid"), positional=("rating",))
    async def add(self, input: ReflectionAdd, call: Call) -> Reflection:
        """Look back at your run: how it went, and what to know or to do differently next time.

        It is shown to the person and kept as a procedural memory, so that recall finds it.
        """
        pid = input.pid or call.pid
        if pid is None:
            raise Invalid("reflection.add: pid: on which run? name it")
        run = await self._processes.row_of(pid)
        if call.agent not in (None, run.agent):
            raise Forbidden(f"process {pid} is another agent's run; reflect on your own", kind="process", id=str(pid))

        def work(tx: Tx) -> ReflectionRow:
            count = select(func.count()).select_from(ReflectionRow).where(ReflectionRow.pid == pid)
            if tx.session.exec(count).one() >= PER_RUN:
                raise Conflict(f"process {pid} has {PER_RUN} reflections, that is enough", most=PER_RUN)
            memory = self._memories.remember_in(
                tx,
                call,
                content=_remembered(input, pid, run.goal),
                tags=list(dict.fromkeys(["reflection", *input.tags])),
                importance=IMPORTANCE,
                layer="procedural",
                agent=run.agent if input.namespace == "agent" else None,
            )
            row = ReflectionRow(
                id=new_id("reflection"),
                pid=pid,
                rating=input.rating,
                lessons=json.dumps(input.lessons, ensure_ascii=False),
                differently=input.differently,
                skill=input.skill,
                memory=memory,
                agent=run.agent,
                user=run.user,
                org=run.org,
                created_at=stamp(self._clock.now()),
                created_by=call.actor,
            )
            tx.session.add(row)
            tx.emit(
                ReflectionAdded(
                    pid=pid,
                    agent=run.agent,
                    reflection=row.id,
                    rating=row.rating,
                    lessons=input.lessons,
                    differently=row.differently,
                    skill=row.skill,
                    memory=memory,
                )
            )
            return row

        return _wire(await self._store.write(work))

    @operation("reflection.list", effect=Effect.READ, access=Rule.OWN)
    async def list_reflections(self, input: ReflectionList, call: Call) -> Reflections:
        """List what agents learnt from their runs, newest first; an agent sees its own."""
        rows = select(ReflectionRow).where(ReflectionRow.user == call.user, ReflectionRow.org == call.org)
        if call.agent is not None:
            rows = rows.where(ReflectionRow.agent == call.agent)
        if input.agent is not None:
            rows = rows.where(ReflectionRow.agent == (await self._agents.find(input.agent, call)).id)
        if input.pid is not None:
            rows = rows.where(ReflectionRow.pid == input.pid)
        rows = rows.where(col(ReflectionRow.seq) < position(input.cursor, NEWEST))
        rows = rows.order_by(col(ReflectionRow.seq).desc()).limit(input.limit + 1)
        found = await self._store.read(lambda session: list(session.exec(rows)))
        more, found = len(found) > input.limit, found[: input.limit]
        return Reflections(reflections=[_wire(row) for row in found], cursor=str(found[-1].seq) if more else None)

    def note(self, runtime: str, tools: Collection[str] | None) -> str:
        """Return the words that ask an agent to look back; empty where the setting or its tools say no.

        It costs those words in the prompt and, if the agent follows them, one tool call; never a run of its own.
        """
        asked = {"off": (), "builtin": ("builtin",), "all": (runtime,)}[self._settings.reflection]
        if runtime == "command" or runtime not in asked:
            return ""
        return ASKED if tools is None or {"reflection.add", "tool.call"} <= set(tools) else ""


def _remembered(input: ReflectionAdd, pid: int, goal: str | None) -> str:
    """Say what was learnt so that it is understood without the run."""
    aim = one_line(next((line for line in (goal or "").splitlines() if line.strip()), ""), GOAL)
    lines = [f"Learnt in run {pid} (rated {input.rating} of 5)" + (f", which was to: {aim}" if aim else "")]
    lines += [f"- {lesson}" for lesson in input.lessons]
    lines += [f"Next time: {input.differently}"] if input.differently else []
    lines += [f"Could become a skill: {input.skill}"] if input.skill else []
    return "\n".join(lines)


def _wire(row: ReflectionRow) -> Reflection:
    return Reflection(**row.model_dump(exclude={"seq", "user", "org", "lessons"}), lessons=json.loads(row.lessons))
