"""Full-text search with a bounded price: what a user types never breaks a query, and no word is too common.

To rank by bm25 costs a microsecond for each memory and word, and the list of every word is walked once more. So the
index is only asked for lists: of each word the memories that have it, rarest word first, until a budget is spent; of a
word that is too common for what is left, the newest. What a memory gathers of the words' worth decides which are looked
at, and these are ranked as bm25 would, by what they say. A cheap look at the newest tells how common a word is.
"""

from __future__ import annotations

import math
import re
import sqlite3
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

SCOPES = 64  # most places that narrow a search in the index; more are left to the condition
WORDS = 16  # most words of a query that are looked at
PROBE = 200  # newest memories looked at to tell how common a word is
LISTED = 3_000  # memories that the lists of all words of a query may hold
WALKED = 50_000  # a word that more memories have is not looked for together with another
PAIRED = 3  # most words that are
LEAST = 100  # of these, those of each word
CANDIDATES = 100
RECENT = 100_000  # how far back a rare place, layer or agent is sought that common words do not lead to
SCANNED = 20_000  # how far back text without words is sought
READ = 2_000  # characters of a memory that are ranked
SHORTER = 0.75  # how much the length of a text weighs, as in bm25
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
    scopes: tuple[str, ...] = ()  # words of places; empty: anywhere
    tags: tuple[str, ...] = ()
    journal: bool = False  # journals, which are left out else

    @property
    def narrow(self) -> str:
        """The part of the match expression that narrows the search; empty when nothing does."""
        parts = [f"scope : ({_either(self.scopes)})"] if 0 < len(self.scopes) <= SCOPES else []
        parts += [f"tags : {_quoted(tag)}" for tag in self.tags if words(tag)]
        return " AND ".join(parts)

    def match(self, expression: str) -> str:
        """Return a match expression that keeps to the places and tags, and off the journals."""
        kept = f"({expression}) AND {self.narrow}" if self.narrow else expression
        placed = 0 < len(self.scopes) <= SCOPES
        return kept if self.journal or placed else f"({kept}) NOT scope : journal"


@dataclass(slots=True)
class Index:
    """Cheap looks into the full-text index."""

    cursor: sqlite3.Cursor
    newest: int = field(init=False)
    _known: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Learn how far it goes."""
        self.newest = int(self.cursor.execute("SELECT max(seq) FROM memory").fetchone()[0] or 0)

    def frequency(self, term: str) -> int:
        """Estimate how many memories have a word from how dense it is among the newest."""
        if term not in self._known:
            rows = self.cursor.execute(
                "SELECT rowid FROM memory_fts WHERE memory_fts MATCH ? ORDER BY rowid DESC LIMIT ?",
                (having([term]), PROBE),
            ).fetchall()
            dense = len(rows) == PROBE
            self._known[term] = PROBE * self.newest // (self.newest - int(rows[-1][0]) + 1) if dense else len(rows)
        return self._known[term]

    def newest_with(self, expression: str, filter: Filter, below: int, limit: int) -> list[int]:
        """Return the newest memories below a key that match, in the filter's places."""
        rows = self.cursor.execute(
            "SELECT rowid FROM memory_fts WHERE memory_fts MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?",
            (filter.match(expression), below, limit),
        ).fetchall()
        return [key for (key,) in rows]


