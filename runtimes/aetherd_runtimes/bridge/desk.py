"""What the agent shall be told, by urgency."""

from __future__ import annotations

import asyncio
from collections import deque

from aetherd_runtimes.bridge.hearing import PRIORITIES, Say


class Desk:
    """Texts that wait; one task takes them."""

    def __init__(self) -> None:
        self._says: dict[str, deque[Say]] = {priority: deque() for priority in PRIORITIES}
        self._late: list[Say] = []  # could not be told in the turn that has passed
        self._begun = False
        self._closed = False
        self._changed = asyncio.Event()

    def put(self, say: Say) -> None:
        """Lay down a text; the first of all is the goal, and nothing comes before it."""
        self._says[say.priority if self._begun else "now"].append(say)
        self._begun = True
        self.wake()

    def put_back(self, says: list[Say]) -> None:
        """Lay texts down again that could not be told: they begin the next turn."""
        self._late = [*self._late, *says]

    def close(self, *, at_once: bool = False) -> None:
        """Say that nothing more comes; `at_once`: nobody is there any more to be told what waits."""
        self._closed = True
        if at_once:
            for waiting in self._says.values():
                waiting.clear()
        self.wake()

    def wake(self) -> None:
        """Have whoever waits for a change look again."""
        self._changed.set()

    async def changed(self) -> None:
        """Wait for a change since the last wait."""
        await self._changed.wait()
        self._changed.clear()

    @property
    def urgent(self) -> bool:
        """Whether a text waits that the running step shall be stopped for."""
        return bool(self._says["now"])

    def take(self, *priorities: str) -> list[Say]:
        """Return and forget all texts of these priorities, most urgent first."""
        taken: list[Say] = []
        for priority in priorities:
            taken += self._says[priority]
            self._says[priority].clear()
        return taken

    async def turn(self) -> list[Say]:
        """Wait for what the next turn begins with: all but the queue, else its oldest; empty at the end."""
        while True:
            queue = self._says["queue"]
            late, self._late = self._late, []
            if found := [*late, *self.take("now", "next")] or ([queue.popleft()] if queue else []):
                return found
            if self._closed:
                return []
            await self.changed()
