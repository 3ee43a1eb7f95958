"""What a subscriber is shown is what is so, a moment later: the real Claude Code against the scripted truth."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from tests.e2e.claude_lab import Claude, bash, model, real, says
from tests.e2e.daemon_lab import Daemon, Event, Stream
from tests.model_api import ModelApi, Request

LATE_S = 2.0  # promised are 300 ms, which benchmarks/spawn.py measures; the rest is for a starved machine
HALF = {"text": ["Half a sentence ", {"hold": "never"}]}


class Watcher:
    """A subscriber that keeps when each event came to it."""

    def __init__(self, daemon: Daemon) -> None:
        self._came: dict[int, float] = {}
        self._newest = daemon.events()[-1]["id"] if daemon.events() else 0
        self.stream: Stream = daemon.stream(watch=lambda event: self._came.setdefault(event["id"], time.time()))

    def shows(self, what: str, since: float, met: Callable[[Event], bool]) -> Event:
        """Wait for the next event that shows it, and compare with when it became true (wall clock)."""
        event = self.stream.wait(lambda one: one["id"] > self._newest and met(one), 30, what)
        self._newest = event["id"]
        late = self._came.get(event["id"], time.time()) - since
        assert late < LATE_S, f"{what} was shown {late:.2f} s late"
        return event

    def phase(self, name: str, since: float) -> Event:
        """Wait for the next change of phase, which must be to this one."""
        event = self.shows(name, since, lambda one: one["type"] == "process.phase_changed")
        assert event["data"]["to"] == name, event
        return event

    def state(self, name: str, since: float) -> Event:
        """Wait for the next change of state, which must be to this one."""
        event = self.shows(name, since, lambda one: one["type"] == "process.state_changed")
        assert event["data"]["to"] == name, event
        return event


def asked(api: ModelApi, number: int) -> float:
    """Return when the model was asked for the n-th time."""
    return api.wait_for_request(number).at


def answered(api: ModelApi, number: int) -> float:
    """Return when the n-th answer of the model had ended."""

    def over(requests: list[Request]) -> bool:
        return len(requests) >= number and requests[number - 1].ended_at is not None

    ended = api.wait_for(over)[number - 1].ended_at
    assert ended is not None
    return ended


@real
def test_starting_working_waiting_idle_interrupted_and_dead_are_shown_when_they_are_so(own: Daemon) -> None:
    watcher = Watcher(own)
    steps = (says("I will.", bash("echo one > made.txt")), says("Made."), {"reply": [HALF]})
    with model(*steps) as api, watcher.stream:
        begun = time.time()
        claude = Claude(own, api)
        watcher.state("starting", begun)
        watcher.phase("booting", begun)
        watcher.phase("thinking", asked(api, 1))
        watcher.phase("executing", answered(api, 1))
        watcher.phase("waiting_approval", answered(api, 1))
        decided = time.time()
        claude.decide("allow_once")
        watcher.phase("executing", decided)
        watcher.phase("observing", asked(api, 2))
        watcher.phase("completed", answered(api, 2))
        claude.send("go on")
        watcher.phase("thinking", asked(api, 3))
        told = time.time()
        own.call("process.interrupt", pid=claude.pid)
        watcher.phase("waiting_input", told)
        assert claude.get()["state"] == "running"
        [runtime] = claude.runtimes()
        died = time.time()
        os.kill(runtime, signal.SIGKILL)
        assert watcher.state("exited", died)["data"]["from"] == "running"
        assert (claude.get()["outcome"], claude.get()["ended_by"]) == ("killed", None)
