"""What people configured, as it is looked up for each call: kept in memory, changed when its transaction stands."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session, select

from aetherd.kernel.model import prices
from aetherd.kernel.model.models import Price, RouteRule
from aetherd.kernel.model.providers import Book
from aetherd.kernel.model.tables import ModelSettingRow
from aetherd.store import Tx

Whose = tuple[str, str]  # user, org


class Settled:
    """Providers, prices, rules and traced agents, by user and org."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self._prices: dict[Whose, dict[str, Price]] = {}
        self._rules: dict[Whose, list[RouteRule]] = {}
        self._traced: dict[Whose, set[str]] = {}

    def load(self, session: Session) -> None:
        """Read everything."""
        for row in session.exec(select(ModelSettingRow)):
            self._take(row.kind, row.name, (row.user, row.org), json.loads(row.value))

    def put(self, tx: Tx, kind: str, name: str, whose: Whose, value: Any, *, at: str, by: str) -> None:
        """Write a setting inside the transaction; None removes it."""
        row = tx.session.get(ModelSettingRow, (*whose, kind, name))
        if value is None:
            if row is not None:
                tx.session.delete(row)
        else:
            row = row or ModelSettingRow(
                user=whose[0], org=whose[1], kind=kind, name=name, value="", updated_at="", updated_by=""
            )
            row.value, row.updated_at, row.updated_by = json.dumps(value, ensure_ascii=False), at, by
            tx.session.add(row)
        tx.after(lambda: self._take(kind, name, whose, value))

    def rules(self, user: str, org: str) -> Sequence[RouteRule]:
        """Return the routing rules, in order."""
        return self._rules.get((user, org), ())

    def traced(self, user: str, org: str) -> list[str]:
        """Return the ids of traced agents."""
        return sorted(self._traced.get((user, org), ()))

    def is_traced(self, agent: str, user: str, org: str) -> bool:
        """Tell whether an agent's calls are kept."""
        return agent in self._traced.get((user, org), ())

    def own_prices(self, user: str, org: str) -> Mapping[str, Price]:
        """Return the prices that were configured, by provider/model."""
        return self._prices.get((user, org), {})

    def price(self, provider: str, model: str, user: str, org: str) -> Price | None:
        """Return what a model costs; None when nobody knows."""
        return prices.find(provider, model, self.own_prices(user, org), local=provider == "ollama")

    def dialects(self, user: str, org: str) -> dict[str, str]:
        """Return the dialect of each provider."""
        return {name: self.book.place(name, user, org).dialect for name in self.book.names(user, org)}

    def _take(self, kind: str, name: str, whose: Whose, value: Any) -> None:
        if kind == "rules":
            self._rules[whose] = [RouteRule(**one) for one in value or ()]
        elif kind == "trace":
            (set.add if value else set.discard)(self._traced.setdefault(whose, set()), name)
        else:
            known: dict[str, Any] = (self._prices if kind == "price" else self.book.configured).setdefault(whose, {})
            if value is None:
                known.pop(name, None)
            else:
                known[name] = Price(**value) if kind == "price" else value
