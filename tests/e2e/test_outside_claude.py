"""The real Claude Code drives the fleet from outside, by MCP configuration alone, and outlives aetherd."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aetherd_mcp.names import tool_name
from aetherd_mcp.toolsets import names
from tests.e2e.claude_lab import aether, model, real, says
from tests.e2e.daemon_lab import Daemon, until
from tests.e2e.outside_lab import OutsideClaude, Over, results_in
from tests.model_api import ModelApi

PAINTER = """demo:
call aether_approval_request {"title": "paint the door red"}
wait message
sleep 0.3
say the door is painted"""
WAITER = "demo:\nwait message\nsay I have come through"
BOTH: list[Over] = ["stdio", "http"]


@pytest.fixture(scope="module")
def fleet() -> Iterator[Daemon]:
    """A daemon as it comes."""
    with Daemon() as daemon:
        yield daemon


@real
@pytest.mark.parametrize("over", BOTH)
def test_it_leads_an_agent_from_its_goal_to_its_end(fleet: Daemon, over: Over) -> None:
    with model() as api, OutsideClaude(fleet, api, over) as claude:
        pid = claude.does("process_spawn", runtime="builtin", goal=PAINTER)["pid"]
        assert claude.offered == {f"mcp__aether__{tool_name(name)}" for name in names("operator")}
        fleet.approval(pid)
        [asked] = claude.does("approval_list", state="pending", pid=pid)["approvals"]
        assert claude.does("approval_decide", id=asked["id"], decision="allow_once")["state"] == "allowed"
        claude.does("process_send", pid=pid, text="with two coats")
        assert claude.does("process_wait", pid=pid)["outcome"] == "completed"
        assert claude.does("process_result", pid=pid)["text"] == "the door is painted"
        story = [event["type"] for event in claude.does("process_timeline", pid=pid)["events"]]
        assert {"approval.requested", "approval.decided", "agent.told", "agent.text"} <= set(story)
        assert claude.does("process_kill", pid=pid)["state"] == "exited"
        assert claude.errors == []
    asked, ended = fleet.call("approval.get", id=asked["id"]), fleet.get(pid)
    assert (asked["title"], asked["decision"]) == ("paint the door red", "allow_once")
    assert asked["decided_by"].partition("/")[0] == "user:owner"  # over HTTP it says by which token
    assert "with two coats" in [event["data"]["text"] for event in fleet.events(pid=pid, types="agent.told")]
    assert (ended["outcome"], ended["ended_by"].partition("/")[0], fleet.tree(pid)) == ("killed", "user:owner", [])


def drive_through_a_kill(api: ModelApi, claude: OutsideClaude) -> int:
    """Have the model call three tools in one turn, and stop it before the second; return what `say` does."""
    pid = claude.does("process_spawn", runtime="builtin", goal=WAITER)["pid"]
    first, tell = aether("process_get", pid=pid), aether("process_send", pid=pid, text="are you there?")
    steps = [says(first), says(tell, hold="the kill"), says(aether("process_wait", pid=pid)), says("Done.")]
    api.use({"steps": steps})
    began = claude.say("look after it")
    api.wait_for_request(4)  # two of the turn before; the first call of this one is answered
    return began


@real
def test_over_the_relay_a_call_waits_for_a_daemon_that_was_killed(fleet: Daemon) -> None:
    with model() as api, OutsideClaude(fleet, api, "stdio") as claude:
        began, relays = drive_through_a_kill(api, claude), claude.relays
        fleet.kill()
        api.release("the kill")
        until(lambda: api.requests[3].ended_at, 10, "the second call")
        fleet.start()
        claude.turn_ended(began)
        assert results_in(api.requests[5])[0]["text"] == "I have come through"
        assert (claude.errors, claude.status) == ([], "connected")
        assert (claude.relays, len(relays)) == (relays, 1)


@real
def test_over_http_it_finds_a_daemon_that_was_killed_again_by_itself(fleet: Daemon) -> None:
    with model() as api, OutsideClaude(fleet, api, "http") as claude:
        began = drive_through_a_kill(api, claude)
        fleet.restart()
        until(claude.connected, 60, "its return")
        api.release("the kill")
        claude.turn_ended(began)
        assert results_in(api.requests[5])[0]["text"] == "I have come through"
        assert claude.errors == []
