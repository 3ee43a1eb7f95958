"""Flows under kill -9: in any step the daemon may be killed, and the flow goes on without repeating what was done."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.claude_lab import KEY, aether, model, real, says
from tests.e2e.daemon_lab import Daemon, until


@pytest.fixture
def own() -> Iterator[Daemon]:
    """A daemon whose programs can all write to one square: in tier host, as no sandbox shows it."""
    with Daemon(settings="approval_wait_s = 1\nmax_running = 60\n", env={"AETHER_SANDBOX": "host"}) as daemon:
        yield daemon


@pytest.fixture
def square() -> Iterator[Path]:
    """Give a directory in which programs of every agent may write."""
    with tempfile.TemporaryDirectory(prefix="aether-test-") as name:
        Path(name).chmod(0o777)
        yield Path(name)


def marks(square: Path) -> dict[str, int]:
    """Return how often each program was started: every one leaves a file of its own."""
    found: dict[str, int] = {}
    for path in square.glob("*@*"):
        name = path.name.partition("@")[0]
        found[name] = found.get(name, 0) + 1
    return found


def program(square: Path, name: str, then: str = "true") -> dict[str, Any]:
    """Return a program that leaves a mark, each time it is started."""
    return {"runtime": "command", "argv": ["/bin/sh", "-c", f"mktemp {square}/{name}@XXXXXX >&2; {then}; echo {name}"]}


def test_a_flow_goes_on_through_kills_in_every_kind_of_step_and_repeats_nothing(own: Daemon, square: Path) -> None:
    def wait(name: str) -> str:
        return f"while [ ! -e {square}/{name} ]; do sleep 0.05; done"

    said = 'demo:\nsay begun\ncall aether_memory_remember {"content": "the agent was here"}\nwait message\nsay gone on'
    flow = {
        "name": "release",
        "steps": [
            {"name": "first", "agent": program(square, "first", wait("go1"))},
            {"name": "note", "call": {"operation": "memory.remember", "input": {"content": "the call was here"}}},
            {"name": "list", "set": ["a", "b", "c"]},
            {
                "name": "all",
                "each": {
                    "items": "{{ steps.list.output }}",
                    "steps": [{"name": "one", "agent": program(square, "{{ item }}", wait("go2"))}],
                },
            },
            {"name": "agent", "agent": {"runtime": "builtin", "goal": said}},
            {
                "name": "rounds",
                "loop": {
                    "max": 3,
                    "until": "steps.r.output contains 'r2'",
                    "steps": [{"name": "r", "agent": program(square, "r{{ round }}", wait("go3"))}],
                },
            },
            {"name": "may", "ask": "Ship it?"},
            {"name": "last", "set": "{{ steps.all.output }}"},
        ],
    }

    def running(*names: str) -> None:
        until(lambda: set(names) <= set(marks(square)), 30, f"{names} to run", lambda: own.call("flow.get", id=key))

    def step(name: str) -> dict[str, Any]:
        (found,) = own.call("flow.get", id=key, step=name)["steps"]
        return dict(found)

    key = own.call("flow.run", flow=flow)["id"]
    running("first")
    own.restart()  # in a program
    (square / "go1").touch()
    running("a", "b", "c")
    own.restart()  # in a fan-out, with a step that is done and a call that is
    (square / "go2").touch()
    until(
        lambda: any(one["kind"] == "agent" and one["name"] == "agent" for one in own.call("flow.get", id=key)["steps"]),
        30,
        "the agent",
    )
    pid = step("agent")["pid"]
    until(lambda: any(e["type"] == "agent.text" for e in own.events(pid=pid)), 30, "the agent to speak")
    own.restart()  # in an agent that waits for a word
    own.call("process.send", pid=pid, text="go on")
    running("r1")
    own.restart()  # in a round of a loop
    (square / "go3").touch()
    until(lambda: own.call("flow.get", id=key)["state"] == "waiting", 30, "the question")
    own.restart()  # while a person is asked
    approval = step("may")["approval"]
    own.call("approval.decide", id=approval, decision="allow_once")
    until(
        lambda: own.call("flow.get", id=key)["state"] == "completed",
        30,
        "the end",
        lambda: own.call("flow.get", id=key),
    )

    done = own.call("flow.get", id=key, limit=500)
    assert [line.splitlines()[-1] for line in done["outputs"]] == ["a", "b", "c"]
    assert marks(square) == dict.fromkeys(["first", "a", "b", "c", "r1", "r2"], 1)
    kept = [one["content"] for one in own.call("memory.list", limit=100)["memories"]]
    assert sorted(text for text in kept if "here" in text[-4:]) == ["the agent was here", "the call was here"]
    ends = [e["data"]["step"] for e in own.events(types="flow.step_finished")]
    assert len(ends) == len(set(ends)), json.dumps(ends)
    begun = [e for e in own.events(types="flow.step_started") if e["data"]["kind"] == "agent"]
    assert len(begun) == len({e["pid"] for e in begun}) == 7


def test_a_daemon_killed_at_any_moment_of_many_steps_does_each_once(own: Daemon, square: Path) -> None:
    """Kills come while programs and calls begin and end, not only while they run."""
    steps = [
        {
            "name": "all",
            "each": {
                "items": list(range(12)),
                "max_parallel": 3,
                "steps": [
                    {"name": "p", "agent": program(square, "p{{ item }}")},
                    {
                        "name": "c",
                        "call": {
                            "operation": "memory.remember",
                            "input": {"content": "item {{ item }} of twelve"},
                        },
                    },
                ],
            },
        }
    ]
    key = own.call("flow.run", flow={"steps": steps})["id"]
    for kill_at in (3, 8):

        def finished(kill_at: int = kill_at) -> bool:
            return len(own.call("flow.get", id=key, states=["completed"], limit=500)["steps"]) >= kill_at

        until(finished, 30, f"{kill_at} steps")
        own.restart()

    def decided() -> bool:
        """Answer for calls that were under way: look whether they were made, as a person would."""
        kept = {one["content"] for one in own.call("memory.list", limit=100)["memories"]}
        for one in own.call("approval.list", state="pending")["approvals"]:
            made = one["input"]["input"]["content"] in kept
            answer = {"decision": "deny", "reason": "it was made"} if made else {"decision": "allow_once"}
            own.call("approval.decide", id=one["id"], **answer)
        return bool(own.call("flow.get", id=key)["state"] == "completed")

    until(decided, 60, "the end", lambda: own.call("flow.get", id=key))
    kept = [one["content"] for one in own.call("memory.list", limit=100)["memories"]]
    assert sorted(kept) == sorted(f"item {number} of twelve" for number in range(12))
    assert marks(square) == {f"p{number}": 1 for number in range(12)}


@real
def test_a_real_claude_code_leads_within_its_bounds_through_a_kill_of_the_daemon(own: Daemon) -> None:
    worker = aether("process_spawn", runtime="command", argv=["sleep", "1000"])
    waiting = {"text": ["All is ", {"hold": "go"}, "well."]}
    begun = [says("I begin.", worker), says("One more.", worker), says(waiting)]
    with model(*begun, default=says("All is well.")) as api:  # the answer that the kill cuts is asked for again
        for name, value in (("ANTHROPIC_BASE_URL", api.url), ("ANTHROPIC_API_KEY", KEY)):
            (own.home / "secrets" / name).write_text(value)
        lead = {"goal": "have it swept", "max_workers": 1, "max_depth": 1}
        steps = [{"name": "lead", "supervise": lead}, {"name": "told", "set": "{{ steps.lead.output }}"}]
        key = own.call("flow.run", flow={"steps": steps})["id"]
        request = api.wait_for_request(3)
        assert "You may start up to 1 workers" in request.text
        assert "may start 1 workers, and has" in json.dumps(request.messages)
        own.kill()
        own.start()
        (step,) = own.call("flow.get", id=key)["steps"]
        (child,) = [one for one in own.call("process.list", state="live")["processes"] if one["parent"] == step["pid"]]
        api.release("go")
        until(lambda: own.call("flow.get", id=key)["outputs"] == "All is well.", 30, "the end")
    assert own.ended(child["pid"])["outcome"] == "killed"
    assert own.ended(step["pid"])["outcome"] == "completed"
