"""The account of each run: opened with it, read by whoever wants to know what it cost and what is left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlmodel import Session

from aetherd.core.errors import Invalid
from aetherd.kernel.quota.budgets import SPENT, Bound, Place, Sql, nano, payer
from aetherd.kernel.quota.models import RunMoney, Spending
from aetherd.kernel.quota.ports import Identity, Processes, Wish
from aetherd.operations.bounds import Bounded
from aetherd.operations.gateway import own
from aetherd.operations.operation import Call
from aetherd.operations.spending import NANO
from aetherd.store import Tx
from aetherd.store.rows import bare, fetch

OPEN = (
    "INSERT INTO quota_run (pid, agent, name, user, org, parent, budget_nano, tokens, steps, calls, unpriced, "
    "estimated, nano, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0)"
)
POT = (
    "INSERT OR IGNORE INTO quota_run (pid, agent, name, user, org, parent, budget_nano, calls, unpriced, estimated, "
    "nano, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens) "
    "SELECT ?, agent, ?, user, org, parent, ?, 0, 0, 0, 0, 0, 0, 0, 0 FROM quota_run WHERE pid = ?"
)
ACCOUNT = (
    "SELECT budget_nano, tokens, steps, calls, unpriced, estimated, nano, "
    "input_tokens + output_tokens + cache_read_tokens + cache_write_tokens FROM quota_run WHERE pid = ?"
)
UPPER = "SELECT pid FROM quota_run WHERE pid = ? AND user = ? AND org = ?"
BY_MODEL = (
    "SELECT provider, coalesce(model_seen, model) AS model, count(*) AS calls, "
    "sum(outcome IS NULL) AS open, sum(estimated) AS estimated, "
    "sum(nano IS NULL AND outcome IS NOT NULL AND input_tokens + output_tokens > 0) AS unpriced, "
    "sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, "
    "sum(cache_read_tokens) AS cache_read_tokens, sum(cache_write_tokens) AS cache_write_tokens, "
    "coalesce(sum(nano), 0) AS nano_usd FROM quota_call WHERE user = :user AND org = :org AND at >= :since "
    "AND (:agent IS NULL OR agent = :agent) GROUP BY 1, 2 ORDER BY nano_usd DESC, 1, 2"
)


def open_in(tx: Tx, pid: int, agent: Identity, input: Wish, env: Mapping[str, str], call: Call) -> None:
    """Open the account of a new run, in the transaction that accepts it.

    A budget holds only what goes through the model gateway, so a run with credentials of its own has none.
    """
    upper = call.pid or input.parent
    if upper is not None and tx.execute(UPPER, (upper, call.user, call.org)).fetchone() is None:
        upper = None
    limits = input.limits
    budget = None if input.budget is None else nano(input.budget)
    tx.execute(
        OPEN,
        (pid, agent.id, agent.name, call.user, call.org, upper, budget, limits.tokens, limits.steps),
    )
    if not (around := own(set(env) | set(input.env))):
        return
    who = payer(tx, pid)
    if who is not None and any(one is not None for _, *both in who.line for one in both):
        raise Invalid(
            f"a budget cannot hold a run with credentials of its own for {', '.join(sorted(around))}: its calls "
            "would go past the model gateway; leave them out of `env`, or lift the budget",
            field="env",
        )


def gather_in(tx: Tx, pid: int, flow: str, seq: int, budget: float) -> None:
    """Have a run of a flow, with all it starts, spend from what the flow may cost in USD.

    The flow's account is a run that is none, above those of its steps: its number is below zero.
    """
    tx.execute(POT, (-seq, flow, nano(budget), pid))
    tx.execute("UPDATE quota_run SET parent = ? WHERE pid = ?", (-seq, pid))


def rebound_in(tx: Tx, process: Processes, pid: int, changes: Mapping[str, Any], by: str) -> None:
    """Change the bounds of a run that is there: `budget` in nanodollars, `tokens`, `steps`; None lifts one."""
    for name, value in changes.items():
        column = "budget_nano" if name == "budget" else name
        tx.execute(f"UPDATE quota_run SET {column} = ? WHERE pid = ?", (value, pid))
    process.bounded_in(tx, pid, changes, by)


def sums(sql: Sql, found: Iterable[Bound]) -> list[Spending]:
    """Return what was spent of each budget."""
    shown = []
    for bound in found:
        place = bound.place
        spent, tokens, reserved, reserved_tokens, calls = sql.execute(SPENT, place.row).fetchone() or (0,) * 5
        shown.append(
            Spending(
                budget=place.kind,
                of=place.of,
                period=place.period,
                limit_usd=None if bound.nano is None else bound.nano / NANO,
                spent_usd=spent / NANO,
                reserved_usd=reserved / NANO,
                limit_tokens=bound.tokens,
                spent_tokens=tokens,
                reserved_tokens=reserved_tokens,
                calls=calls,
                resets_at=place.resets_at(),
            )
        )
    return shown


def run_money(sql: Sql, run: Bounded) -> RunMoney | None:
    """Return what a run has spent, as the gateway counts it and as its runtime tells."""
    row = sql.execute(ACCOUNT, (run.pid,)).fetchone()
    if row is None:
        return None
    budget, bound, steps, calls, unpriced, estimated, spent, tokens = row
    (total,) = sums(sql, [Bound(Place("run", str(run.pid), ""), budget, bound)])
    return RunMoney(
        **total.model_dump(exclude={"calls"}),
        calls=calls,
        limit_steps=steps,
        tool_calls=run.tool_calls,
        unpriced=unpriced,
        estimated=estimated,
        own_usd=spent / NANO,
        own_tokens=tokens,
        claimed_usd=round(run.claimed_usd, 9),
        claimed_tokens=run.claimed_tokens,
        difference_usd=round(spent / NANO - run.claimed_usd, 9) if run.metered else None,
        difference_tokens=tokens - run.claimed_tokens if run.metered else None,
    )


def by_model(
    session: Session, *, user: str, org: str, agent: str | None = None, since: str = ""
) -> list[dict[str, Any]]:
    """Return what calls since then (wire form) came to, by provider and model, the dearest first."""
    values = {"user": user, "org": org, "agent": agent, "since": since}
    return fetch(bare(session).execute(BY_MODEL, values))