@dataclass(slots=True)
class _Search:
    cursor: sqlite3.Cursor
    filter: Filter
    limit: int
    index: Index
    found: dict[int, float] = field(default_factory=dict)

    def ranked(self, terms: Sequence[str]) -> None:
        """Rank what the words lead to; `terms` are the rarest first."""
        worth = {term: self._worth(term) for term in terms}
        gathered: dict[int, float] = {}
        cut: dict[str, set[int]] = {}  # words whose list does not go all the way back
        left = LISTED
        # In a narrow place a word that most have costs a walk through all of it; those found by others get its worth.
        if self.filter.narrow:
            terms = [term for term in terms if self.index.frequency(term) <= WALKED] or terms[:1]
            cut = {term: set() for term in worth if term not in terms}
        for place, term in enumerate(terms):
            most = max(LEAST, left // (len(terms) - place))
            keys = self.index.newest_with(having([term]), self.filter, below=1 << 62, limit=most)
            left -= len(keys)
            if len(keys) == most:
                cut[term] = set(keys)
            value = worth[term]
            for key in keys:
                gathered[key] = gathered.get(key, 0.0) + value
        self._together(cut, worth, gathered)
        best = sorted(zip(gathered.values(), gathered, strict=True), reverse=True)  # of equals the newest
        for begin in range(0, len(best), CANDIDATES):  # the first are enough, unless the filter takes most of them
            if len(self.found) >= self.limit:
                break
            self._rank({key: fit for fit, key in best[begin : begin + CANDIDATES]}, worth, cut)
        if len(self.found) < self.limit and cut:
            self.recent(having(list(worth)), min(worth.values()))

    def _together(self, cut: Mapping[str, set[int]], worth: Mapping[str, float], gathered: dict[int, float]) -> None:
        """Add older memories that have two of the words whose lists were cut: the index finds those cheaply."""
        rare = [term for term in cut if self.index.frequency(term) <= WALKED][:PAIRED]
        for one, other in combinations(rare, 2):
            expression = f"{having([one])} AND {having([other])}"
            for key in self.index.newest_with(expression, self.filter, below=1 << 62, limit=LISTED // 10):
                for term in (one, other):
                    if key not in cut[term]:
                        cut[term].add(key)
                        gathered[key] = gathered.get(key, 0.0) + worth[term]

    def recent(self, expression: str, fit: float) -> None:
        """Take the newest that match, without ranking."""
        rows = self.cursor.execute(
            "SELECT m.seq FROM memory_fts JOIN memory m ON m.seq = memory_fts.rowid "
            f"WHERE memory_fts MATCH ? AND memory_fts.rowid > ? AND {self.filter.where} "
            "ORDER BY memory_fts.rowid DESC LIMIT ?",
            (self.filter.match(expression), self.index.newest - RECENT, *self.filter.values, CANDIDATES),
        ).fetchall()
        for (key,) in rows:
            self.found.setdefault(int(key), fit)

    def containing(self, text: str) -> None:
        """Take the newest that contain a text without words, such as an emoji."""
        rows = self.cursor.execute(
            "SELECT m.seq FROM memory m "
            f"WHERE m.seq > ? AND {self.filter.where} AND instr(m.content, ?) > 0 "
            "ORDER BY m.seq DESC LIMIT ?",
            (self.index.newest - SCANNED, *self.filter.values, text, CANDIDATES),
        ).fetchall()
        self.found |= {int(key): 1.0 for (key,) in rows}

    def _rank(self, gathered: dict[int, float], worth: dict[str, float], cut: Mapping[str, set[int]]) -> None:
        """Weigh what the filter lets through by its length, as bm25 does; and give it the common words it has."""
        marks = ",".join("?" * len(gathered))
        rows = self.cursor.execute(
            f"SELECT m.seq, substr(m.content, 1, {READ}) FROM memory m WHERE m.seq IN ({marks}) "
            f"AND {self.filter.where}",
            (*gathered, *self.filter.values),
        ).fetchall()
        lengths = [text.count(" ") + 1 for _, text in rows]
        usual = sum(lengths) / max(len(lengths), 1)
        for (key, text), length in zip(rows, lengths, strict=True):
            fit = gathered[key]
            if cut:
                lower = text.lower()
                fit += sum(worth[term] for term, keys in cut.items() if key not in keys and term in lower)
            self.found[key] = fit * 2.2 / (1 + 1.2 * (1 - SHORTER + SHORTER * length / usual))

    def _worth(self, term: str) -> float:
        """Return what a word tells: the rarer, the more."""
        common = min(self.index.frequency(term), self.index.newest)
        return math.log(1 + (self.index.newest - common + 0.5) / (common + 0.5))


def search(cursor: sqlite3.Cursor, query: str, filters: Sequence[Filter], limit: int) -> dict[int, float]:
    """Return what a filter lets through as `seq -> fit of the text`; importance and age come later."""
    index = Index(cursor)
    jobs = [_Search(cursor, filter, limit, index) for filter in filters]
    terms = words(query)
    rarest = sorted((term for term in terms if index.frequency(term)), key=lambda term: (index.frequency(term), term))
    for job in jobs:
        if rarest:
            job.ranked(rarest)
        elif not terms and (text := query.strip("\x00 \t\r\n")):
            job.containing(text)
    if not any(job.found for job in jobs):  # the start of a word, or of a text in a script without spaces
        begun = [term for term in terms if len(term) >= 3 or not term.isascii()]
        for job in jobs if begun else ():
            job.recent(" OR ".join(f"{{content tags}} : {_quoted(term)} *" for term in begun), 1.0)
    return {key: fit for job in jobs for key, fit in job.found.items()}


def words(text: str) -> list[str]:
    """Return the distinct words of a text worth searching, longest first when there are too many."""
    found = dict.fromkeys(re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text).lower()))
    telling = [word for word in found if word not in STOP_WORDS] or list(found)
    if len(telling) > WORDS:
        telling = sorted(telling, key=len, reverse=True)[:WORDS]
    return [word[:100] for word in telling]


def having(terms: Sequence[str]) -> str:
    """Return the expression for memories that have any of some words."""
    return f"{{content tags}} : ({_either(terms)})"


def _either(terms: Sequence[str]) -> str:
    return " OR ".join(_quoted(term) for term in terms)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""').replace("\x00", " ") + '"'
