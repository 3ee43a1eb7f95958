"""The book of requests: noted at once, written in bundles, bounded in memory, on disk and in the event log."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import asdict, dataclass

import anyio

from aetherd.core.clock import Clock, stamp
from aetherd.core.context import Origin, origin
from aetherd.core.errors import AetherError
from aetherd.kernel.network.events import NetworkRefused
from aetherd.store import Store, Tx

logger = logging.getLogger(__name__)

WAITING = 10_000  # requests that wait to be written; past that the oldest are counted and forgotten
KEPT = 500_000  # rows
KEPT_OF_ONE = 20_000  # of an agent: who floods the book, pushes out its own pages alone
BUNDLE = 1_000  # written at once: others write, too
FLUSH_S = 0.25
QUIET_S = 60.0  # one event for each process and host in this time
TOLD = 30  # events for one process in that time; the book has the rest


@dataclass(frozen=True, slots=True)
class Tried:
    """One request, as it was decided."""

    pid: int | None
    agent: str
    user: str
    org: str
    allowed: bool
    method: str
    host: str
    port: int
    path: str | None
    address: str | None
    reason: str | None
    rule: str | None


class Book:
    """Takes notes without waiting, and writes them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._waiting: deque[tuple[str, Tried]] = deque(maxlen=WAITING)
        self._fresh = anyio.Event()
        self._writing = anyio.Lock()
        self._told: dict[tuple[int | None, str], tuple[float, set[tuple[str, int]]]] = {}
        self.lost = 0  # never written

    def note(self, tried: Tried) -> None:
        """Take a note."""
        self.lost += len(self._waiting) == WAITING
        self._waiting.append((stamp(self._clock.now()), tried))
        self._fresh.set()

    async def run(self) -> None:
        """Write what was noted, until cancelled."""
        while True:
            await self._fresh.wait()
            self._fresh = anyio.Event()
            await self.flush()
            await self._clock.sleep(FLUSH_S)

    async def flush(self) -> None:
        """Write what was noted so far; when it returns, that can be read."""
        async with self._writing:
            await self._flush()

    async def _flush(self) -> None:
        notes = list(self._waiting)
        self._waiting.clear()
        by_owner: dict[tuple[str, str], list[tuple[str, Tried]]] = {}
        for note in notes:
            by_owner.setdefault((note[1].user, note[1].org), []).append(note)
        for (user, org), own in by_owner.items():
            slot = origin.set(Origin("system", None, user, org))
            try:
                for start in range(0, len(own), BUNDLE):
                    bundle = own[start : start + BUNDLE]
                    await self._store.write(lambda tx, bundle=bundle: self._write(tx, bundle))  # type: ignore[misc]
            except AetherError as exc:  # the disk is full: requests go on, their record does not
                self.lost += len(own)
                logger.warning("%d requests of agents are not in the log: %s", len(own), exc.message)
            finally:
                origin.reset(slot)

    def _write(self, tx: Tx, notes: list[tuple[str, Tried]]) -> None:
        for at, tried in notes:
            row = {"at": at, **asdict(tried)}
            names = ", ".join(f'"{name}"' for name in row)
            marks = ", ".join("?" * len(row))
            tx.execute(f"INSERT INTO network_request ({names}) VALUES ({marks})", tuple(row.values()))
            if not tried.allowed and self._news(tried):
                tx.emit(
                    NetworkRefused(
                        pid=tried.pid,
                        agent=tried.agent,
                        host=tried.host,
                        port=tried.port,
                        reason=tried.reason or "",
                        rule=tried.rule,
                    )
                )
        tx.execute("DELETE FROM network_request WHERE seq <= (SELECT max(seq) FROM network_request) - ?", (KEPT,))
        for agent in {tried.agent for _, tried in notes}:
            tx.execute(
                "DELETE FROM network_request WHERE agent = ? AND seq <= (SELECT seq FROM network_request "
                "WHERE agent = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)",
                (agent, agent, KEPT_OF_ONE),
            )

    def _news(self, tried: Tried) -> bool:
        whose, place, now = (tried.pid, tried.agent), (tried.host, tried.port), self._clock.monotonic()
        since, told = self._told.get(whose, (now - QUIET_S, set()))
        if now - since >= QUIET_S:
            self._told = {key: one for key, one in self._told.items() if now - one[0] < QUIET_S}
            since, told = now, set()
        if place in told or len(told) >= TOLD:
            return False
        told.add(place)
        self._told[whose] = since, told
        return True
