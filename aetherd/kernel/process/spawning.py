"""Accepting a process: agent, row, token, environment and first words, written as one."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

from aetherd.core.errors import Conflict, Forbidden
from aetherd.kernel.process.events import ProcessSpawned
from aetherd.kernel.process.ports import AgentRecord, Agents, Tokens
from aetherd.kernel.process.queries import GOAL
from aetherd.kernel.process.states import ENDED, State
from aetherd.kernel.process.tables import ProcessRow
from aetherd.kernel.process.vault import Secrets
from aetherd.kernel.process.walls import HOST
from aetherd.kernel.process.wish import Start
from aetherd.kernel.process.workshop import Workshop
from aetherd.operations.operation import Call
from aetherd.operations.spending import NANO
from aetherd.store import Tx

Also = Callable[[Tx, int, str, str], None]  # what a room writes together with a process: (tx, pid, agent, its name)


@dataclass(frozen=True, slots=True)
class Past:
    """What a process goes on from that is not the agent's last: a snapshot's."""

    session: str | None  # None: a new conversation
    context: str = ""


async def accept(
    workshop: Workshop,
    agents: Agents,
    tokens: Tokens,
    start: Start,
    call: Call,
    also: Also | None = None,
    past: Past | None = None,
) -> ProcessRow:
    """Write the process; when this returns it is durable and will be started, now or after a crash."""
    input, known, wanted = start.wish, start.known, start.wanted
    # In tier host without uids there is nothing to keep: agents reach what the daemon does.
    if input.cwd is not None and call.agent is not None and (workshop.host.own_uids or start.tier != HOST):
        await _may_work_in(workshop, Path(input.cwd), call, known)
    key = secrets.token_hex(12)
    record = workshop.record

    def work(tx: Tx) -> ProcessRow:
        session = None
        if known is None:
            stem = start.made_from or input.runtime.partition(":")[0]
            agent = agents.create_in(tx, call, name=input.name, role=start.role, template=start.made_from, stem=stem)
        else:  # looked at here, where nobody can remove it or go on in its conversation meanwhile
            agent = agents.living_in(tx, known.id)
            if past is not None:
                session = past.session
            elif input.session == "resume":
                session = last_session(tx.session, agent.id, input.runtime)
        row = _row(workshop, start, call, agent, key, session)
        if past is not None and not row.context:
            row.context = past.context
        tx.session.add(row)
        tx.session.flush()
        assert row.pid is not None
        for gate in workshop.spawn_gates:
            gate(tx, row.pid, call)
        given = {name: value.get_secret_value() for name, value in input.env.items()}
        env, persons = given, call.agent is None or not given
        if persons:  # else an agent could send the owner's key where it likes
            env = {**workshop.vault.stored(workshop.adapter(row.runtime).hints.needs, given), **given}
        for rule in workshop.spawn_rules:
            rule(tx, row.pid, agent, input, env if persons else {}, call)
        if start.room is not None and wanted is not None:
            start.room.mount_in(tx, wanted.id, agent, call)
        tx.emit(
            ProcessSpawned(
                pid=row.pid,
                agent=row.agent,
                name=row.name,
                runtime=row.runtime,
                goal=None if row.goal is None else row.goal[:GOAL],
                parent=row.parent,
            )
        )
        queued = select(ProcessRow.pid).where(ProcessRow.state == State.QUEUED, col(ProcessRow.limited_until).is_(None))
        waits = workshop.full(tx) or tx.session.exec(queued).first()
        record.state(tx, row, State.QUEUED if waits else State.STARTING)
        token = tokens.make_process_token(
            tx,
            agent=row.agent,
            pid=row.pid,
            toolset=row.toolset,
            user=row.user,
            org=row.org,
            tools=start.tools,
        )
        if row.goal and workshop.adapter(row.runtime).capabilities.texts:
            record.add_input(tx, row, "say", row.goal, by=call.actor, key=f"goal/{row.pid}")
        # Before the commit, so that a row never stands without its environment.
        workshop.vault.keep(key, Secrets(env, token))
        if also is not None:
            also(tx, row.pid, row.agent, row.name)
        return row

    try:
        return await workshop.store.write(work)
    except Exception:
        workshop.vault.drop(key)
        raise


async def _may_work_in(workshop: Workshop, cwd: Path, call: Call, known: AgentRecord | None) -> None:
    """Keep an agent from opening any directory of the machine to a process, which `cwd` does (kernel/process/host.py).

    It may name the home of the agent that shall run, with what lies below, or exactly what its own process was given.
    Not what lies below that: a link can take its place until the process is started, and whenever it is again.
    """
    agents = workshop.settings.home / "agents"
    if ".." not in cwd.parts:
        home = None if known is None else agents / known.id / "home"
        if home is not None and (cwd == home or home in cwd.parents):
            return
        given = None if call.pid is None else Path((await workshop.read_row(call.pid)).cwd)
        if cwd == given and agents not in given.parents:
            return
    raise Forbidden(
        f"an agent may not open {cwd} to a process; leave `cwd` out, or name its own directory", field="cwd"
    )


def last_session(session: Session, agent: str, runtime: str) -> str | None:
    """Return the conversation an agent had last in a runtime; `Conflict` when it is still in it."""
    rows = select(ProcessRow).where(
        ProcessRow.agent == agent, ProcessRow.runtime == runtime, col(ProcessRow.session).is_not(None)
    )
    newest = session.exec(rows.order_by(col(ProcessRow.pid).desc())).first()
    if newest is not None and State(newest.state) not in ENDED:
        raise Conflict(
            f"agent {newest.name} is running as process {newest.pid}; send to it, or spawn with session `new`",
            pid=newest.pid,
        )
    return newest.session if newest else None


def _row(workshop: Workshop, start: Start, call: Call, agent: Any, key: str, session: str | None) -> ProcessRow:
    input, wanted = start.wish, start.wanted
    home = workshop.settings.home / "agents" / agent.id / "home"
    return ProcessRow(
        agent=agent.id,
        user=call.user,
        org=call.org,
        parent_agent=agent.parent,
        name=agent.name,
        role=input.role or agent.role or start.role,
        runtime=input.runtime,
        goal=input.goal,
        context=start.context,
        argv=json.dumps(input.argv or []),
        cwd=input.cwd or str(home / "work" if wanted is None else wanted.path),
        limits=input.limits.model_dump_json(),
        budget_nano=None if input.budget is None else round(input.budget * NANO),
        secret=key,
        toolset=input.toolset,
        priority=input.priority,
        parent=call.pid or input.parent,
        rows=input.rows,
        cols=input.cols,
        model=input.model,
        template=start.made_from,
        state=str(State.CREATED),
        tier=start.tier,
        sandbox=input.sandbox.model_dump_json(exclude_defaults=True),
        uid=agent.uid if workshop.host.own_uids else None,
        session=session,
        resumes=session is not None,
        created_at=workshop.record.now(),
    )
