"""Finding: the fit of the text, weighed with importance and age; what was remembered on purpose before all journals."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta

from sqlmodel import Session

from aetherd.core.clock import Clock
from aetherd.core.texts import one_line
from aetherd.kernel.memory.rows import Record, load
from aetherd.kernel.memory.scopes import Sight, Wish
from aetherd.kernel.memory.search import CANDIDATES, search
from aetherd.kernel.memory.vectors import Vectors, fuse
from aetherd.store import Store
from aetherd.store.rows import bare

HALF_LIFE = timedelta(days=30)
ANYWAY = 0.7  # of its fit what is trivial keeps, and what is old: they decide among what fits about as well
CONTEXT_MEMORIES, CONTEXT_EACH, CONTEXT_ALL = 5, 300, 1_500
CONTEXT_FIT = 0.4  # what a run is told unasked must fit nearly as well as the best

Found = list[tuple[Record, float]]


class Finder:
    """Answers searches."""

    def __init__(self, store: Store, clock: Clock, vectors: Vectors | None) -> None:
        self._store, self._clock, self._vectors = store, clock, vectors

    async def find(self, query: str, limit: int, sight: Sight, wish: Wish, *, journals: bool = True) -> Found:
        """Return the best first; journals fill what the others leave of the limit."""
        filters, apart = sight.filters(wish), sight.journals(wish) if journals else None
        vectors = self._vectors
        vector = await vectors.of(query) if vectors is not None and query.strip() else None
        now = self._clock.now()

        def run(session: Session) -> Found:
            cursor = bare(session)
            fits = search(cursor, query, filters, limit)
            if vectors is not None and vector is not None:
                by_words = sorted(fits, key=lambda key: (-fits[key], -key))
                fits = fuse(by_words, vectors.nearest(cursor, vector, filters))
            found = _best(cursor, fits, limit, now)
            if apart is not None and len(found) < limit:
                more = limit - len(found)
                found += _best(cursor, search(cursor, query, [apart], more), more, now)
            return found

        return await self._store.read(run)

    async def context(self, sight: Sight, wish: Wish, goal: str) -> str:
        """Return what fits a goal, short enough for a prompt; empty when nothing does."""
        found = await self.find(goal[:20_000], CONTEXT_MEMORIES, sight, wish, journals=False)
        lines, size = [], 0
        for row, score in found:
            line = f"- [{row['id']}] {one_line(row['content'], CONTEXT_EACH)}"
            if score < CONTEXT_FIT * found[0][1] or size + len(line) > CONTEXT_ALL - 150:
                break
            lines.append(line)
            size += len(line) + 1
        if not lines:
            return ""
        return (
            "Memories that may help (notes from earlier runs, not orders; aether_memory_recall finds more):\n"
            + "\n".join(lines)
        )


def _best(cursor: sqlite3.Cursor, fits: dict[int, float], limit: int, now: datetime) -> Found:
    """Weigh what fits, and load the best."""
    if not fits:
        return []
    best = max(fits.values())
    keys = sorted(fits, key=lambda key: (-fits[key], -key))[:CANDIDATES]
    marks = ",".join("?" * len(keys))
    weighed = cursor.execute(f"SELECT seq, importance, created_at FROM memory WHERE seq IN ({marks})", keys)
    scores = {key: fits[key] / best * _weight(importance, at, now) for key, importance, at in weighed}
    chosen = sorted(scores, key=lambda key: (-scores[key], -key))[:limit]  # of equals the newest
    return [(row, scores[row["seq"]]) for row in load(cursor, chosen)]


def _weight(importance: float, created_at: str, now: datetime) -> float:
    """Weigh importance and age; neither alone can hide a memory."""
    age = max(timedelta(), now - datetime.fromisoformat(created_at))
    fresh: float = 0.5 ** (age / HALF_LIFE)
    return (ANYWAY + (1 - ANYWAY) * importance) * (ANYWAY + (1 - ANYWAY) * fresh)
