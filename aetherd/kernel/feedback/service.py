"""Feedback: people's thumbs and words on runs, kept for who looks, and told to the agent when it runs again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlmodel import Session, col, func, select

from aetherd.core.clock import Clock, stamp
from aetherd.core.errors import Forbidden, NotFound
from aetherd.core.ids import new_id
from aetherd.core.model import NEWEST, position
from aetherd.core.texts import one_line
from aetherd.events import EventLog
from aetherd.kernel.feedback.events import FeedbackSubmitted
from aetherd.kernel.feedback.models import Feedback, FeedbackList, Feedbacks, FeedbackSubmit
from aetherd.kernel.feedback.ports import Agents, Processes
from aetherd.kernel.feedback.tables import FeedbackRow
from aetherd.operations.operation import Call, Effect, Rule, operation
from aetherd.store import Store, Tx

ABOUT = 200  # characters that say what a run or a step was
TOLD, TOLD_EACH, TOLD_ALL = 5, 400, 1_500  # how much of it an agent is told at its next start: entries, characters


class FeedbackService:
    """Takes, lists and passes on what people say of runs."""

    def __init__(self, store: Store, clock: Clock, agent: Agents, process: Processes) -> None:
        self._store, self._clock, self._agents, self._processes = store, clock, agent, process

    def offers(self) -> Mapping[str, Any]:
        """Tell an agent that starts what was said of its runs before."""
        return {"process.context_sources": self.context}

    @operation("feedback.submit", access=Rule.PEOPLE, positional=("pid", "verdict", "comment"))
    async def submit(self, input: FeedbackSubmit, call: Call) -> Feedback:
        """Say what you think of a run, or of one step in it; its agent is told when it runs the next time."""
        run = await self._processes.row_of(input.pid)
        if (run.user, run.org) != (call.user, call.org):
            raise Forbidden(f"process {input.pid} belongs to somebody else", kind="process", id=str(input.pid))
        step = input.step
        about = one_line(run.goal or "", ABOUT) if step is None else await self._step(input.pid, step)

        def work(tx: Tx) -> FeedbackRow:
            same = select(FeedbackRow).where(FeedbackRow.pid == input.pid, FeedbackRow.step == step)
            row = tx.session.exec(same).first() or FeedbackRow(
                id=new_id("feedback"),
                pid=input.pid,
                step=step,
                verdict="",
                comment="",
                about=about,
                agent=run.agent,
                user=run.user,
                org=run.org,
                created_at="",
                created_by="",
            )
            row.verdict, row.comment = input.verdict, input.comment
            row.created_at, row.created_by = stamp(self._clock.now()), call.actor
            tx.session.add(row)
            said = {"verdict": row.verdict, "step": step, "comment": row.comment}
            tx.emit(FeedbackSubmitted(pid=row.pid, agent=row.agent, feedback=row.id, **said))
            return row

        return _wire(await self._store.write(work))

    @operation("feedback.list", effect=Effect.READ, access=Rule.OWN)
    async def list_feedback(self, input: FeedbackList, call: Call) -> Feedbacks:
        """List what people said of runs, newest first; an agent sees what was said of its own."""
        rows = select(FeedbackRow).where(FeedbackRow.user == call.user, FeedbackRow.org == call.org)
        if call.agent is not None:
            rows = rows.where(FeedbackRow.agent == call.agent)
        if input.agent is not None:
            rows = rows.where(FeedbackRow.agent == (await self._agents.find(input.agent, call)).id)
        if input.pid is not None:
            rows = rows.where(FeedbackRow.pid == input.pid)
        if input.verdict is not None:
            rows = rows.where(FeedbackRow.verdict == input.verdict)
        rows = rows.where(col(FeedbackRow.seq) < position(input.cursor, NEWEST))
        rows = rows.order_by(col(FeedbackRow.seq).desc()).limit(input.limit + 1)
        found = await self._store.read(lambda session: list(session.exec(rows)))
        more, found = len(found) > input.limit, found[: input.limit]
        return Feedbacks(feedback=[_wire(row) for row in found], cursor=str(found[-1].seq) if more else None)

    # For other rooms --------------------------------------------------------------------------------

    def verdicts(self, session: Session, agent: str) -> dict[str, int]:
        """Count the thumbs up and down that an agent's runs and steps got."""
        query = select(FeedbackRow.verdict, func.count()).where(FeedbackRow.agent == agent)
        return {"up": 0, "down": 0} | dict(session.exec(query.group_by(FeedbackRow.verdict)).all())

    async def context(self, agent: str, user: str, org: str, goal: str | None) -> str:
        """Return what the person said last of an agent's runs, short enough for its prompt; empty when nothing."""
        if not agent:
            return ""  # it is just being made
        newest = select(FeedbackRow).where(FeedbackRow.agent == agent).order_by(col(FeedbackRow.seq).desc())
        lines = ["What the person said about your runs so far, newest first (aether_tool_call feedback.list has all):"]
        for row in await self._store.read(lambda session: list(session.exec(newest.limit(TOLD)))):
            what = f"run {row.pid}" + ("" if row.step is None else f", step {row.step}")
            line = f"- {'good' if row.verdict == 'up' else 'bad'}: {what} ({one_line(row.about, 100)})"
            line += f": {one_line(row.comment, TOLD_EACH)}" if row.comment else ""
            if sum(map(len, lines)) + len(line) > TOLD_ALL:
                break
            lines.append(line)
        return "\n".join(lines) if len(lines) > 1 else ""

    # ------------------------------------------------------------------------------------------------

    async def _step(self, pid: int, step: int) -> str:
        """Return what a step was, in a few words; `NotFound` when it is none of this run's."""
        found = await self._store.read(
            lambda session: EventLog.page(session, after=step - 1, until=step, limit=1, pid=pid)
        )
        if not found:
            raise NotFound(
                f"process {pid} has no step {step}; process.timeline shows its steps with their ids",
                kind="event",
                id=step,
            )
        data = json.loads(found[0].json)["data"]
        said = data.get("tool") or data.get("text") or data.get("title") or ""
        return one_line(f"{found[0].type} {said}", ABOUT).strip()


def _wire(row: FeedbackRow) -> Feedback:
    return Feedback(**row.model_dump(exclude={"seq", "user", "org"}))
