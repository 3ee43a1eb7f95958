"""The ledger: what a call may cost at most is set aside before it is made, and what it did cost is written after.

The check and the reservation are one unit of work on the writer thread, with every budget the call counts for, so that
calls in flight never exceed one together. Nothing of it is kept in memory: the sums are rows of their own, changed in
the same transaction as the call.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlmodel import Session

from aetherd.core.clock import Clock, stamp
from aetherd.core.context import Origin
from aetherd.core.errors import NotFound
from aetherd.kernel.quota.accounts import by_model
from aetherd.kernel.quota.budgets import Bound, Payer, Refusal, bounds, payer, places, refusal
from aetherd.kernel.quota.ports import Processes
from aetherd.operations.spending import Metered, ModelCall, Spent
from aetherd.store import Store, Tx

logger = logging.getLogger(__name__)

HUGE = 10**15  # tokens, or nanodollars, of one call: sums of them still fit
OPEN = (
    "INSERT INTO quota_call (pid, agent, user, org, provider, model, at, most_nano, most_tokens, input_tokens, "
    "output_tokens, cache_read_tokens, cache_write_tokens, estimated) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0)"
)
SET_ASIDE = (
    "INSERT INTO quota_spent (kind, of, period, nano, tokens, reserved_nano, reserved_tokens, calls) "
    "VALUES (?, ?, ?, 0, 0, ?, ?, 1) ON CONFLICT DO UPDATE SET calls = calls + 1, "
    "reserved_nano = reserved_nano + excluded.reserved_nano, "
    "reserved_tokens = reserved_tokens + excluded.reserved_tokens"
)
BEGUN = "UPDATE quota_run SET calls = calls + 1 WHERE pid = ?"
CLOSE = (
    "UPDATE quota_call SET outcome = ?, settled_at = ?, model_seen = ?, input_tokens = ?, output_tokens = ?, "
    "cache_read_tokens = ?, cache_write_tokens = ?, nano = ?, estimated = ?, status = ?, first_byte_ms = ?, "
    "took_ms = ? WHERE id = ?"
)
SPEND = (
    "UPDATE quota_spent SET nano = nano + ?, tokens = tokens + ?, reserved_nano = reserved_nano - ?, "
    "reserved_tokens = reserved_tokens - ? WHERE kind = ? AND of = ? AND period = ?"
)
COUNT = (
    "UPDATE quota_run SET nano = nano + ?, input_tokens = input_tokens + ?, output_tokens = output_tokens + ?, "
    "cache_read_tokens = cache_read_tokens + ?, cache_write_tokens = cache_write_tokens + ?, "
    "unpriced = unpriced + ?, estimated = estimated + ? WHERE pid = ? "
    "RETURNING nano, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens"
)
UNSETTLED = "SELECT pid, at, most_nano, most_tokens, model FROM quota_call WHERE id = ? AND outcome IS NULL"

Told = Callable[[Tx, Payer, Sequence[Bound], "Refusal | None"], None]  # who is to be told of budgets that are used up


class Ledger:
    """The one `spending.Money` of the house."""

    def __init__(self, store: Store, clock: Clock, process: Processes, told: Told) -> None:
        self._store, self._clock, self._process, self._told = store, clock, process, told

    async def reserve(self, call: ModelCall) -> int:
        """Set the most aside, durably; raises `Exhausted` when a budget would be exceeded, with its figures."""
        at = stamp(self._clock.now())
        most = None if call.most_nano_usd is None else min(call.most_nano_usd, HUGE)
        call = replace(call, most_tokens=min(call.most_tokens, HUGE), most_nano_usd=most)  # a body may ask for anything
        found = await self._store.write(lambda tx: self._reserve(tx, call, at))
        if isinstance(found, Refusal):
            raise found.error()
        return found

    async def settle(self, reservation: int, spent: Spent) -> None:
        """Write what it cost and give the rest back; what is settled already stays as it is."""
        at = stamp(self._clock.now())
        await self._store.write(lambda tx: self._settle(tx, reservation, spent, at))

    async def resolve(self) -> int:
        """Count the calls that were under way when the daemon ended by their upper bound; returns how many."""
        at = stamp(self._clock.now())

        def work(tx: Tx) -> int:
            lost = tx.execute("SELECT id FROM quota_call WHERE outcome IS NULL").fetchall()
            for (reservation,) in lost:
                self._settle(tx, reservation, None, at)
            return len(lost)

        count = await self._store.write(work)
        if count:
            logger.warning("%d calls to models were under way when aetherd ended: counted as the most they cost", count)
        return count

    def usage(
        self, session: Session, *, user: str, org: str, agent: str | None = None, since: str = ""
    ) -> list[dict[str, Any]]:
        """Return what calls begun since then (wire form) came to, by provider and model, the dearest first.

        Each: provider, model, calls, open, estimated, unpriced, nano_usd, and the four kinds of tokens.
        """
        return by_model(session, user=user, org=org, agent=agent, since=since)

    def _reserve(self, tx: Tx, call: ModelCall, at: str) -> int | Refusal:
        who = payer(tx, call.pid)
        if who is None:
            raise NotFound(f"no process {call.pid}; process.list shows those there are", kind="process", id=call.pid)
        tx.origin = Origin(user=who.user, org=who.org)  # whose events these are
        held = bounds(tx, who, at)
        refused = refusal(tx, who, call, held)
        if refused is not None:  # no error here: what is written of it must stand
            self._told(tx, who, held, refused)
            return refused
        where = places(who, at)
        aside = (call.most_nano_usd or 0, call.most_tokens)
        tx.cursor.executemany(SET_ASIDE, [(*place.row, *aside) for place in where])
        tx.execute(BEGUN, (call.pid,))
        whose = (who.pid, who.agent, who.user, who.org)
        done = tx.execute(OPEN, (*whose, call.provider, call.model, at, call.most_nano_usd, call.most_tokens))
        assert done.lastrowid is not None
        return done.lastrowid

    def _settle(self, tx: Tx, reservation: int, spent: Spent | None, now: str) -> None:
        row = tx.execute(UNSETTLED, (reservation,)).fetchone()
        if row is None:
            return
        pid, at, most_nano, most_tokens, model = row
        if spent is None:  # nobody knows: never free
            spent, outcome = Spent("cut", input_tokens=most_tokens, nano_usd=most_nano, estimated=True), "lost"
        else:
            outcome = spent.outcome
        told = (spent.input_tokens, spent.output_tokens, spent.cache_read_tokens, spent.cache_write_tokens)
        kinds = [min(max(0, count), HUGE) for count in told]  # a provider may say anything
        tokens, estimated = sum(kinds), spent.estimated
        nano = None if spent.nano_usd is None else min(max(0, spent.nano_usd), HUGE)
        if nano is None and tokens and most_nano is not None:  # what was priced before is not free after
            nano, estimated = most_nano, True
        seen = (spent.status, spent.first_byte_ms, spent.took_ms)
        tx.execute(CLOSE, (outcome, now, spent.model or model, *kinds, nano, estimated, *seen, reservation))
        who = payer(tx, pid)
        assert who is not None
        tx.origin = Origin(user=who.user, org=who.org)
        paid, aside = (nano or 0, tokens), (most_nano or 0, most_tokens)
        tx.cursor.executemany(SPEND, [(*paid, *aside, *place.row) for place in places(who, at)])
        unpriced = nano is None and tokens > 0
        own = tx.execute(COUNT, (nano or 0, *kinds, unpriced, estimated, pid)).fetchone()
        self._process.metered_in(tx, pid, who.agent, Metered(*own), Metered(nano or 0, *kinds), spent.model or model)
        self._told(tx, who, bounds(tx, who, at), None)
