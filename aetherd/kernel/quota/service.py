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
from aetherd.core.errors import Invalid
from aetherd.kernel.quota import events
from aetherd.kernel.quota.disk import DiskWatch
from aetherd.kernel.quota.models import (
    AgentUsage,
    Quota,
    QuotaLimits,
    QuotaPage,
    QuotaRef,
    QuotaSet,
    QuotaSummary,
    RunUsage,
)
from aetherd.kernel.quota.ports import Agents, Files, Identity, Messages, Processes
from aetherd.kernel.quota.tables import EVERY, QuotaRow
from aetherd.operations.bounds import Bounded
from aetherd.operations.operation import Call, Effect, Rule, Subject, operation
from aetherd.store import Store, Tx

MINE = Subject("agent", "agent")
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
        message: Messages,
    ) -> None:
        self._store, self._settings, self._clock = store, settings, clock
        self._agents, self._process, self._files = agent, process, fs
        self.disk = DiskWatch(store, clock, settings, process, fs, message, self.ceilings)

    def offers(self) -> Mapping[str, Any]:
        """Bound what runs may use."""
        return {"process.quotas": self}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch the disk."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.disk.run)
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
        """Bound what one agent, or every agent of yours, may use; it holds for runs that start from now on.

        Bounds on disk hold at once; of a run that is there already, the others are changed by sandbox.set_limits.
        """
        changes = {name: getattr(input, name) for name in input.model_fields_set - {"agent"}}
        if not changes:
            raise Invalid(f"what shall change? name one of {', '.join(QuotaLimits.model_fields)}")
        agent = await self._whose(input.agent, call)

        def work(tx: Tx) -> None:
            key = (call.user, call.org, agent or EVERY)
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
            tx.emit(events.QuotaSet(agent=agent, limits=after.model_dump(exclude_none=True), by=call.actor))

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
        return await self._measured(found, runs)

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
            agents=[await self._measured(row, living[row.id], until) for row in shown],
            cursor=shown[-1].id if len(rows) > input.limit else None,
            cores=os.cpu_count() or 1,
            memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            disk_free_bytes=free.free,
        )

    # For the process room ----------------------------------------------------------------------------

    async def ceilings(self, agent: str | None, user: str, org: str) -> Mapping[str, float]:
        """Return the most that a run of an agent, or (None) of a new one, may use."""
        every, own = await self._rows(agent, user, org)
        return _least(every, own).model_dump(exclude_none=True)

    # ------------------------------------------------------------------------------------------------

    async def _whose(self, ref: str | None, call: Call) -> str | None:
        ref = ref or call.agent
        return None if ref is None else (await self._agents.find(ref, call)).id

    async def _rows(self, agent: str | None, user: str, org: str) -> tuple[QuotaLimits, QuotaLimits]:
        def query(session: Session) -> tuple[QuotaLimits, QuotaLimits]:
            found = [session.get(QuotaRow, (user, org, of)) if of is not None else None for of in (EVERY, agent)]
            return _limits(found[0]), _limits(found[1])

        return await self._store.read(query)

    async def _quota(self, agent: str | None, call: Call) -> Quota:
        every, own = await self._rows(agent, call.user, call.org)
        by, lacking = self._process.bounds.enforced
        return Quota(
            agent=agent, own=own, everyone=every, effective=_least(every, own), enforced_by=by, lacking=lacking
        )

    async def _measured(self, agent: Identity, runs: Sequence[Bounded], until: float | None = None) -> AgentUsage:
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
        )


def _limits(row: QuotaRow | None) -> QuotaLimits:
    return QuotaLimits() if row is None else QuotaLimits.model_validate_json(row.limits)


def _least(one: QuotaLimits, other: QuotaLimits) -> QuotaLimits:
    """Return the tighter of two bounds, each by each."""
    both = {name: (getattr(one, name), getattr(other, name)) for name in QuotaLimits.model_fields}
    return QuotaLimits(
        **{name: min((value for value in pair if value is not None), default=None) for name, pair in both.items()}
    )
