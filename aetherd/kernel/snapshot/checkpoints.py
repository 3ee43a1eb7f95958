"""Snapshots that make themselves: after a turn that changed files, as many as the settings keep."""

from __future__ import annotations

import logging
from datetime import timedelta

import anyio
import anyio.to_thread
import zstandard
from sqlmodel import Session, col, select

from aetherd.core.clock import Clock, stamp
from aetherd.core.config import Settings
from aetherd.core.context import Origin, origin
from aetherd.core.errors import AetherError
from aetherd.events import Hub
from aetherd.events.hub import Batch, Filter
from aetherd.kernel.snapshot.events import SnapshotRemoved
from aetherd.kernel.snapshot.making import Making, View
from aetherd.kernel.snapshot.manifest import Entry
from aetherd.kernel.snapshot.ports import Agents
from aetherd.kernel.snapshot.shelf import Shelf
from aetherd.kernel.snapshot.tables import SnapshotRow
from aetherd.kernel.snapshot.taking import known_of
from aetherd.operations.operation import Call
from aetherd.store import Store, Tx

logger = logging.getLogger(__name__)

GAP_S = 20.0  # between two checkpoints of an agent
SWEEP_S = 3600.0
AGAIN_S = 5.0


class Checkpoints:
    """Makes them, and lets old ones go."""

    def __init__(
        self, store: Store, hub: Hub, clock: Clock, settings: Settings, shelf: Shelf, making: Making, agents: Agents
    ) -> None:
        self._store, self._hub, self._clock, self._settings = store, hub, clock, settings
        self._shelf, self._making, self._agents = shelf, making, agents
        self._due: dict[str, tuple[str, str]] = {}  # agent -> its user and org
        self._last: dict[str, float] = {}
        self._news = anyio.Event()
        self._clearing = anyio.Lock()

    async def listen(self) -> None:
        """Hear of ended turns, for ever."""
        turns = Filter("snapshot", lambda _agent, _user, _org: True, ("agent.turn_ended",))
        while True:
            try:
                with self._hub.subscribe(turns) as subscriber:
                    async for item in subscriber.stream():
                        if isinstance(item, Batch):
                            self._due |= {one.agent: (one.user, one.org) for one in item.events if one.agent}
                            self._news.set()
            except AetherError as exc:
                logger.warning("no checkpoints for a moment: %s", exc.message)
                await anyio.sleep(AGAIN_S)

    async def work(self) -> None:
        """Make those that are due, one after another, for ever."""
        while True:
            now = self._clock.monotonic()
            ready = next((agent for agent in self._due if self._last.get(agent, -GAP_S) + GAP_S <= now), None)
            if ready is not None:
                user, org = self._due.pop(ready)
                self._last[ready] = now
                try:
                    await self.checkpoint(ready, user, org)
                except AetherError as exc:
                    logger.warning("no checkpoint of agent %s: %s", ready, exc.message)
                except Exception:
                    logger.exception("no checkpoint of agent %s", ready)
            elif self._due:
                await anyio.sleep(1)
            else:
                self._news = anyio.Event()
                await self._news.wait()

    async def checkpoint(self, key: str, user: str, org: str) -> SnapshotRow | None:
        """Keep an agent as it is when its files are not as in its last snapshot; its runtime's own do not count."""
        origin.set(Origin("system", None, user, org))
        agent = await self._agents.find(key, Call("", "system", frozenset(), "internal", user, org))
        async with self._making.locks[key]:
            view = await self._making.view(agent)
            if not await self._changed(view, key):
                return None
            row = await self._making.make(agent, "auto", None, "system")
        await self.retire(key)
        return row

    async def _changed(self, view: View, key: str) -> bool:
        last = await self._making.newest(key)
        if last is None:
            return True
        before = await anyio.to_thread.run_sync(self._shelf.load, last.id, last.digest, limiter=self._making.limiter)
        found = await self._making.look(view, known_of(before.entries), None)
        keeping = self._making.keeping(last.runtime)

        def facts(entries: list[Entry]) -> set[object]:
            return {
                (one.part, one.path, one.kind, one.mode, one.size, one.object, one.to)
                for one in entries
                if not keeping.own(one.path)
            }

        return facts(before.entries) != facts(found.entries)

    async def retire(self, agent: str | None = None) -> None:
        """Let automatic ones go that are too many or too old, of one agent or of all."""
        since = stamp(self._clock.now() - timedelta(days=self._settings.checkpoint_days))

        def query(session: Session) -> list[SnapshotRow]:
            rows = select(SnapshotRow).where(col(SnapshotRow.kind) != "manual", SnapshotRow.state == "ready")
            rows = rows if agent is None else rows.where(SnapshotRow.agent == agent)
            return list(session.exec(rows.order_by(col(SnapshotRow.id).desc())))

        counted: dict[str, int] = {}
        old = []
        for row in await self._store.read(query):
            counted[row.agent] = counted.get(row.agent, 0) + 1
            if counted[row.agent] > self._settings.checkpoint_keep or row.created_at < since:
                old.append(row)
        for row in old:
            origin.set(Origin("system", None, row.user, row.org))
            await self.remove(row, "it was automatic, and there are newer ones")
        if old:
            await self.clear()

    async def remove(self, row: SnapshotRow, reason: str) -> None:
        """Remove one: first the row, so that nobody finds a snapshot without its manifest."""

        def work(tx: Tx) -> None:
            found = tx.session.get(SnapshotRow, row.id)
            if found is not None:
                tx.session.delete(found)
                tx.emit(SnapshotRemoved(agent=row.agent, snapshot=row.id, kind=row.kind, reason=reason))

        with anyio.CancelScope(shield=True):
            await self._store.write(work)
            await anyio.to_thread.run_sync(self._shelf.drop, row.id)

    async def clear(self) -> None:
        """Remove what no snapshot needs any more; nothing when one of them cannot be read."""
        async with self._clearing:
            try:
                freed = await anyio.to_thread.run_sync(self._shelf.objects.clear, self._shelf.needed)
                logger.debug("snapshots: %d bytes freed", freed)
            except (OSError, ValueError, zstandard.ZstdError) as exc:
                logger.warning("nothing is cleared away while a manifest cannot be read: %s", exc)

    async def sweep(self) -> None:
        """Let old ones go, for ever."""
        while True:
            await self.retire()
            await self._clock.sleep(SWEEP_S)
