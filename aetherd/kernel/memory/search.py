"""Full-text search with a bounded price: what a user types never breaks a query, and no word is too common.

Ranking a word costs about a microsecond for each memory that has it, and bm25 walks the list of every word
once more, so the size of the table alone must not decide. A cheap look at the newest memories of each word
tells how common it is; rare words are ranked over everything, common ones over the newest memories only,
and words that are nearly everywhere are left out as long as there are others.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

WORDS = 16  # most words of a query that are looked at
PROBE = 200  # newest memories looked at to tell how common a word is
RANKED = 1_000  # memories ranked over everything
WINDOW = 1_000  # memories ranked among the newest
WALKED = 100_000  # memories walked for the statistics of bm25
NARROW = 1_500  # a scope or tag with fewer memories is ranked whole
CANDIDATES = 200
RECENT = 100_000  # how far back words are sought that cannot be ranked
SCANNED = 20_000  # how far back text without words is sought
STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a about after all also an and any are as at be been but by can could did do does for from had has "
        "have he her his how i if in into is it its me my no not of on or our she should so than that the "
        "their them then there they this to was we were what when where which who why will with would you "
        "your",
    )
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which memories may be found: an SQL condition on `m`, and words of the index that narrow it."""

    where: str
    values: tuple[object, ...]
    scope: str | None = None  # one agent's private memories
    tags: tuple[str, ...] = ()

    @property
    def narrow(self) -> str:
        """The part of the match expression that narrows the search; empty when nothing does."""
        parts = [f"scope : {_quoted(self.scope)}"] if self.scope else []
        parts += [f"tags : {_quoted(tag)}" for tag in self.tags if words(tag)]
        return " AND ".join(parts)


