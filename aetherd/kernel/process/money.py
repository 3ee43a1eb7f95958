"""What a run costs: as the gateway counts it, and beside that as its runtime tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from aetherd.kernel.process.bounds import limits_of
from aetherd.kernel.process.events import AgentUsage, ProcessLimitsChanged
from aetherd.kernel.process.models import Limits
from aetherd.kernel.process.tables import ProcessRow
from aetherd.operations.spending import NANO, Metered
from aetherd.runtime import Used
from aetherd.store import Tx

METERED = (
    "UPDATE process SET metered = 1, cost_usd = ?, input_tokens = ?, output_tokens = ?, cache_read_tokens = ?, "
    "cache_write_tokens = ? WHERE pid = ?"
)


def metered_in(tx: Tx, pid: int, agent: str, total: Metered, call: Metered, model: str | None) -> None:
    """Show what a run has cost by its metered calls, of which this is the newest, inside the caller's transaction.

    From the first on these are its figures; what the runtime tells of the same calls is only kept beside them.
    """
    tokens = (total.input_tokens, total.output_tokens, total.cache_read_tokens, total.cache_write_tokens)
    tx.execute(METERED, (total.nano_usd / NANO, *tokens, pid))
    tx.emit(
        _usage(
            pid,
            agent,
            Used(
                input_tokens=call.input_tokens,
                output_tokens=call.output_tokens,
                cache_read_tokens=call.cache_read_tokens,
                cache_write_tokens=call.cache_write_tokens,
                cost_usd=call.nano_usd / NANO,
                model=model,
            ),
            "gateway",
        )
    )


def claimed_in(tx: Tx, row: ProcessRow, used: Used) -> None:
    """Keep what a runtime tells of its own cost; it stands for the run only while nothing of it is metered."""
    tokens = used.input_tokens + used.output_tokens + used.cache_read_tokens + used.cache_write_tokens
    row.claimed_usd += used.cost_usd
    row.claimed_tokens += tokens
    if not row.metered:
        row.cost_usd += used.cost_usd
        row.input_tokens += used.input_tokens
        row.output_tokens += used.output_tokens
        row.cache_read_tokens += used.cache_read_tokens
        row.cache_write_tokens += used.cache_write_tokens
    tx.emit(_usage(row.pid, row.agent, used, "runtime"))


def bounded_in(tx: Tx, pid: int, changes: Mapping[str, Any], by: str) -> None:
    """Show other bounds on what a run spends: `budget` in nanodollars, `tokens`, `steps`; None lifts one."""
    row = tx.session.get_one(ProcessRow, pid)
    if "budget" in changes:
        row.budget_nano = changes["budget"]
    limits = Limits.model_validate_json(row.limits).model_dump(exclude_none=True)
    limits |= {name: value for name, value in changes.items() if name != "budget"}
    row.limits = Limits.model_validate(limits).model_dump_json()
    tx.session.add(row)
    told = limits_of(row).model_dump(exclude_none=True)
    if row.budget_nano is not None:
        told["budget"] = row.budget_nano / NANO
    tx.emit(ProcessLimitsChanged(pid=pid, agent=row.agent, limits=told, by=by))


def _usage(pid: int | None, agent: str, used: Used, source: Literal["gateway", "runtime"]) -> AgentUsage:
    return AgentUsage(
        pid=pid,
        agent=agent,
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cache_read_tokens=used.cache_read_tokens,
        cache_write_tokens=used.cache_write_tokens,
        cost_usd=used.cost_usd,
        model=used.model,
        source=source,
    )
