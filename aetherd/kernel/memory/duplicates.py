"""Near-duplicates: the index gives a few candidates for each memory, the words they share decide.

Two texts of which `s` of all words are the same share at least one of any (1 - s) of the words of either, and one
more; so it is enough to look at those that share one of the rarest. Memories that differ in a number or in a negation
are never the same, however much else they share.
"""

from __future__ import annotations

import math
import re
import sqlite3
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from aetherd.kernel.memory.rows import Record
from aetherd.kernel.memory.search import Filter, Index, having, words
from aetherd.store.rows import fetch

LONG = 10_000  # characters; longer memories are left alone
RAREST = 8  # words of one memory that are looked up
SHARING = 500  # newest memories looked at that have one of them
CANDIDATES = 50  # of these, those that are compared
READ = "m.seq, m.id, m.content, m.layer, m.scope, m.tags, m.importance"
NEGATIONS = frozenset(
    ("no", "not", "never", "without", "none", "cannot", "don", "dont", "doesn", "isn", "won", "nicht", "kein", "nie")
)


@dataclass(frozen=True, slots=True)
class Group:
    """The newest of some memories that say the same, and the others, newest first."""

    keeper: Record
    others: list[Record]
    similarity: float


@dataclass(slots=True)
class Duplicates:
    """One look through what a filter lets through."""

    cursor: sqlite3.Cursor
    filter: Filter
    similarity: float
    index: Index
    _taken: set[int] = field(default_factory=set)

    def groups(self, limit: int, before: int) -> tuple[list[Group], list[int]]:
        """Return what says the same among the newest below `before`, and the keys that were looked at."""
        rows = self._read("m.seq < ? AND length(m.content) <= ? ORDER BY m.seq DESC LIMIT ?", (before, LONG, limit))
        found = [group for row in rows if row["seq"] not in self._taken and (group := self._group(row)) is not None]
        return found, [row["seq"] for row in rows]

    def _group(self, keeper: Record) -> Group | None:
        own, others, least = _words(keeper["content"]), list[Record](), 1.0
        for row in self._candidates(keeper):
            alike = likeness(own, _words(row["content"]))
            if alike >= self.similarity:
                others.append(row)
                least = min(least, alike)
        self._taken.update(row["seq"] for row in others)
        return Group(keeper, others, least) if others else None

    def _candidates(self, keeper: Record) -> Iterator[Record]:
        """Return older memories of the same place and layer that share rare words, newest first."""
        terms = words(keeper["content"])
        rare = max(3, math.ceil((1 - self.similarity) * len(terms)) + 1)
        shared: Counter[int] = Counter()
        for _, term in sorted((self.index.frequency(term), term) for term in terms)[: min(rare, RAREST)]:
            shared.update(self.index.newest_with(having([term]), self.filter, below=keeper["seq"], limit=SHARING))
        keys = sorted(shared, key=lambda key: (-shared[key], -key))[:CANDIDATES]
        marks = ",".join("?" * len(keys))
        for row in self._read(f"m.seq IN ({marks}) ORDER BY m.seq DESC", keys) if keys else ():
            same = (row["scope"], row["layer"]) == (keeper["scope"], keeper["layer"])
            if same and row["seq"] not in self._taken and len(row["content"]) <= LONG:
                yield row

    def _read(self, where: str, values: tuple[int, ...] | list[int]) -> list[Record]:
        return fetch(
            self.cursor.execute(
                f"SELECT {READ} FROM memory m WHERE {self.filter.where} AND {where}", (*self.filter.values, *values)
            )
        )


def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of their words that two texts have in common; 0 when they differ in what turns a sense."""
    if not one or any(word in NEGATIONS or not word.isalpha() for word in one ^ other):
        return 0.0
    return len(one & other) / len(one | other)


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text).lower()))