@dataclass(slots=True)
class _Search:
    cursor: sqlite3.Cursor
    filter: Filter
    limit: int
    newest: int
    found: dict[int, float] = field(default_factory=dict)

    def ranked(self, terms: Sequence[str], after: int) -> None:
        """Rank by bm25; only when the filter leaves too few, rank again through the filter."""
        match = self._match(_any(terms))
        rows = self.cursor.execute(
            "SELECT rowid, bm25(memory_fts, 1.0, 0.5, 0.0) AS fit FROM memory_fts "
            "WHERE memory_fts MATCH ? AND rowid > ? ORDER BY fit LIMIT ?",
            (match, after, CANDIDATES),
        ).fetchall()
        kept = self._keep({int(key): -fit for key, fit in rows})
        if len(kept) < self.limit and len(rows) == CANDIDATES:
            rows = self.cursor.execute(
                "SELECT m.seq, bm25(memory_fts, 1.0, 0.5, 0.0) AS fit FROM memory_fts "
                "JOIN memory m ON m.seq = memory_fts.rowid "
                f"WHERE memory_fts MATCH ? AND memory_fts.rowid > ? AND {self.filter.where} "
                "ORDER BY fit LIMIT ?",
                (match, after, *self.filter.values, CANDIDATES),
            ).fetchall()
            kept = {int(key): -fit for key, fit in rows}
        self._add(kept)

    def newest_with(self, expression: str, fit: float) -> None:
        """Take the newest that match, without ranking."""
        rows = self.cursor.execute(
            "SELECT m.seq FROM memory_fts JOIN memory m ON m.seq = memory_fts.rowid "
            f"WHERE memory_fts MATCH ? AND memory_fts.rowid > ? AND {self.filter.where} "
            "ORDER BY memory_fts.rowid DESC LIMIT ?",
            (self._match(expression), self.newest - RECENT, *self.filter.values, CANDIDATES),
        ).fetchall()
        self._add({int(key): fit for (key,) in rows})

    def containing(self, text: str) -> None:
        """Take the newest that contain a text without words, such as an emoji."""
        rows = self.cursor.execute(
            "SELECT m.seq FROM memory m "
            f"WHERE m.seq > ? AND {self.filter.where} AND instr(m.content, ?) > 0 "
            "ORDER BY m.seq DESC LIMIT ?",
            (self.newest - SCANNED, *self.filter.values, text, CANDIDATES),
        ).fetchall()
        self._add({int(key): 1.0 for (key,) in rows})

    def frequency(self, term: str) -> int:
        """Estimate how many memories have a word from how dense it is among the newest."""
        rows = self.cursor.execute(
            "SELECT rowid FROM memory_fts WHERE memory_fts MATCH ? ORDER BY rowid DESC LIMIT ?",
            (_any([term]), PROBE),
        ).fetchall()
        if len(rows) < PROBE:
            return len(rows)
        return max(PROBE, PROBE * self.newest // (self.newest - int(rows[-1][0]) + 1))

    def is_narrow(self) -> bool:
        """Tell whether scope and tags leave so few that all can be ranked."""
        if not self.filter.narrow:
            return False
        rows = self.cursor.execute(
            "SELECT rowid FROM memory_fts WHERE memory_fts MATCH ? LIMIT ?", (self.filter.narrow, NARROW)
        ).fetchall()
        return len(rows) < NARROW

    def _match(self, expression: str) -> str:
        return f"({expression}) AND {self.filter.narrow}" if self.filter.narrow else expression

    def _keep(self, fits: dict[int, float]) -> dict[int, float]:
        if not fits:
            return {}
        marks = ",".join("?" * len(fits))
        rows = self.cursor.execute(
            f"SELECT m.seq FROM memory m WHERE m.seq IN ({marks}) AND {self.filter.where}",
            (*fits, *self.filter.values),
        )
        return {int(key): fits[int(key)] for (key,) in rows}

    def _add(self, fits: dict[int, float]) -> None:
        for key, fit in fits.items():
            self.found[key] = max(fit, self.found.get(key, 0.0))


def search(cursor: sqlite3.Cursor, query: str, filters: Sequence[Filter], limit: int) -> dict[int, float]:
    """Return what a filter lets through as `seq -> fit of the text`; importance and age come later."""
    newest = int(cursor.execute("SELECT max(seq) FROM memory").fetchone()[0] or 0)
    jobs = [_Search(cursor, filter, limit, newest) for filter in filters]
    terms = words(query)
    counted = sorted((jobs[0].frequency(term), term) for term in terms)
    for job in jobs:
        if not terms and (text := query.strip("\x00 \t\r\n")):
            job.containing(text)
        _rank(job, [(count, term) for count, term in counted if count])
    if not any(job.found for job in jobs):  # the start of a word, or of a text in a script without spaces
        begun = [term for term in terms if len(term) >= 3 or not term.isascii()]
        for job in jobs if begun else ():
            job.newest_with(" OR ".join(f"{{content tags}} : {_quoted(term)} *" for term in begun), 1.0)
    return {key: fit for job in jobs for key, fit in job.found.items()}


def _rank(job: _Search, known: list[tuple[int, str]]) -> None:
    """Spend the budgets on the words, rarest first."""
    walked, terms = 0, []
    for count, term in known:
        walked += count
        if walked > WALKED:
            break
        terms.append((count, term))
    if not terms:  # every word is nearly everywhere: the newest with all of them, then with any
        all_terms = [term for _, term in known]
        if all_terms:
            job.newest_with(" AND ".join(_any([term]) for term in all_terms), 1.0)
            if len(job.found) < job.limit:
                job.newest_with(_any(all_terms), 0.5)
        return
    total, everything = sum(count for count, _ in terms), [term for _, term in terms]
    if total <= _affordable(RANKED, len(terms)) or job.is_narrow():
        job.ranked(everything, -1)
        return
    spent, rare = 0, list[str]()
    for count, term in terms:
        spent += count
        if spent > _affordable(RANKED, len(rare) + 1):
            break
        rare.append(term)
    if rare:
        job.ranked(rare, -1)
    job.ranked(everything, job.newest - max(1000, job.newest * _affordable(WINDOW, len(terms)) // total))


def _affordable(budget: int, terms: int) -> int:
    """Return how many memories the budget can rank: bm25 looks at every word for each."""
    return budget * 8 // (7 + terms)


def words(text: str) -> list[str]:
    """Return the distinct words of a text worth searching, longest first when there are too many."""
    found = dict.fromkeys(re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text).lower()))
    telling = [word for word in found if word not in STOP_WORDS] or list(found)
    if len(telling) > WORDS:
        telling = sorted(telling, key=len, reverse=True)[:WORDS]
    return [word[:100] for word in telling]


def _any(terms: Sequence[str]) -> str:
    return "{content tags} : (" + " OR ".join(_quoted(term) for term in terms) + ")"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""').replace("\x00", " ") + '"'
