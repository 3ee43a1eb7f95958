"""Reading processes: rows to the wire, lists, trees, timelines, results."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlmodel import Session, col, func, or_, select

from aetherd.core import disk
from aetherd.core.errors import Invalid
from aetherd.core.model import NEWEST, position
from aetherd.kernel.process import parking
from aetherd.kernel.process.models import (
    Limited,
    Process,
    ProcessNode,
    ProcessResult,
    Timeline,
    TimelineEvents,
    Usage,
)
from aetherd.kernel.process.states import ENDED, Phase, State
from aetherd.kernel.process.tables import IncarnationRow, ProcessRow
from aetherd.operations.operation import Call
from aetherd.operations.spending import NANO
from aetherd.runtime import Capabilities, Runtime

GOAL = 2000  # characters shown of a goal
CHANGED = 500  # files listed as changed
LOOKED_AT = 20_000  # files looked at for that
SKIPPED = frozenset({".git", ".claude", "node_modules", "__pycache__", ".venv", ".cache"})


class Wire:
    """Turns rows into what callers see."""

    def __init__(
        self,
        runtimes: Mapping[str, Runtime],
        holder_of: Callable[[int], str | None],
        wish_of: Callable[[int], str | None],
        pending: Callable[[Session], dict[int, int]],
    ) -> None:
        self._runtimes, self._pending = runtimes, pending
        self._holder_of, self._wish_of = holder_of, wish_of

    def processes(self, session: Session, rows: list[ProcessRow]) -> list[Process]:
        """Return the rows with their incarnations and open questions."""
        pids = [row.pid for row in rows]
        query = select(IncarnationRow).where(col(IncarnationRow.pid).in_(pids))
        newest: dict[int, IncarnationRow] = {}
        for inc in session.exec(query):
            if inc.pid not in newest or newest[inc.pid].number < inc.number:
                newest[inc.pid] = inc
        waiting = self._pending(session) if rows else {}
        return [self._one(row, newest.get(row.pid or 0), waiting.get(row.pid or 0, 0)) for row in rows]

    def fresh(self, row: ProcessRow, inc: IncarnationRow) -> Process:
        """Return a process that has just been started, which can have asked nothing yet."""
        return self._one(row, inc, 0)

    def _one(self, row: ProcessRow, inc: IncarnationRow | None, approvals: int) -> Process:
        assert row.pid is not None
        adapter = self._runtimes.get(row.runtime)
        live = inc is not None and inc.ended_at is None
        by_itself = row.phase == Phase.LIMITED and row.turn and row.limited_until is None
        return Process(
            pid=row.pid,
            agent=row.agent,
            name=row.name,
            role=row.role,
            runtime=row.runtime,
            goal=None if row.goal is None else row.goal[:GOAL],
            state=row.state,
            phase=row.phase,
            phase_source=row.phase_source,
            phase_at=row.phase_at,
            reason=parking.by_itself(row) if by_itself else row.reason,
            os_pid=inc.os_pid if live and inc is not None else None,
            incarnation=row.incarnation,
            mode="tui" if inc is not None and inc.mode == "tui" else "headless",
            stdio=inc.stdio if inc is not None else None,
            sandbox={**json.loads(row.sandbox), "tier": row.tier, "uid": row.uid, "own_uid": row.uid is not None},
            session=row.session,
            model=row.model_seen or row.model,
            template=row.template,
            permission_mode=row.permission_mode,
            tools_connected=row.tools_connected,
            parent=row.parent,
            priority=row.priority,
            toolset=row.toolset,
            created_at=row.created_at,
            started_at=row.started_at,
            exited_at=row.exited_at,
            exit_code=row.exit_code,
            exit_signal=row.exit_signal,
            ended_by=row.ended_by,
            outcome=row.outcome,
            limited=None if row.limited_until is None else _limited(row),
            controller=self._holder_of(row.pid),
            requested=self._wish_of(row.pid),
            approvals=approvals,
            cost_usd=round(row.cost_usd, 6),
            metered=row.metered,
            claimed_usd=round(row.claimed_usd, 6),
            budget_usd=None if row.budget_nano is None else row.budget_nano / NANO,
            capabilities=asdict(adapter.capabilities if adapter else Capabilities()),
        )


def _limited(row: ProcessRow) -> Limited:
    assert row.limited_at is not None
    assert row.limited_until is not None
    return Limited(
        since=row.limited_at,
        resets_at=row.limited_told,
        wakes_at=row.limited_until,
        times=row.limited_times,
        error=row.error,
    )


def page(
    session: Session, call: Call, *, state: str | None, agent: str | None, cursor: str | None, limit: int
) -> list[ProcessRow]:
    """Return processes the caller owns, newest first."""
    query = select(ProcessRow).where(ProcessRow.user == call.user, ProcessRow.org == call.org)
    if call.agent is not None:
        query = query.where(or_(ProcessRow.agent == call.agent, ProcessRow.parent_agent == call.agent))
    if state == "live":
        query = query.where(col(ProcessRow.state).not_in([str(one) for one in ENDED]))
    elif state is not None:
        if state not in {str(one) for one in State}:
            raise Invalid(f"no state {state!r}; there are: live, {', '.join(State)}", field="state")
        query = query.where(ProcessRow.state == state)
    if agent is not None:
        query = query.where(or_(ProcessRow.agent == agent, ProcessRow.name == agent))
    query = query.where(col(ProcessRow.pid) < position(cursor, NEWEST))
    return list(session.exec(query.order_by(col(ProcessRow.pid).desc()).limit(limit)))


def limited(session: Session) -> int:
    """Count the processes that wait for a usage limit."""
    return session.exec(select(func.count()).where(col(ProcessRow.limited_until).is_not(None))).one()


def counts(session: Session) -> dict[str, int]:
    """Count processes by state."""
    return dict(session.exec(select(ProcessRow.state, func.count()).group_by(ProcessRow.state)).all())


@dataclass(frozen=True, slots=True)
class Run:
    """What is counted of a process."""

    pid: int
    runtime: str
    model: str | None
    state: str
    outcome: str
    created_at: str
    started_at: str | None
    exited_at: str | None
    cost_usd: float
    input_tokens: int
    output_tokens: int


def runs(session: Session, agent: str, limit: int) -> list[Run]:
    """Return an agent's newest runs, newest first, without their long texts."""
    rows = session.connection().execute(
        text(
            "SELECT pid, runtime, coalesce(model_seen, model), state, outcome, created_at, started_at, exited_at, "
            "cost_usd, input_tokens, output_tokens FROM process WHERE agent = :agent ORDER BY pid DESC LIMIT :limit"
        ),
        {"agent": agent, "limit": limit},
    )
    return [Run(*row) for row in rows]


