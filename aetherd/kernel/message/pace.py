"""How often an agent may do something in a minute: two that answer each other for ever are slowed."""

from __future__ import annotations

from collections import deque

from aetherd.core.clock import Clock
from aetherd.core.errors import Exhausted

MINUTE = 60.0


class Pace:
    """Counts what each agent did in the last minute."""

    def __init__(self, clock: Clock, most: int, what: str) -> None:
        self._clock, self._most, self._what = clock, most, what
        self._done: dict[str, deque[float]] = {}

    def keep(self, agent: str | None) -> None:
        """Count one more; raises `Exhausted` when it is one too many. People are not counted."""
        if agent is None:
            return
        now = self._clock.monotonic()
        times = self._done.setdefault(agent, deque())
        while times and times[0] <= now - MINUTE:
            times.popleft()
        if len(times) >= self._most:
            raise Exhausted(
                f"{self._most} {self._what} in a minute; wait, and answer only what needs an answer",
                retry_after_s=round(times[0] + MINUTE - now, 1),
            )
        times.append(now)
