"""Who is told of budgets that run out: an event and a message to the owner, once for each bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aetherd.kernel.quota.budgets import SPENT, WARN, Bound, Payer, Place, Refusal, Unit, shown, whose
from aetherd.kernel.quota.events import QuotaExceeded, QuotaWarned
from aetherd.operations.posting import HOUSE, OWNER, Posting
from aetherd.operations.spending import NANO
from aetherd.store import Tx

TOLD = "INSERT OR IGNORE INTO quota_told (kind, of, period, what, bound) VALUES (?, ?, ?, ?, ?)"


class Notices:
    """Writes them in the transaction of the call they are about."""

    def __init__(self, message: Posting, over: Callable[[int, str], None]) -> None:
        self._messages, self._over = message, over  # over: a run has used up its steps

    def told(self, tx: Tx, who: Payer, held: Sequence[Bound], refused: Refusal | None) -> None:
        """Tell of a call that was refused, or of budgets of which most is spent after one was settled."""
        if refused is None:
            self._warn(tx, who, held)
            return
        if refused.unit == "steps":
            tx.after(lambda: self._over(who.pid, f"its limit of {refused.limit:,} steps"))
        place = refused.place
        if not _first(tx, place, f"exceeded {refused.unit}", refused.limit):
            return
        used = refused.spent + refused.reserved
        tx.emit(
            QuotaExceeded(
                pid=who.pid,
                agent=who.agent,
                resource=refused.unit,
                used=_wire(refused.unit, used),
                bound=_wire(refused.unit, refused.limit),
                budget=place.kind,
                of=place.of,
                period=place.period,
                resets_at=place.resets_at(),
            )
        )
        did = "I end" if refused.unit == "steps" else "I refuse a call to a model of"
        self._post(tx, who, f"{did} {who.name} (process {who.pid}): {refused.error().message}.", place, refused.unit)

    def _warn(self, tx: Tx, who: Payer, held: Sequence[Bound]) -> None:
        for bound in held:
            spent = tx.execute(SPENT, bound.place.row).fetchone() or (0, 0)
            units: tuple[tuple[Unit, int | None, int], ...] = (
                ("usd", bound.nano, spent[0]),
                ("tokens", bound.tokens, spent[1]),
            )
            for unit, limit, used in units:
                if limit and used >= WARN * limit and _first(tx, bound.place, f"warned {unit}", limit):
                    self._warned(tx, who, bound.place, unit, used, limit)

    def _warned(self, tx: Tx, who: Payer, place: Place, unit: Unit, used: int, limit: int) -> None:
        tx.emit(
            QuotaWarned(
                pid=who.pid,
                agent=who.agent,
                resource=unit,
                used=_wire(unit, used),
                bound=_wire(unit, limit),
                budget=place.kind,
                of=place.of,
                period=place.period,
                resets_at=place.resets_at(),
            )
        )
        name = (
            f"{who.name} (process {who.pid})" if place.kind in ("run", "flow", "agent") else whose(place).capitalize()
        )
        own = "the budget of its flow" if place.kind == "flow" else "its budget"
        span = {"run": own, "day": "the budget of this day", "month": "the budget of this month"}[place.period]
        text = f"{name}: {shown(unit, used)} of {span} of {shown(unit, limit)} are spent ({used / limit:.0%})."
        self._post(tx, who, text, place, unit)

    def _post(self, tx: Tx, who: Payer, text: str, place: Place, unit: Unit) -> None:
        self._messages.post_in(
            tx,
            sender=(None, HOUSE),
            to=(None, OWNER),
            text=text,
            kind="status_update",
            data={"pid": who.pid, "agent": who.agent, "budget": place.kind, "period": place.period, "unit": unit},
            user=who.user,
            org=who.org,
        )


def _first(tx: Tx, place: Place, what: str, bound: int) -> bool:
    return tx.execute(TOLD, (*place.row, what, bound)).rowcount == 1


def _wire(unit: Unit, amount: int) -> int | float:
    return amount / NANO if unit == "usd" else amount
