"""A runaway agent is stopped before the call that would go past its budget, and a killed daemon forgets no cent."""

from __future__ import annotations

from tests.e2e.daemon_lab import Daemon, until
from tests.e2e.runaway import MOST, OUTPUT, THREADS, costly_model, keys, ledger, runaway
from tests.model_api import ModelApi

RUNS = 5  # benchmarks/budget.py: 50
NANO = 1_000_000_000


def test_a_runaway_agent_is_stopped_before_the_call_that_would_exceed_its_budget() -> None:
    with costly_model(answers=RUNS * 150) as (api, script), Daemon(env=keys(api)) as daemon:
        total = 0
        for _ in range(RUNS):
            before = len(api.requests)
            run = runaway(daemon, budget=0.5, hold=True)
            printed = daemon.shows(run["pid"], "over", 60)
            spent, most = ledger(daemon, run["pid"])
            total += spent
            assert total == script.sum(len(api.requests))
            assert NANO // 2 - most < spent <= NANO // 2, "it went on to the edge, and not past it"
            assert len(api.requests) > before + THREADS
            assert "budget of 0.50 USD" in " ".join(printed.split())
            (found,) = daemon.call("quota.usage", agent=run["agent"])["runs"]
            assert (found["money"]["spent_usd"], found["money"]["reserved_usd"]) == (spent / NANO, 0)
            assert daemon.get(run["pid"])["cost_usd"] == round(spent / NANO, 6)
            daemon.call("process.kill", pid=run["pid"])
        kinds = [event["type"] for event in daemon.events() if event["type"].startswith("quota.")]
        assert kinds.count("quota.exceeded") == kinds.count("quota.warned") == RUNS


def test_calls_in_flight_when_the_daemon_is_killed_are_counted_as_the_most_they_could_cost() -> None:
    step = {"reply": [{"text": "late"}], "hold": "gate", "usage": {"input_tokens": 5, "output_tokens": 5}}
    with ModelApi({"default": step, "side": False}) as api, Daemon(env=keys(api)) as daemon:
        run = runaway(daemon, budget=0.09, threads=3, hold=True)
        until(lambda: len(api.requests) == 3, 30, "three calls in flight")
        set_aside = daemon.call("quota.usage", agent=run["agent"])["runs"][0]["money"]["reserved_usd"]
        assert 3 * MOST * OUTPUT / NANO < set_aside <= 0.09
        daemon.kill()
        api.release("gate")
        daemon.start()
        daemon.shows(run["pid"], "over", 60)
        money = daemon.call("quota.usage", agent=run["agent"])["runs"][0]["money"]
        assert (money["spent_usd"], money["reserved_usd"], money["estimated"]) == (set_aside, 0, 3)
        assert len(api.requests) == 3, "what is left is not enough for another"
