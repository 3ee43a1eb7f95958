"""What the agent is told on stdin, sorted by urgency; the one place where the process waits."""

from __future__ import annotations

import json
import os
import select
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

LINE_LIMIT = 4 * 1024 * 1024
REMEMBERED_IDS = 10_000
PRIORITIES = ("now", "next", "queue")


@dataclass(frozen=True, slots=True)
class Word:
    """One `say`."""

    id: str
    text: str
    priority: str


@dataclass(frozen=True, slots=True)
class Permit:
    """A person's answer to a question of this agent."""

    allow: bool
    for_run: bool = False
    reason: str | None = None


class Hurry(Exception):
    """Raised in a wait when the current step must stop: somebody said `now` or interrupted."""


class Inbox:
    """Reads stdin whenever the agent waits; nothing is read by another thread."""

    def __init__(self, trouble: Callable[[str], None], fd: int = 0) -> None:
        self.closed = False
        self.in_turn = False
        self.interrupted = False
        self._trouble = trouble
        self._fd = fd
        self._buffer = bytearray()
        self._skipping = False
        self._begun = False
        self._words: dict[str, deque[Word]] = {priority: deque() for priority in PRIORITIES}
        self._seen: dict[str, None] = {}
        self._asked: str | None = None  # the question that is open
        self._permit: Permit | None = None

    def wait_for_answer(self, request: str) -> Permit | None:
        """Return the answer to a question, None when stdin is closed, so that none can come; may raise `Hurry`."""
        self._asked, self._permit = request, None
        try:
            while True:
                self.look()
                if self._permit is not None or self.closed:
                    return self._permit
                self._poll(None, 0, None)
        finally:
            self._asked = None

    def wait(self, fd: int | None = None, events: int = select.POLLIN, deadline: float | None = None) -> bool:
        """Return whether `fd` became ready before the deadline; raise `Hurry` when the step must stop."""
        while True:
            self.look()
            if self._poll(fd, events, deadline):
                return True
            if deadline is not None and monotonic() >= deadline:
                return False

    def wait_for_word(
        self,
        deadline: float | None = None,
        fd: int | None = None,
        serve: Callable[[], int | None] | None = None,
    ) -> bool:
        """Return True once there is something to take, False when stdin is closed or the deadline has passed.

        Whenever `fd` is readable meanwhile `serve` is called, which returns the descriptor to watch next.
        """
        while True:
            self.look()
            if self.waiting:
                return True
            if self.closed or (deadline is not None and monotonic() >= deadline):
                return False
            if self._poll(fd, select.POLLIN, deadline) and serve is not None:
                fd = serve()

    def look(self) -> None:
        """Read what is there without waiting; raise `Hurry` when the current step must stop."""
        self._poll(None, 0, 0.0)
        if self.in_turn and (self.interrupted or self._words["now"]):
            raise Hurry

    @property
    def waiting(self) -> bool:
        """Whether anything was said that the model has not been told."""
        return any(self._words.values())

    def take(self, *priorities: str) -> list[Word]:
        """Return and forget all words of these priorities, most urgent first."""
        taken: list[Word] = []
        for priority in priorities:
            taken += self._words[priority]
            self._words[priority].clear()
        return taken

    def take_turn(self) -> list[Word]:
        """Return what the next turn begins with: everything urgent, else the oldest of the queue."""
        queue = self._words["queue"]
        return self.take("now", "next") or ([queue.popleft()] if queue else [])

    def _poll(self, fd: int | None, events: int, deadline: float | None) -> bool:
        poll = select.poll()
        if not self.closed:
            poll.register(self._fd, select.POLLIN)
        if fd is not None:
            poll.register(fd, events)
        ready = poll.poll(None if deadline is None else max(0.0, deadline - monotonic()) * 1000)
        if any(number == self._fd for number, _ in ready):
            self._read()
        return fd is not None and any(number == fd for number, _ in ready)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, 65536)
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._buffer += line
            if self._skipping:
                self._skipping = False
            else:
                self._hear(bytes(self._buffer))
            self._buffer.clear()
        self._buffer += rest
        if len(self._buffer) > LINE_LIMIT:
            if not self._skipping:
                self._trouble(f"a line of more than {LINE_LIMIT} bytes was left out")
            self._skipping = True
            self._buffer.clear()

    def _hear(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            message = json.loads(line)
            if message["type"] == "answer":
                self._answered(message)
                return
            kind, identity = message["type"], message["id"]
            if kind not in ("say", "interrupt") or not isinstance(identity, str):
                raise ValueError
            word = Word(identity, message.get("text", ""), message.get("priority", "next"))
            if not isinstance(word.text, str) or word.priority not in PRIORITIES:
                raise ValueError
        except (ValueError, TypeError, KeyError, RecursionError):
            self._trouble(f"a line of {len(line)} bytes on stdin is not in my protocol and was left out")
            return
        if identity in self._seen:
            return
        first = kind == "say" and not self._begun
        self._begun |= first
        self._seen[identity] = None
        if len(self._seen) > REMEMBERED_IDS:
            del self._seen[next(iter(self._seen))]
        if kind == "say":
            # the goal: what was said `now` while the agent was starting comes after it
            self._words["now" if first else word.priority].append(word)
        elif self.in_turn or self.waiting:
            self.interrupted = True

    def _answered(self, message: Mapping[str, Any]) -> None:
        request, reason = message["request"], message.get("reason")
        if not isinstance(request, str) or not (reason is None or isinstance(reason, str)):
            raise ValueError
        if request == self._asked:
            self._permit = Permit(message["allow"] is True, message.get("for_run") is True, reason)
