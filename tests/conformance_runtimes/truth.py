"""What the script knows to be true of an agent at any moment, and how often what is shown equals it.

The script knows when the model was asked and had answered, and what the bench itself did: so it knows when an agent
works, waits for a person, has nothing to do, stands still or is dead. A sample is right when what was shown was true
within the last `SLACK_S` before it was taken.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.daemon_lab import Daemon
from tests.model_api import Request

SLACK_S = 0.3  # what is promised for a change to be shown
DEAD_S = 5.0  # after this nobody may be shown at work who is dead, however busy the machine
EVERY_S = 0.05

WORKING, STARTING, WAITING, IDLE = "working", "starting", "waiting", "idle"
PAUSED, LIMITED, CONTROLLED, DEAD = "paused", "limited", "controlled", "dead"
ANYTHING = frozenset({WORKING, STARTING, WAITING, IDLE, PAUSED, LIMITED, CONTROLLED, DEAD})
PHASES = {
    "booting": STARTING,
    "thinking": WORKING,
    "executing": WORKING,
    "observing": WORKING,
    "waiting_approval": WAITING,
    "waiting_input": IDLE,
    "idle": IDLE,
    "completed": IDLE,
    "failed": IDLE,
    "limited": LIMITED,
    "controlled": CONTROLLED,
}
STATES = {"created": STARTING, "starting": STARTING, "paused": PAUSED, "stopping": DEAD, "exited": DEAD, "lost": DEAD}


def shown(process: dict[str, Any]) -> str:
    """Return what a process is shown to be, in one word."""
    if process["phase"] == "limited":
        return LIMITED
    if process["state"] == "queued":
        return STARTING
    return STATES.get(process["state"]) or PHASES.get(process["phase"] or "booting", process["phase"])


@dataclass
class Fact:
    """From when on which words are true."""

    at: float  # wall clock
    words: frozenset[str]
    why: str


@dataclass
class Sample:
    """What was shown between asking and being answered."""

    begun: float
    ended: float
    word: str
    said: str  # state and phase as they were


@dataclass
class Score:
    """How many samples were right."""

    samples: int = 0
    right: int = 0
    alive_when_dead: int = 0
    wrong: list[str] = field(default_factory=list)  # what the others said, in words

    def add(self, other: Score) -> None:
        """Take another's samples in."""
        self.samples += other.samples
        self.right += other.right
        self.alive_when_dead += other.alive_when_dead
        self.wrong += other.wrong

    @property
    def share(self) -> float:
        """The share of right samples."""
        return self.right / self.samples if self.samples else 0.0


class Watch:
    """Looks at one process again and again, and keeps what is known to be true of it."""

    def __init__(self, daemon: Daemon, pid: int) -> None:
        self._daemon, self._pid = daemon, pid
        self._facts: list[Fact] = []
        self._samples: list[Sample] = []
        self._lost = float("inf")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def know(self, why: str, *words: str, at: float | None = None) -> None:
        """Note that from now on one of these words is true."""
        self._facts.append(Fact(at or time.time(), frozenset(words), why))

    def lose(self, since: float) -> None:
        """Know nothing from then on, but that it is dead if that was noted: something went another way."""
        self._facts = [fact for fact in self._facts if fact.at < since or fact.words == {DEAD}]
        self._facts.append(Fact(since, ANYTHING, "nothing known"))
        self._lost = since

    def stop(self, requests: Sequence[Request], asks: frozenset[int]) -> Score:
        """Stop looking and compare with these requests of the agent; `asks` are the ids of those that ask a person."""
        self._over.set()
        self._thread.join(10)
        facts = _merged(self._facts, [fact for fact in _told(requests, asks) if fact.at < self._lost])
        score = Score()
        for sample in self._samples:
            true = _true(facts, sample)
            score.samples += 1
            if sample.word in true:
                score.right += 1
                continue
            last = max((f for f in facts if f.at <= sample.ended), key=lambda f: f.at, default=None)
            since = f"{sample.ended - last.at:.2f} s after {last.why}" if last else "before anything"
            score.wrong.append(f"shown {sample.said}, true {'/'.join(sorted(true))}, {since}")
            long_dead = true == {DEAD} and last is not None and sample.begun - last.at > DEAD_S
            score.alive_when_dead += long_dead and sample.word == WORKING
        return score

    def _run(self) -> None:
        body = json.dumps({"pid": self._pid})
        while not self._over.is_set():
            away = contextlib.suppress(OSError, http.client.HTTPException, KeyError, ValueError)
            with away, contextlib.closing(self._daemon.connect(10)) as connection:
                while not self._over.wait(EVERY_S):
                    begun = time.time()
                    connection.request("POST", "/v1/process.get", body, self._daemon.headers())
                    with connection.getresponse() as answer:
                        process = json.loads(answer.read())
                    said = f"{process['state']}/{process['phase']}"
                    self._samples.append(Sample(begun, time.time(), shown(process), said))
            self._over.wait(EVERY_S)


def _told(requests: Sequence[Request], asks: frozenset[int]) -> list[Fact]:
    """Return what the model's log tells."""
    facts = []
    for number, request in enumerate(requests):
        facts.append(Fact(request.at, frozenset({WORKING}), f"request {number + 1}"))
        step = request.answered
        if request.ended_at is None or (request.cut and "drop" not in step):  # what the bench did tells why
            continue
        if "error" in step or "drop" in step or step.get("unsure"):  # it may try again, or give up
            words = {WORKING, IDLE, LIMITED, DEAD}
        elif any("tool_use" in block for block in step.get("reply", [])):
            words = {WORKING, WAITING} if id(step) in asks else {WORKING}
        else:
            words = {IDLE}
        facts.append(Fact(request.ended_at, frozenset(words), f"answer {number + 1}"))
    return facts


def _merged(done: list[Fact], told: list[Fact]) -> list[Fact]:
    """Bring both in order; what the model does moves nobody who stands still or is dead."""
    found: list[Fact] = []
    known = {id(fact) for fact in done}
    for fact in sorted([*done, *told], key=lambda fact: fact.at):
        if id(fact) in known or not found or found[-1].words not in ({PAUSED}, {DEAD}):
            found.append(fact)
    return found


def _true(facts: list[Fact], sample: Sample) -> frozenset[str]:
    """Return the words that were true at some moment of the sample, or just before it."""
    before = [fact for fact in facts if fact.at <= sample.begun - SLACK_S]
    during = [fact for fact in facts if sample.begun - SLACK_S < fact.at <= sample.ended]
    found = frozenset[str]().union(*(fact.words for fact in during))
    return found | (before[-1].words if before else frozenset({STARTING}))
