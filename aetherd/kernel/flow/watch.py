"""Wakes whoever waits for a process when something of it was written."""

from __future__ import annotations

import logging

import anyio

from aetherd.core.errors import AetherError
from aetherd.events import Hub
from aetherd.events.hub import Batch, Filter
from aetherd.kernel.flow.ports import Processes, Run

logger = logging.getLogger(__name__)

TYPES = ("agent.turn_ended", "agent.usage", "process.exited")
AGAIN_S = 5.0  # between looks when nothing was heard: an event may have been missed


class Watch:
    """One subscription for all flows."""

    def __init__(self, hub: Hub, process: Processes) -> None:
        self._hub, self._processes = hub, process
        self._news: dict[int, anyio.Event] = {}
        self._leads: dict[int, int] = {}  # a worker, and the process whose cost its own counts to

    async def serve(self) -> None:
        """Listen, for ever."""
        while True:
            try:
                await self._listen()
            except AetherError as exc:
                logger.warning("flows hear of their processes late: %s", exc.message)
                await anyio.sleep(AGAIN_S)

    async def _listen(self) -> None:
        everything = Filter("flow", lambda _agent, _user, _org: True, TYPES)
        with self._hub.subscribe(everything) as subscriber:
            async for item in subscriber.stream():
                if isinstance(item, Batch):
                    for event in item.events:
                        self._heard(event.pid or 0)
                        if event.type == "process.exited":
                            self._leads.pop(event.pid or 0, None)

    def works_for(self, pid: int, lead: int) -> None:
        """Count what a process does as news of the one that started it."""
        self._leads[pid] = self._leads.get(lead, lead)

    def _heard(self, pid: int) -> None:
        for one in (pid, self._leads.get(pid)):
            if one is not None and (news := self._news.pop(one, None)) is not None:
                news.set()

    async def changed(self, pid: int, known: Run | None) -> Run:
        """Return a process, once it is worth another look; at once when nothing is known of it yet."""
        news = self._news.setdefault(pid, anyio.Event())
        row = await self._processes.row_of(pid)
        if known is None or row.outcome != "running" or row.cost_usd != known.cost_usd:
            return row
        with anyio.move_on_after(AGAIN_S):
            await news.wait()
        return await self._processes.row_of(pid)

    def forget(self, pid: int) -> None:
        """Nobody waits for it any longer."""
        self._news.pop(pid, None)
