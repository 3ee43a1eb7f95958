"""Which agents were at work when: from what their runtimes say of tools, else from the life of their processes.

A runtime that says when it uses a tool can only have written meanwhile (a program it left behind aside); one that
says nothing, such as a command or a TUI, may have written at any time of its life.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

SLACK_NS = 500_000_000  # what begins is told a little after it began; what ends, after it ended
TICK_NS = 10_000_000  # file times may lag behind by this
KEPT_NS = 600_000_000_000
SPANS = 200  # of one agent


@dataclass(slots=True)
class Span:
    """A time of work."""

    pid: int
    key: str  # the tool call; "" for the life of a process
    text: str  # what the tool was given
    began: int
    ended: int | None = None

    def meets(self, first: int, last: int) -> bool:
        """Tell whether it overlaps a time."""
        return self.began - TICK_NS <= last and (self.ended is None or first <= self.ended)


class Activity:
    """The last minutes of the agents that have a workspace."""

    def __init__(self) -> None:
        self._spans: defaultdict[str, list[Span]] = defaultdict(list)
        self._spawned: dict[int, int] = {}

    def spawned(self, pid: int) -> None:
        """Note that a process is about to be started."""
        self._spawned[pid] = time.time_ns()
        while len(self._spawned) > SPANS:
            del self._spawned[next(iter(self._spawned))]

    def begin(self, agent: str, pid: int, key: str = "", text: str = "") -> None:
        """Note a call of a tool; with an empty key the start of a process that does not tell of its tools."""
        now = time.time_ns()
        spans = self._spans[agent]
        if any(span.ended is None and (span.pid, span.key) == (pid, key) for span in spans):
            return
        spawned = None if key else self._spawned.pop(pid, None)
        spans.append(Span(pid, key, text, now - SLACK_NS if spawned is None else spawned))
        self._spans[agent] = [one for one in spans if one.ended is None or one.ended > now - KEPT_NS][-SPANS:]

    def end(self, agent: str, pid: int, key: str | None = None, *, life: bool = False) -> None:
        """Note the return of a tool; without a key the end of the turn, with `life` that of the process."""
        for span in self._spans[agent]:
            if span.ended is None and span.pid == pid and (key is None or span.key == key) and (life or span.key):
                span.ended = time.time_ns()

    def at_work(self, agents: Iterable[str], first: int, last: int, name: str) -> set[str]:
        """Return the agents that worked at a time (Unix, nanoseconds), of several those that named the file."""
        found = {agent: [one for one in self._spans[agent] if one.meets(first, last)] for agent in agents}
        busy = {agent for agent, spans in found.items() if spans}
        named = {agent for agent in busy if any(name in span.text for span in found[agent])}
        return named if named and len(busy) > 1 else busy
