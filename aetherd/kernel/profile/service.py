"""Profiles: what agents have done, counted from what aetherd itself recorded, and what people say of them."""

from __future__ import annotations

import json
import re
from typing import Any

from sqlmodel import Session

from aetherd.core.clock import Clock, stamp
from aetherd.core.errors import Invalid
from aetherd.kernel.profile.counting import figures
from aetherd.kernel.profile.events import ProfileUpdated
from aetherd.kernel.profile.models import (
    Expertise,
    Profile,
    ProfileList,
    ProfileRef,
    Profiles,
    ProfileSummary,
    ProfileUpdate,
    Tool,
)
from aetherd.kernel.profile.ports import Agents, Feedback, Identity, Memories, Processes, Tasks
from aetherd.kernel.profile.tables import ProfileRow
from aetherd.operations.operation import Call, Effect, Rule, Subject, operation
from aetherd.store import Store, Tx

RUNS, CALLS = 1_000, 2_000  # newest runs and calls of tools that are counted
TOPICS = 10  # most that are shown of each source
TOOLS = 20


class ProfileService:
    """Counts, and keeps what people write beside the figures."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        agent: Agents,
        process: Processes,
        memory: Memories,
        task: Tasks,
        feedback: Feedback,
    ) -> None:
        self._store, self._clock, self._agents = store, clock, agent
        self._processes, self._memories, self._tasks, self._feedback = process, memory, task, feedback

    @operation("profile.get", effect=Effect.READ, access=Subject("agent", "agent"), positional=("agent",))
    async def get(self, input: ProfileRef, call: Call) -> Profile:
        """Show what an agent has done, from facts: runs, success, cost, time, tools, expertise, people's feedback."""
        if input.agent is None and call.agent is None:
            raise Invalid("profile.get: agent: whose profile? name the agent")
        found = await self._agents.find(input.agent or str(call.agent), call)
        return await self._store.read(lambda session: self._profile(session, found))

    @operation("profile.list", effect=Effect.READ, access=Rule.OWN)
    async def list_profiles(self, input: ProfileList, call: Call) -> Profiles:
        """List what agents have done, newest agent first, to choose who is fit; an agent sees itself and its own."""
        if input.cursor is not None and not re.fullmatch(r"agent_\w{1,60}", input.cursor):
            raise Invalid("profile.list: cursor: not a cursor of this list")

        def query(session: Session) -> Profiles:
            agents = self._agents.page(
                session, call, archived=input.archived, cursor=input.cursor, limit=input.limit + 1
            )
            shown = agents[: input.limit]
            return Profiles(
                profiles=[ProfileSummary(**self._facts(session, agent)) for agent in shown],
                cursor=shown[-1].id if len(agents) > input.limit else None,
            )

        return await self._store.read(query)

    @operation("profile.update", access=Rule.PEOPLE, positional=("agent",))
    async def update(self, input: ProfileUpdate, call: Call) -> Profile:
        """Write down what you think an agent is good at, and what who gives it work should know.

        The figures beside it are counted and cannot be changed.
        """
        found = await self._agents.find(input.agent, call)

        def work(tx: Tx) -> None:
            row = tx.session.get(ProfileRow, found.id) or ProfileRow(
                agent=found.id, user=call.user, org=call.org, notes="", expertise="[]", updated_at="", updated_by=""
            )
            row.notes = row.notes if input.notes is None else input.notes
            if input.expertise is not None:
                row.expertise = json.dumps(input.expertise, ensure_ascii=False)
            row.updated_at, row.updated_by = stamp(self._clock.now()), call.actor
            tx.session.add(row)
            tx.emit(ProfileUpdated(agent=row.agent, notes=row.notes, expertise=json.loads(row.expertise)))

        await self._store.write(work)
        return await self._store.read(lambda session: self._profile(session, found))

    def _profile(self, session: Session, agent: Identity) -> Profile:
        called = list(self._processes.tool_calls(session, agent.id, CALLS).items())[:TOOLS]
        tools = [Tool(tool=tool, calls=calls) for tool, calls in called]
        return Profile(**self._facts(session, agent), tools=tools)

    def _facts(self, session: Session, agent: Identity) -> dict[str, Any]:
        written = session.get(ProfileRow, agent.id)
        said = [] if written is None else json.loads(written.expertise)
        topics = [Expertise(topic=topic, source="person", count=None) for topic in said]
        for topic, count in list(self._tasks.done_by(session, agent.id).items())[:TOPICS]:
            topics.append(Expertise(topic=topic, source="task", count=count))
        for topic, count in list(self._memories.tags_of(session, agent.id).items())[:TOPICS]:
            topics.append(Expertise(topic=topic, source="memory", count=count))
        thumbs = self._feedback.verdicts(session, agent.id)
        return {
            "agent": agent.id,
            "name": agent.name,
            "role": agent.role,
            "template": agent.template,
            **figures(self._processes.runs(session, agent.id, RUNS)),
            "thumbs_up": thumbs["up"],
            "thumbs_down": thumbs["down"],
            "notes": "" if written is None else written.notes,
            "expertise": topics,
        }
