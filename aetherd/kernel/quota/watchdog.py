"""Ends runs that have used up their steps, and pauses those that spend past the gateway.

A call to a model beyond them is refused by the ledger, which tells of it here. What tools a run calls only its runtime
tells, when it has called them: so these are counted every few seconds.
"""

from __future__ import annotations

import logging

import anyio

from aetherd.core.clock import Clock
from aetherd.core.errors import AetherError, Conflict, NotFound
from aetherd.kernel.quota.ports import Processes
from aetherd.operations.bounds import Bounded

logger = logging.getLogger(__name__)

LOOK_S = 5.0


class Watchdog:
    """Hears of runs from the ledger, once what is written of them stands."""

    def __init__(self, process: Processes, clock: Clock) -> None:
        self._process, self._clock = process, clock
        self._over: dict[int, str] = {}
        self._news = anyio.Event()

    def over(self, pid: int, why: str) -> None:
        """Have a run ended; on the event loop."""
        self._over[pid] = why
        self._news.set()

    async def run(self) -> None:
        """End them, for ever; what fails is tried again."""
        while True:
            self._news = anyio.Event()
            await self.look()
            for pid, why in list(self._over.items()):
                try:
                    await self._process.stop(pid, why)
                except (Conflict, NotFound):  # it has ended by itself
                    pass
                except AetherError as exc:  # the disk is full, say
                    logger.warning("process %d has used up its steps and could not be ended: %s", pid, exc.message)
                    continue
                self._over.pop(pid, None)
            async with anyio.create_task_group() as group:
                group.start_soon(self._beat, group.cancel_scope)
                await self._news.wait()
                group.cancel_scope.cancel()

    async def look(self) -> None:
        """Find runs that have called more tools than they may."""
        try:
            living = await self._process.bounds.living()
        except AetherError as exc:
            logger.warning("steps are not counted: %s", exc.message)
            return
        for run in living:
            if run.budget_usd is not None and not run.metered and run.claimed_usd > run.budget_usd:
                await self._hold(run)
            steps = run.limits.get("steps")
            if steps is not None and run.tool_calls > steps:
                self._over[run.pid] = f"its limit of {steps:,} steps"

    async def _hold(self, run: Bounded) -> None:
        """Pause a run that spends past the gateway by its own word: its budget cannot hold it."""
        why = (
            f"its runtime tells of {run.claimed_usd:.2f} USD, more than its budget of {run.budget_usd:g}, and none of "
            "it came through the model gateway; set that up (model.configure), or lift the budget, then resume it"
        )
        try:
            await self._process.bounds.hold(run.pid, why)
        except AetherError as exc:
            logger.warning("process %d spends past its budget and could not be paused: %s", run.pid, exc.message)

    async def _beat(self, scope: anyio.CancelScope) -> None:
        await self._clock.sleep(LOOK_S)
        scope.cancel()
