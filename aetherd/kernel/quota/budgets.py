"""Budgets: which hold for a call, what is left of each, and the words for one that is used up.

A call spends from each run it descends from, and from the day and month (UTC, when it was begun) of its agent, its
user and its org. Whoever has no budget is counted all the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from sqlite3 import Cursor
from typing import Any, Literal, Protocol

from aetherd.core.clock import stamp
from aetherd.core.errors import Conflict, Exhausted
from aetherd.kernel.quota.tables import EVERY, TOGETHER
from aetherd.operations.spending import NANO, ModelCall

Kind = Literal["run", "flow", "agent", "user", "org"]
Period = Literal["run", "day", "month"]
Unit = Literal["usd", "tokens", "steps"]

WARN = 0.8
DEEP = 64  # runs that started one another

RUN = "SELECT pid, agent, name, user, org, parent, budget_nano, tokens, steps, calls FROM quota_run WHERE pid = ?"
LIMITS = "SELECT user, agent, limits FROM quota WHERE org = ? AND user IN (?, '') AND agent IN (?, ?, ?)"
SPENT = (
    "SELECT nano, tokens, reserved_nano, reserved_tokens, calls FROM quota_spent "
    "WHERE kind = ? AND of = ? AND period = ?"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where spending is counted: a row of `quota_spent`, and whose that is."""

    kind: Kind
    of: str
    key: str  # "", 2026-11-20 or 2026-11

    @property
    def row(self) -> tuple[str, str, str]:
        """Its primary key."""
        return (self.kind, self.of, self.key)

    @property
    def period(self) -> Period:
        """How long it lasts."""
        return "run" if not self.key else "day" if len(self.key) == 10 else "month"

    def resets_at(self) -> str | None:
        """Return when it begins anew; None: never."""
        if not self.key:
            return None
        begun = datetime.fromisoformat(self.key if self.period == "day" else f"{self.key}-01").replace(tzinfo=UTC)
        then = begun + timedelta(days=1 if self.period == "day" else 32)
        return stamp(then if self.period == "day" else then.replace(day=1))


@dataclass(frozen=True, slots=True)
class Bound:
    """A budget in force: of a place, in whole nanodollars and tokens."""

    place: Place
    nano: int | None
    tokens: int | None


@dataclass(frozen=True, slots=True)
class Payer:
    """A run as money knows it, and all that its calls count for."""

    pid: int
    agent: str
    name: str
    user: str
    org: str
    steps: int | None
    calls: int
    line: tuple[tuple[int, int | None, int | None], ...]  # (pid, nanodollars, tokens): itself, its parent, …


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call is not made."""

    unit: Unit
    place: Place
    limit: int
    spent: int
    reserved: int
    wanted: int

    def error(self) -> Exhausted:
        """Return what the caller is told."""
        place, name = self.place, whose(self.place)
        data: dict[str, Any] = {"budget": place.kind, "of": place.of, "period": place.period}
        if self.unit == "steps":
            told = f"{name} has made the {self.limit:,} calls to models of its limits.steps; start it with a higher one"
            return Exhausted(told, **data, limit_steps=self.limit, steps=self.spent)
        left = max(0, self.limit - self.spent - self.reserved)
        span = "" if place.period == "run" else f" for this {place.period}"
        resets = place.resets_at()
        mend = "raise it with quota.set" + (f", or wait until {resets}" if resets else "")
        told = (
            f"the budget of {shown(self.unit, self.limit)} of {name}{span} has {shown(self.unit, left)} left, "
            f"and this call could take {shown(self.unit, self.wanted)}; {mend}"
        )
        for key, amount in (("limit", self.limit), ("spent", self.spent), ("reserved", self.reserved)):
            data[f"{key}_{self.unit}"] = amount / NANO if self.unit == "usd" else amount
        if resets:
            data["resets_at"] = resets
        return Exhausted(told, **data)


class Sql(Protocol):
    """What runs plain SQL: a transaction, or a reader's cursor."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Cursor:
        """Run one statement."""
        ...


def payer(tx: Sql, pid: int) -> Payer | None:
    """Return who pays for a run's calls; None: there is no such run."""
    line: list[tuple[int, int | None, int | None]] = []
    first: tuple[Any, ...] | None = None
    upper: int | None = pid
    while upper is not None and len(line) < DEEP and (row := tx.execute(RUN, (upper,)).fetchone()) is not None:
        first = first or row
        line.append((row[0], row[6], row[7]))
        upper = row[5]
    if first is None:
        return None
    pid, agent, name, user, org, _, _, _, steps, calls = first
    return Payer(pid, agent, name, user, org, steps, calls, tuple(line))


