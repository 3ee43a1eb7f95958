"""Quotas: the most that runs may use, set by people for one agent or for all, and what is used, as measured."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
from sqlmodel import Session

from aetherd.core.clock import Clock, stamp
from aetherd.core.config import Settings
from aetherd.core.errors import Forbidden, Invalid
from aetherd.kernel.quota import events
from aetherd.kernel.quota.accounts import gather_in, open_in, rebound_in, run_money, sums
from aetherd.kernel.quota.budgets import common, lasting, nano, spans
from aetherd.kernel.quota.disk import DiskWatch
from aetherd.kernel.quota.ledger import Ledger
from aetherd.kernel.quota.models import (
    AgentUsage,
    Quota,
    QuotaLimits,
    QuotaPage,
    QuotaRef,
    QuotaSet,
    QuotaSummary,
    RunUsage,
    Spending,
)
from aetherd.kernel.quota.notices import Notices
from aetherd.kernel.quota.ports import Agents, Files, Identity, Processes
from aetherd.kernel.quota.tables import EVERY, TOGETHER, QuotaRow
from aetherd.kernel.quota.watchdog import Watchdog
from aetherd.operations.bounds import Bounded
from aetherd.operations.operation import Call, Effect, Rule, Subject, operation
from aetherd.operations.posting import Posting
from aetherd.store import Store, Tx
from aetherd.store.rows import bare

MINE = Subject("agent", "agent")
WHOSE = {"agent", "of", "pid"}
OF_A_RUN = {"budget", "tokens", "steps"}
LASTING = {"day_usd", "month_usd", "day_tokens", "month_tokens"}
MEASURE_S = 5.0  # what homes take in a summary; those that are not measured by then say so


class QuotaService:
    """Keeps quotas, bounds runs by them, and measures."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Clock,
        agent: Agents,
        process: Processes,
        fs: Files,
        message: Posting,
    ) -> None:
        self._store, self._settings, self._clock = store, settings, clock
        self._agents, self._process, self._files = agent, process, fs
        self.disk = DiskWatch(store, clock, settings, process, fs, message, self.ceilings)
        self.watchdog = Watchdog(process, clock)
        self.gather_in = gather_in
        self.money = Ledger(store, clock, process, Notices(message, self.watchdog.over).told)

    def offers(self) -> Mapping[str, Any]:
        """Bound what runs may use, and open an account for each."""
        return {"process.quotas": self, "process.spawn_rules": open_in}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Settle what was under way when the daemon ended; watch the disk, and runs that have used up their steps."""
        await self.money.resolve()
        async with anyio.create_task_group() as group:
            group.start_soon(self.disk.run)
            group.start_soon(self.watchdog.run)
            yield
            group.cancel_scope.cancel()

    def health(self) -> dict[str, Any]:
        """Say what this machine cannot enforce; a machine without cgroups is no failure of ours."""
        by, lacking = self._process.bounds.enforced
        return {"ok": True, "detail": lacking, "enforced_by": by}

    @operation("quota.get", effect=Effect.READ, access=MINE, positional=("agent",))
    async def get(self, input: QuotaRef, call: Call) -> Quota:
        """Show what an agent may use at most, where that is set, and what enforces it here."""
        agent = await self._whose(input.agent, call)
        return await self._quota(agent, call)

    @operation("quota.set", access=Rule.PEOPLE, positional=())
    async def set(self, input: QuotaSet, call: Call) -> Quota:
        """Bound what an agent, every agent, or all of yours together may use and spend, or one run that is there.

        Bounds on disk and on days and months (UTC) hold at once, the others for runs that start from now on; of a
        run that is there, budget, tokens and steps are changed by `pid`, the rest by sandbox.set_limits.
        """
        changes = {name: getattr(input, name) for name in input.model_fields_set - WHOSE}
        _check(input, changes)
        if input.pid is not None:
            return await self._set_run(input.pid, changes, call)
        if input.of == "org" and not call.has("quota:admin"):
            raise Forbidden("a budget of the organization needs the scope quota:admin", scope="quota:admin")
        agent = await self._whose(input.agent, call)
        key = {
            "each": (call.user, call.org, agent or EVERY),
            "user": (call.user, call.org, TOGETHER),
            "org": ("", call.org, TOGETHER),
        }[input.of]

        def work(tx: Tx) -> None:
            row = tx.session.get(QuotaRow, key)
            before = _limits(row)
            if row is None:
                row = QuotaRow(user=key[0], org=key[1], agent=key[2], limits="{}", updated_at="", updated_by="")
            after = before.model_copy(update=changes)
            row.limits, row.updated_at, row.updated_by = (
                after.model_dump_json(),
                stamp(self._clock.now()),
                call.actor,
            )
            tx.session.add(row)
            told = after.model_dump(exclude_none=True)
            tx.emit(events.QuotaSet(agent=agent, of="agent" if agent else input.of, limits=told, by=call.actor))

        await self._store.write(work)
        return await self._quota(agent, call)

    @operation("quota.usage", effect=Effect.READ, access=MINE, positional=("agent",))
    async def usage(self, input: QuotaRef, call: Call) -> AgentUsage:
        """Measure what an agent uses now: memory, processes, processor time and disk."""
        ref = input.agent or call.agent
        if ref is None:
            raise Invalid("which agent? name one with `agent`; quota.summary shows all", field="agent")
        found = await self._agents.find(ref, call)
        runs = [run for run in await self._process.bounds.living() if run.agent == found.id]
        return await self._measured(found, runs, call)

    @operation("quota.summary", effect=Effect.READ, access=Rule.OWN)
    async def summary(self, input: QuotaPage, call: Call) -> QuotaSummary:
        """Measure what all agents use now, newest agent first, beside what this machine has."""

        def query(session: Session) -> Sequence[Identity]:
            return self._agents.page(session, call, archived=False, cursor=input.cursor, limit=input.limit + 1)

        rows = await self._store.read(query)
        shown = rows[: input.limit]
        living: dict[str, list[Bounded]] = {row.id: [] for row in shown}
        for run in await self._process.bounds.living():
            if run.agent in living:
                living[run.agent].append(run)
        until = anyio.current_time() + MEASURE_S
        free = await anyio.to_thread.run_sync(shutil.disk_usage, self._settings.home)
        return QuotaSummary(
            agents=[await self._measured(row, living[row.id], call, until) for row in shown],
            cursor=shown[-1].id if len(rows) > input.limit else None,
            spending=[] if call.agent else await self._spending(None, call),
            cores=os.cpu_count() or 1,
            memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            disk_free_bytes=free.free,
        )

    # For the process room ----------------------------------------------------------------------------

    async def ceilings(self, agent: str | None, user: str, org: str) -> Mapping[str, float]:
        """Return the most that a run of an agent, or (None) of a new one, may use."""
        found = await self._store.read(lambda session: _rows(session, agent, user, org))
        return _least(found[EVERY], found["own"]).model_dump(exclude_none=True, exclude=LASTING)

    # ------------------------------------------------------------------------------------------------

    async def _set_run(self, pid: int, changes: dict[str, Any], call: Call) -> Quota:
        owner = await self._process.owner(pid)
        if not call.owns(owner):
            raise Forbidden(f"process {pid} belongs to somebody else", pid=pid)
        raw = changes if changes.get("budget") is None else changes | {"budget": nano(changes["budget"])}
        await self._store.write(lambda tx: rebound_in(tx, self._process, pid, raw, call.actor))
        return await self._quota(owner.agent, call)

    async def _whose(self, ref: str | None, call: Call) -> str | None:
        ref = ref or call.agent
        return None if ref is None else (await self._agents.find(ref, call)).id

    async def _quota(self, agent: str | None, call: Call) -> Quota:
        found = await self._store.read(lambda session: _rows(session, agent, call.user, call.org))
        by, lacking = self._process.bounds.enforced
        return Quota(
            agent=agent,
            own=found["own"],
            everyone=found[EVERY],
            user=QuotaLimits() if call.agent else found["user"],
            org=QuotaLimits() if call.agent else found["org"],
            effective=_least(found[EVERY], found["own"]),
            spending=await self._spending(agent, call),
            enforced_by=by,
            lacking=lacking,
        )

    async def _spending(self, agent: str | None, call: Call) -> list[Spending]:
        """Return what an agent has spent today and this month, and for a person what all have together."""
        at = stamp(self._clock.now())
        found = [] if agent is None else spans("agent", agent, at)
        found += [] if call.agent else common(call.user, call.org, at)

        def query(session: Session) -> list[Spending]:
            sql = bare(session)
            return sums(sql, lasting(sql, found, agent or EVERY, call.user, call.org))

        return await self._store.read(query)

    async def _measured(
        self, agent: Identity, runs: Sequence[Bounded], call: Call, until: float | None = None
    ) -> AgentUsage:
        disk: tuple[int | None, int | None] = None, None
        if until is None or anyio.current_time() < until:
            try:
                disk = await self._files.weigh(agent.id, self.disk.home(agent.id))
            except FileNotFoundError:  # it has never run
                disk = 0, 0
        return AgentUsage(
            agent=agent.id,
            name=agent.name,
            runs=[await self._run(run) for run in runs],
            disk_bytes=disk[0],
            disk_files=disk[1],
            spending=[one for one in await self._spending(agent.id, call) if one.budget == "agent"],
        )

    async def _run(self, run: Bounded) -> RunUsage:
        found = await self._process.bounds.usage(run.pid)
        return RunUsage(
            pid=run.pid,
            state=run.state,
            tier=run.tier,
            limits=dict(run.limits),
            memory_bytes=found.memory_bytes,
            memory_peak_bytes=found.memory_peak,
            processes=found.processes,
            cpu_s=found.cpu_s,
            oom_kills=found.oom_kills,
            source=found.source,
            money=await self._store.read(lambda session: run_money(bare(session), run)),
        )


def _check(input: QuotaSet, changes: Mapping[str, Any]) -> None:
    """Refuse what cannot be meant."""
    if not changes:
        raise Invalid(f"what shall change? name one of {', '.join(QuotaLimits.model_fields)}")
    if input.pid is not None and (input.agent is not None or input.of != "each"):
        raise Invalid("`pid` names one run: leave `agent` and `of` out", field="pid")
    if input.of != "each" and input.agent is not None:
        raise Invalid(f"`of` {input.of} means all agents together: leave `agent` out", field="of")
    fit = OF_A_RUN if input.pid is not None else LASTING if input.of != "each" else set(QuotaLimits.model_fields)
    if unfit := sorted(set(changes) - fit):
        of = f"run {input.pid}" if input.pid is not None else "all agents together"
        raise Invalid(f"{unfit[0]} cannot be set for {of}; what can: {', '.join(sorted(fit))}", field=unfit[0])


def _rows(session: Session, agent: str | None, user: str, org: str) -> dict[str, QuotaLimits]:
    """Return what is set for an agent (`own`), for each, for all of a `user` together, and for an `org`."""
    keys = {EVERY: (user, org, EVERY), "user": (user, org, TOGETHER), "org": ("", org, TOGETHER)}
    found = {name: _limits(session.get(QuotaRow, key)) for name, key in keys.items()}
    return found | {"own": _limits(None if agent is None else session.get(QuotaRow, (user, org, agent)))}


def _limits(row: QuotaRow | None) -> QuotaLimits:
    return QuotaLimits() if row is None else QuotaLimits.model_validate_json(row.limits)


def _least(one: QuotaLimits, other: QuotaLimits) -> QuotaLimits:
    """Return the tighter of two bounds, each by each."""
    both = {name: (getattr(one, name), getattr(other, name)) for name in QuotaLimits.model_fields}
    return QuotaLimits(
        **{name: min((value for value in pair if value is not None), default=None) for name, pair in both.items()}
    )