def tool_calls(session: Session, agent: str, limit: int) -> dict[str, int]:
    """Count the tools in an agent's newest calls, most called first."""
    newest = "SELECT body FROM event WHERE type = 'agent.tool_call' AND agent = :agent ORDER BY id DESC LIMIT :limit"
    tool = "json_extract('{' || body, '$.data.tool')"
    counted = text(f"SELECT {tool}, count(*) FROM ({newest}) GROUP BY 1 ORDER BY 2 DESC, 1")
    rows = session.connection().execute(counted, {"agent": agent, "limit": limit})
    return {str(name): int(count) for name, count in rows}


def costs(session: Session, pids: Sequence[int]) -> dict[int, float]:
    """Return what processes have cost so far, in USD."""
    rows = session.exec(select(ProcessRow.pid, ProcessRow.cost_usd).where(col(ProcessRow.pid).in_(pids)))
    return {pid: cost for pid, cost in rows if pid is not None}


def forest(processes: list[Process]) -> list[ProcessNode]:
    """Return who spawned whom."""
    known = {process.pid for process in processes}
    children: dict[int | None, list[Process]] = {}
    for process in processes:
        children.setdefault(process.parent if process.parent in known else None, []).append(process)

    def node(process: Process) -> ProcessNode:
        return ProcessNode(process=process, children=[node(child) for child in children.get(process.pid, [])])

    return [node(process) for process in children.get(None, [])]


def find(nodes: list[ProcessNode], pid: int) -> ProcessNode | None:
    """Return one process of a forest."""
    for node in nodes:
        if node.process.pid == pid:
            return node
        if (found := find(node.children, pid)) is not None:
            return found
    return None


def timeline(session: Session, input: Timeline) -> TimelineEvents:
    """Return one page of a process's events: the newest, or those around an id; oldest first."""
    newest_first = input.after is None
    edge = "id < :edge" if newest_first else "id > :edge"
    values: dict[str, Any] = {"pid": input.pid, "limit": input.limit + 1}
    values["edge"] = (input.before or NEWEST) if newest_first else input.after
    rows = session.connection().execute(
        text(
            f"SELECT id, body FROM event WHERE pid = :pid AND {edge} "
            f"ORDER BY id {'DESC' if newest_first else 'ASC'} LIMIT :limit"
        ),
        values,
    )
    events = [json.loads(f'{{"id":{key},{body}') for key, body in rows]
    more = len(events) > input.limit
    events = events[: input.limit]
    if newest_first:
        events.reverse()
    return TimelineEvents(events=events, more=more)


def result_of(row: ProcessRow, changed: list[str]) -> ProcessResult:
    """Return what came of a process."""
    assert row.pid is not None
    return ProcessResult(
        pid=row.pid,
        outcome=row.outcome,
        text=row.result,
        error=row.error,
        cost_usd=round(row.cost_usd, 6),
        usage=Usage(
            input_tokens=row.input_tokens,
            output_tokens=row.output_tokens,
            cache_read_tokens=row.cache_read_tokens,
            cache_write_tokens=row.cache_write_tokens,
        ),
        files_changed=changed,
    )


def changed_files(cwd: Path, since: float, uid: int | None = None, until: float = math.inf) -> list[str]:
    """Return files below the directory modified in that time (Unix seconds); blocking, bounded.

    With a uid only files of that owner: the directory may be a link of the agent's, and we see more than it may.
    """
    found: list[str] = []
    seen = 0
    for directory, directories, files, _ in disk.walk(cwd):
        directories[:] = sorted(name for name in directories if name not in SKIPPED)
        for name in sorted(files):
            seen += 1
            if seen > LOOKED_AT or len(found) >= CHANGED:
                return found
            path = os.path.join(directory, name)
            try:
                about = os.lstat(path)
                if since <= about.st_mtime <= until and uid in (None, about.st_uid):
                    found.append(os.path.relpath(path, cwd))
            except OSError:
                continue
    return found
