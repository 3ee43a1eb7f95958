"""A usage limit over real Claude Codes: all wait, and go on by priority in their own conversations, none in a loop."""

from __future__ import annotations

import time
from typing import Any

from tests.e2e.claude_lab import Claude, give_key, model, real, says
from tests.e2e.daemon_lab import Daemon, until

WORDS = "has lifted"  # of what an agent is told then
# Signed in as with a subscription: only so does Claude Code read when a limit lifts.
SIGNED_IN = {"ANTHROPIC_API_KEY": "", "CLAUDE_CODE_OAUTH_TOKEN": "dummy-token-for-tests"}


def limited(lifts: int) -> dict[str, Any]:
    """Script the answer of an API whose limit is reached."""
    about = {"status": "rejected", "reset": str(lifts), "representative-claim": "five_hour"}
    headers = {f"anthropic-ratelimit-unified-{name}": value for name, value in about.items()}
    return {"status": 429, "type": "rate_limit_error", "message": "limit reached", "headers": headers}


@real
def test_three_agents_wait_for_a_limit_and_go_on_by_priority_in_the_same_conversations(own: Daemon) -> None:
    step = {"error": limited(0), "hold": "all"}
    with model(rules=[{"when": {"text": WORDS}, **says("Done.")}, step]) as api, own.stream() as stream:
        agents = [Claude(own, api, f"task {p}", priority=p, env=SIGNED_IN) for p in (0, 7, 3)]
        api.wait_for(lambda found: len(found) == 3, 60)
        lifts = int(time.time()) + 5
        step["error"] = limited(lifts)
        api.release("all")
        for one in agents:
            stream.wait(lambda event, pid=one.pid: event["type"] == "agent.limit_reached" and event["pid"] == pid)
        parked = [one.get() for one in agents]
        assert {(one["phase"], one["outcome"]) for one in parked} == {("limited", "running")}
        assert len({one["limited"]["resets_at"] for one in parked}) == 1
        own.restart()  # nothing of it is lost with the daemon
        assert [one.wait()["text"] for one in agents] == ["Done."] * 3
        woken = [event["pid"] for event in stream.of("agent.limit_lifted")]
        assert woken == [agents[1].pid, agents[2].pid, agents[0].pid]
        assert [one.get()["session"] for one in agents] == [one["session"] for one in parked]
        assert all(request.at >= lifts for request in api.requests[3:])
        assert len(api.requests) == 6


@real
def test_behind_the_gateway_the_reset_time_of_the_provider_parks_an_agent_at_once(own: Daemon) -> None:
    error = limited(int(time.time()) + 3600)  # to a client with a key Claude Code does not tell it, and tries again
    with model(rules=[{"when": {"text": WORDS}, **says("Done.")}, {"error": error}]) as api:
        give_key(own, api)
        one = Claude(own, api, "the task", direct=False)
        until(lambda: one.get()["state"] == "queued", 30, "it to be parked", one.get)
        assert one.get()["limited"]["resets_at"] == one.get()["limited"]["wakes_at"]
        assert len(api.requests) == 1
        own.call("process.resume", pid=one.pid)
        assert one.wait()["text"] == "Done."


@real
def test_an_agent_that_waits_long_has_no_runtime_and_goes_on_in_its_conversation_in_a_new_one(own: Daemon) -> None:
    with model(rules=[{"when": {"text": WORDS}, **says("Done.")}, {"error": limited(4102444800)}]) as api:
        one = Claude(own, api, "the long task", env=SIGNED_IN)
        with own.stream() as stream:
            stream.wait(lambda event: event["type"] == "process.state_changed" and event["data"]["to"] == "queued")
        parked = one.get()
        assert (parked["state"], parked["phase"], parked["os_pid"]) == ("queued", "limited", None)
        assert parked["limited"]["wakes_at"].startswith("2100-01-01")
        assert one.runtimes() == []
        own.restart()
        own.call("process.resume", pid=one.pid)  # a person has bought more
        assert one.wait()["text"] == "Done."
        assert (one.get()["session"], one.get()["incarnation"]) == (parked["session"], 2)
        assert "the long task" in api.requests[-1].text
        assert len(api.requests) == 2
