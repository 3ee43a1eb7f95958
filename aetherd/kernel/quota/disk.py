"""The bound on disk, which no kernel holds for us: homes are measured, and who is past it is paused.

Between two looks a fast writer goes past the bound; how far is its speed times the time between them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from aetherd.core.clock import Clock
from aetherd.core.config import Settings
from aetherd.core.errors import AetherError
from aetherd.kernel.quota.events import QuotaExceeded
from aetherd.kernel.quota.ports import Files, Processes
from aetherd.operations.bounds import Bounded
from aetherd.operations.posting import HOUSE, OWNER, Posting
from aetherd.store import Store, Tx

logger = logging.getLogger(__name__)

LOOK_S = 5.0
FILES = 200_000  # more are not counted, so what they hold is not known: as fs.* bounds them too
SHARE = 20  # a look takes at most one part in so many of the time

Most = Callable[[str, str, str], Awaitable[Mapping[str, float]]]  # (agent, user, org) -> its quota


class DiskWatch:
    """Looks at the homes of running agents that have a bound."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settings: Settings,
        process: Processes,
        fs: Files,
        message: Posting,
        most: Most,
    ) -> None:
        self._store, self._clock, self._settings = store, clock, settings
        self._process, self._fs, self._messages, self._most = process, fs, message, most
        self._next: dict[str, float] = {}  # agent -> when its home is measured again
        self._bounded: set[str] = set()

    def home(self, agent: str) -> Path:
        """Return where an agent's files are."""
        return self._settings.home / "agents" / agent / "home"

    async def run(self) -> None:
        """Look for ever."""
        while True:
            try:
                await self.look()
            except AetherError as exc:  # the disk is full, say: next time
                logger.warning("homes are not looked at: %s", exc.message)
            await self._clock.sleep(LOOK_S)

    async def look(self) -> None:
        """Have the bounds that hold now, and measure who has one and whose turn it is."""
        living: dict[str, list[Bounded]] = {}
        for run in await self._process.bounds.living():
            living.setdefault(run.agent, []).append(run)
        bounds = {agent: bound for agent, runs in living.items() if (bound := await self._bound(runs)) is not None}
        for agent in self._bounded - bounds.keys():
            self._fs.bound(agent, None)
        self._bounded = set(bounds)
        for agent, bound in bounds.items():
            self._fs.bound(agent, bound)
            if self._clock.monotonic() >= self._next.get(agent, 0.0):
                begun = time.monotonic()
                await self._measure(agent, living[agent], bound)
                self._next[agent] = self._clock.monotonic() + SHARE * (time.monotonic() - begun)
        self._next = {agent: at for agent, at in self._next.items() if agent in bounds}

    async def _bound(self, runs: list[Bounded]) -> int | None:
        """Return the bytes that an agent's home may hold: the least that a run of it or its quota says."""
        first = runs[0]
        quota = await self._most(first.agent, first.user, first.org)
        found = [float(run.limits["disk_mb"]) for run in runs if "disk_mb" in run.limits]
        found += [quota["disk_mb"]] if "disk_mb" in quota else []
        return int(min(found)) << 20 if found else None

    async def _measure(self, agent: str, runs: list[Bounded], bound: int) -> None:
        try:
            used, files = await self._fs.weigh(agent, self.home(agent))
        except OSError as exc:
            logger.warning("the home of %s could not be measured: %s", agent, exc)
            return
        if used <= bound and files <= FILES:
            return
        what = f"{used / 1e6:,.1f} MB, more than its limit of {bound / 1e6:,.1f} MB"
        if used <= bound:
            what = f"more than {FILES:,} files"
        why = f"its home holds {what}; remove something or raise the limit, then resume it"
        for run in runs:
            if await self._process.bounds.hold(run.pid, why):
                await self._store.write(lambda tx, run=run: self._tell(tx, run, used, bound, why))  # type: ignore[misc]

    def _tell(self, tx: Tx, run: Bounded, used: int, bound: int, why: str) -> None:
        tx.emit(QuotaExceeded(pid=run.pid, agent=run.agent, resource="disk", used=used, bound=bound, of=run.agent))
        self._messages.post_in(
            tx,
            sender=(None, HOUSE),
            to=(None, OWNER),
            text=f"I paused {run.name} (process {run.pid}): {why}.",
            kind="status_update",
            data={"pid": run.pid, "agent": run.agent, "disk_bytes": used, "disk_limit_bytes": bound},
            user=run.user,
            org=run.org,
        )
