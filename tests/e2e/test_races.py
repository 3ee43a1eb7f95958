"""Many callers start, stop and remove the same agent at once: one wins, the others are told why, states stay legal."""

from __future__ import annotations

import collections
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from aetherd.kernel.process.states import TRANSITIONS, State
from tests.e2e.daemon_lab import Daemon, Event, Refused

AGENTS = 67  # three races for each
LOSERS = {"conflict", "not_found"}
SLEEP = {"runtime": "command", "argv": ["/bin/sleep", "1000"]}


class Race:
    """Calls that start at the same moment; what each got."""

    def __init__(self, daemon: Daemon, pool: ThreadPoolExecutor) -> None:
        self.daemon, self.pool = daemon, pool

    def run(self, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
        """Make all calls at once; an answer, or its refusal, each."""
        gun = threading.Barrier(len(calls))

        def one(operation: str, input: dict[str, Any]) -> Any:
            gun.wait(10)
            try:
                return self.daemon.call(operation, **input)
            except Refused as refused:
                return refused

        answers = [future.result() for future in [self.pool.submit(one, *call) for call in calls]]
        assert {answer.code for answer in answers if isinstance(answer, Refused)} <= LOSERS, answers
        return answers


def won(answers: list[Any]) -> list[Any]:
    """Return the answers that are no refusals."""
    return [answer for answer in answers if isinstance(answer, dict)]


def legal(events: list[Event]) -> None:
    """Check that the states of every process follow one another as the table says, and that each ends once."""
    states: dict[int, State] = collections.defaultdict(lambda: State.CREATED)
    for event in events:
        if event["type"] == "process.state_changed":
            before, after = State(event["data"]["from"]), State(event["data"]["to"])
            assert before == states[event["pid"]], event
            assert after in TRANSITIONS[before], event
            states[event["pid"]] = after
    assert set(states.values()) == {State.EXITED}
    ends = collections.Counter(event["pid"] for event in events if event["type"] == "process.exited")
    assert ends == dict.fromkeys(states, 1)


@pytest.mark.timeout(400)
def test_two_hundred_races_for_the_same_agent_have_one_winner_each_and_legal_states(own: Daemon) -> None:
    removed: list[str] = []
    with ThreadPoolExecutor(5) as pool:
        race = Race(own, pool)
        for number in range(AGENTS):
            name = f"racer-{number}"
            start = ("process.spawn", {**SLEEP, "name": name})
            [first] = won(race.run(start, start, start))
            stop, again = ("process.kill", {"pid": first["pid"]}), ("process.spawn", {**SLEEP, "agent": name})
            *stops, second = race.run(stop, stop, again)
            assert won(stops)
            assert own.get(first["pid"])["outcome"] == "killed"
            remove = ("agent.remove", {"agent": name, "home": "delete"})
            last = ("process.kill", {"pid": second["pid"]})
            *removes, _ = race.run(remove, remove, last)
            assert len(won(removes)) <= 1
            removed += [answer["agent"] for answer in won(removes)]
    events = own.events()
    legal(events)
    assert not own.tree()
    assert [event["agent"] for event in events if event["type"] == "agent.removed"] == removed
    ended = {event["agent"]: event["id"] for event in events if event["type"] == "process.exited"}
    assert all(event["id"] > ended[event["agent"]] for event in events if event["type"] == "agent.removed")