def account(pid: int) -> Place:
    """Return where what a run spends is counted, with all it starts; below zero, a flow."""
    return Place("run", str(pid), "") if pid > 0 else Place("flow", str(-pid), "")


def places(payer: Payer, at: str) -> list[Place]:
    """Return where a call that was begun then (wire form) is counted."""
    found = [account(pid) for pid, _, _ in payer.line]
    return found + spans("agent", payer.agent, at) + common(payer.user, payer.org, at)


def common(user: str, org: str, at: str) -> list[Place]:
    """Return the day and the month of all agents of a user, and of an org."""
    return spans("user", f"{org}/{user}", at) + spans("org", org, at)


def spans(kind: Kind, of: str, at: str) -> list[Place]:
    """Return the day and the month (UTC) of somebody at that time."""
    return [Place(kind, of, at[:long]) for long in (10, 7)]


def bounds(tx: Sql, payer: Payer, at: str) -> list[Bound]:
    """Return the budgets that hold for a call of a run, those of the run first."""
    found = [Bound(account(pid), nano, tokens) for pid, nano, tokens in payer.line]
    found += lasting(tx, [one for one in places(payer, at) if one.key], payer.agent, payer.user, payer.org)
    return [one for one in found if one.nano is not None or one.tokens is not None]


def lasting(tx: Sql, places: Iterable[Place], agent: str, user: str, org: str) -> list[Bound]:
    """Return what is set for each of these days and months of an agent, a user and an org."""
    set_for: dict[str, list[Mapping[str, int]]] = {}
    for owner, whom, limits in tx.execute(LIMITS, (org, user, agent, EVERY, TOGETHER)).fetchall():
        kind = "agent" if whom != TOGETHER else "user" if owner else "org"
        set_for.setdefault(kind, []).append(amounts(limits))
    found = []
    for place in places:
        nano, tokens = (
            min((one[name] for one in set_for.get(place.kind, ()) if name in one), default=None)
            for name in (f"{place.period}_usd", f"{place.period}_tokens")
        )
        found.append(Bound(place, nano, tokens))
    return found


@lru_cache(maxsize=4096)
def amounts(limits: str) -> Mapping[str, int]:
    """Return the budgets by day and month in the JSON of a quota, in nanodollars and tokens."""
    names = ("day_usd", "month_usd", "day_tokens", "month_tokens")
    raw = json.loads(limits)
    found = {name: raw[name] for name in names if raw.get(name) is not None}
    return {name: nano(value) if name.endswith("usd") else int(value) for name, value in found.items()}


def nano(usd: float) -> int:
    """Return whole nanodollars."""
    return round(usd * NANO)


def refusal(tx: Sql, payer: Payer, call: ModelCall, found: Sequence[Bound]) -> Refusal | None:
    """Return why a call must not be made; None when it may. Raises `Conflict` when its cost cannot be bounded."""
    if payer.steps is not None and payer.calls >= payer.steps:
        return Refusal("steps", Place("run", str(payer.pid), ""), payer.steps, payer.calls, 0, 1)
    if call.most_nano_usd is None and any(one.nano is not None for one in found):
        _bounded_by_tokens(call, found)
    for bound in found:
        spent = tx.execute(SPENT, bound.place.row).fetchone() or (0,) * 5
        wanted = call.most_nano_usd or 0
        if bound.nano is not None and spent[0] + spent[2] + wanted > bound.nano:
            return Refusal("usd", bound.place, bound.nano, spent[0], spent[2], wanted)
        if bound.tokens is not None and spent[1] + spent[3] + call.most_tokens > bound.tokens:
            return Refusal("tokens", bound.place, bound.tokens, spent[1], spent[3], call.most_tokens)
    return None


def _bounded_by_tokens(call: ModelCall, found: Iterable[Bound]) -> None:
    if all(one.tokens is None for one in found):
        raise Conflict(
            f"no price is known for model {call.model} of {call.provider}, so a budget in USD cannot hold it; "
            "give it a price (model.configure), or bound tokens (limits.tokens, or quota.set)",
            provider=call.provider,
            model=call.model,
        )


def whose(place: Place) -> str:
    """Return whose budget it is, in words."""
    return {
        "run": f"process {place.of}",
        "flow": "its flow",
        "agent": "this agent",
        "user": "all your agents",
        "org": "the organization",
    }[place.kind]


def shown(unit: Unit, amount: int) -> str:
    """Write an amount of nanodollars, tokens or steps in words."""
    if unit != "usd":
        return f"{amount:,} {unit}"
    return f"{amount / NANO:.6f}".rstrip("0").ljust(len(f"{amount // NANO}") + 3, "0") + " USD"
