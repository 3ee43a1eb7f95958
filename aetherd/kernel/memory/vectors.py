"""Vectors: memories found by meaning, when an embedder is set.

What is remembered is embedded after its commit by one task, from a bounded queue. What does not fit into the queue,
or could not be embedded, is found again by looking for memories without a vector: at the start and when the queue ran
over. A query that gets no vector in time is answered by words alone.
"""

from __future__ import annotations

import logging
import math
import sqlite3
import struct
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
from sqlmodel import Session

from aetherd.core.config import Settings
from aetherd.core.errors import AetherError
from aetherd.kernel.memory.embedders import KINDS, Embedder
from aetherd.kernel.memory.nearest import NEAREST, Way, choose
from aetherd.kernel.memory.search import Filter
from aetherd.store import Store, Tx
from aetherd.store.rows import bare

logger = logging.getLogger(__name__)

QUEUE = 1_000
BATCH = 32
TEXT = 8_000  # characters of a memory that are embedded
QUERY_S = 1.0  # how long a recall waits for the vector of its query
REST_S = 10.0  # how long none does after it failed
RETRY_S = (1.0, 60.0)
NEW = (
    "SELECT m.seq, substr(m.content, 1, ?) FROM memory m LEFT JOIN memory_vector v ON v.seq = m.seq AND v.model = ? "
    "WHERE v.seq IS NULL AND m.journal IS NULL AND"
)


class Vectors:
    """Keeps memories embedded, and finds those near a query."""

    def __init__(self, store: Store, embedder: Embedder, way: Way, why: str) -> None:
        self._store, self._embedder, self._way = store, embedder, way
        self.compared = f"vectors are compared by {way.name}" + (f": {why}" if why else "")
        store.on_connect(way.prepare)
        self._queue: deque[int] = deque()
        self._below: int | None = 1 << 62  # memories under it may lack a vector; None: none does
        self._news = anyio.Event()
        self._rests_until = 0.0  # queries do not wait for an embedder that just failed
        self.trouble = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Embed what is new and what was missed."""
        async with self._embedder.running(), anyio.create_task_group() as group:
            group.start_soon(self._work)
            yield
            group.cancel_scope.cancel()

    def wrote(self, tx: Tx, key: int) -> None:
        """Have a memory embedded once the commit stands."""
        tx.after(lambda: self._add(key))

    async def of(self, query: str) -> bytes | None:
        """Return where a query stands; None when that cannot be told now."""
        if anyio.current_time() < self._rests_until:
            return None
        try:
            with anyio.fail_after(QUERY_S):
                (found,) = await self._embedder.embed([query[:TEXT]], query=True)
                return _unit(found)
        except (AetherError, TimeoutError) as exc:
            self._rests_until = anyio.current_time() + REST_S
            logger.warning("recall by words alone for %g s: %s", REST_S, str(exc) or f"no vector in {QUERY_S:g} s")
        return None

    def nearest(self, cursor: sqlite3.Cursor, vector: bytes, filters: Sequence[Filter]) -> list[int]:
        """Return the memories nearest to a vector that the filters let through, nearest first."""
        found: dict[int, float] = {}
        for filter in filters:
            found.update(self._way.near(cursor, self._embedder.model, vector, filter))
        return sorted(found, key=lambda key: (-found[key], -key))[:NEAREST]

    # ------------------------------------------------------------------------------------------------

    def _add(self, key: int) -> None:
        if len(self._queue) < QUEUE:
            self._queue.append(key)
        else:
            self._below = 1 << 62
        self._news.set()

    async def _work(self) -> None:
        wait, most = RETRY_S
        while True:
            self._news = anyio.Event()
            batch = await self._next()
            if not batch:
                self.trouble = ""
                await self._news.wait()
                continue
            try:
                await self._embed(batch)
                self.trouble, self._rests_until, wait = "", 0.0, RETRY_S[0]
            except AetherError as exc:
                if not self.trouble:
                    logger.warning("memories are not embedded: %s", exc.message)
                self.trouble, self._rests_until = exc.message, anyio.current_time() + REST_S
                self._below = 1 << 62  # look for them again
                await anyio.sleep(wait)
                wait = min(2 * wait, most)

    async def _next(self) -> list[tuple[int, str]]:
        """Return some memories without a vector: new ones first."""
        keys = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
        below = self._below

        def query(session: Session) -> list[tuple[int, str]]:
            cursor, given = bare(session), (TEXT, self._embedder.model)
            if keys:
                return cursor.execute(f"{NEW} m.seq IN ({','.join('?' * len(keys))})", (*given, *keys)).fetchall()
            return cursor.execute(f"{NEW} m.seq < ? ORDER BY m.seq DESC LIMIT ?", (*given, below, BATCH)).fetchall()

        if not keys and below is None:
            return []
        found = await self._store.read(query)
        if keys and not found:
            return await self._next()
        if not keys and self._below == below:  # else the queue ran over meanwhile
            self._below = found[-1][0] if found else None
        return found

    async def _embed(self, batch: Sequence[tuple[int, str]]) -> None:
        vectors = await self._embedder.embed([text for _, text in batch], query=False)
        rows = [
            (self._embedder.model, _unit(vector), key, TEXT, text)
            for (key, text), vector in zip(batch, vectors, strict=True)
        ]
        await self._store.write(
            lambda tx: tx.cursor.executemany(  # not of a text that was changed or forgotten meanwhile
                "INSERT OR REPLACE INTO memory_vector (seq, model, vector) "
                "SELECT seq, ?, ? FROM memory WHERE seq = ? AND substr(content, 1, ?) = ?",
                [(model, vector, key, length, text) for model, vector, key, length, text in rows],
            )
        )


def fuse(*rankings: Sequence[int]) -> dict[int, float]:
    """Return a fit for each key by the places it has in several rankings (reciprocal rank fusion)."""
    found: dict[int, float] = {}
    for ranking in rankings:
        for place, key in enumerate(ranking):
            found[key] = found.get(key, 0.0) + 1 / (60 + place)
    return found


def vectors_of(store: Store, settings: Settings) -> tuple[Vectors | None, str]:
    """Return what the settings ask for, and why it cannot be had."""
    if settings.embedder is None:
        return None, ""
    way, why = choose()
    if way is None:
        return None, f"{why}; setting embedder needs either: pip install 'aetherd[vectors]'"
    return Vectors(store, KINDS[settings.embedder](settings), way, why), ""


def _unit(vector: Sequence[float]) -> bytes:
    """Return it at length 1, as it is stored."""
    length = max(math.hypot(*vector), 1e-12)
    return struct.pack(f"<{len(vector)}f", *(one / length for one in vector))
