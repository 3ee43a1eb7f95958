"""The main job with real Claude Code, offline: memory, messages, approvals, steering, and kill -9 in mid-turn."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from tests.e2e.claude_lab import Claude, aether, bash, model, occurrences, real, says
from tests.e2e.daemon_lab import Daemon, Event, until

SLOW = ["It begins ", {"hold": "go"}, "and ends."]


@real
def test_one_agent_remembers_another_recalls_and_a_message_reaches_the_model(daemon: Daemon) -> None:
    remember = aether("memory_remember", content="the cellar door sticks")
    recall = aether("memory_recall", query="cellar door")
    with model(says("I keep it.", remember), says("Kept.")) as api:
        first = Claude(daemon, api, "remember the door")
        assert first.wait()["text"] == "Kept."
        assert "mcp__aether__aether_memory_remember" in api.requests[0].tools
        assert len(api.requests) == 2
        assert occurrences(api.requests, "remember the door") == 1
        other = aether("message_send", to=first.name, text="the door is mended")
        with model(says("What is known?", recall), says("I tell.", other), says("Told.")) as second_api:
            second = Claude(daemon, second_api, "look after the door")
            assert second.wait()["text"] == "Told."
            assert any("the cellar door sticks" in text for text in second_api.requests[1].tool_results)
        seen = api.wait_for_request(3)
        assert "the door is mended" in seen.text + seen.system
        assert second.name in seen.text + seen.system


@real
def test_a_command_waits_for_leave_and_runs_once_when_it_is_allowed_once(daemon: Daemon) -> None:
    with model(says(bash("echo one >> made.txt")), says(bash("echo two >> made.txt")), says("Done.")) as api:
        claude = Claude(daemon, api)
        assert claude.approval()["input"]["command"] == "echo one >> made.txt"
        assert claude.get()["phase"] == "waiting_approval"
        claude.decide("allow_once")
        api.wait_for_request(2)
        until(lambda: claude.approval()["input"]["command"] == "echo two >> made.txt", 20, "the second question")
        claude.decide("allow_once")
        assert claude.wait()["outcome"] == "completed"
        assert claude.file("made.txt") == "one\ntwo\n"


@real
def test_leave_for_the_run_is_not_asked_for_again(daemon: Daemon) -> None:
    steps = [says(bash(f"echo {n} >> made.txt")) for n in range(3)]
    with model(*steps, says("Done.")) as api:
        claude = Claude(daemon, api)
        claude.decide("allow_run")
        assert claude.wait()["outcome"] == "completed"
        assert claude.file("made.txt") == "0\n1\n2\n"
    asked = daemon.call("approval.list", pid=claude.pid)["approvals"]
    assert [one["decided_by"] for one in asked if one["decision"] == "allow_run"] == ["user:owner"]


@real
def test_a_refusal_and_its_reason_reach_the_model(daemon: Daemon) -> None:
    with model(says(bash("touch made.txt")), says("I understand.")) as api:
        claude = Claude(daemon, api)
        claude.decide("deny", reason="not on a Friday")
        assert claude.wait()["text"] == "I understand."
        assert any("not on a Friday" in text for text in api.requests[1].tool_results)
    [asked] = daemon.call("approval.list", pid=claude.pid)["approvals"]
    assert (asked["state"], asked["reason"], asked["decided_by"]) == ("denied", "not on a Friday", "user:owner")


@real
def test_no_words_answer_a_question_and_nothing_runs_without_leave(daemon: Daemon) -> None:
    asked = [f"echo {n} >> made.txt" for n in range(50)]
    with model(*(says(bash(command)) for command in asked), says("Done.")) as api:
        claude = Claude(daemon, api)
        for command in asked:
            until(lambda command=command: claude.approval()["input"]["command"] == command, 20, "the question")
            claude.send("\r1\ry\r")
            claude.decide("deny", reason="no")
        assert claude.wait()["text"] == "Done."
        with pytest.raises(FileNotFoundError):
            claude.file("made.txt")


@real
def test_a_steered_message_arrives_in_the_same_turn(daemon: Daemon) -> None:
    with model(says("First.", bash("sleep 0.2; touch one.txt")), says("I heard.")) as api:
        claude = Claude(daemon, api)
        claude.approval()
        claude.send("mind the gap")
        letter = daemon.call("message.send", to=claude.name, text="and the step")
        assert letter["state"] == "queued"  # it has it on its input; its model has not
        until(
            lambda: "sent" in [e["data"]["state"] for e in daemon.events(pid=claude.pid, types="agent.told")], 10, "it"
        )
        claude.decide("allow_once")
        assert claude.wait()["text"] == "I heard."
        assert len(api.requests) == 2
        for text in ("mind the gap", "and the step"):
            assert text in api.requests[1].text + api.requests[1].system
        letter = daemon.call("message.thread", thread=letter["thread"])["messages"][0]
        assert letter["state"] == "delivered"
    turns = [e for e in daemon.events(pid=claude.pid) if e["type"] == "agent.turn_ended"]
    assert len(turns) == 1


@real
def test_an_interrupted_text_is_kept_and_the_agent_waits(daemon: Daemon) -> None:
    with model(says(["Half a sentence ", {"hold": "never"}]), says("Again.")) as api:
        reply = {"reply": [{"text": ["Half a sentence that is ", {"hold": "never"}, "whole."]}]}
        api.use({"steps": [reply, says("Again.")]})
        with daemon.stream() as stream:
            claude = Claude(daemon, api)
            api.wait_for_request(1)
            stream.wait(lambda e: e.get("pid") == claude.pid and e["data"].get("to") == "thinking")
            until(lambda: api.requests[0].first_byte_at, 10, "the first byte")
            daemon.call("process.interrupt", pid=claude.pid)
            ended = stream.wait(lambda e: e["type"] == "agent.turn_ended" and e["pid"] == claude.pid)
        assert ended["data"]["outcome"] == "interrupted"
        assert claude.get()["phase"] == "waiting_input"
        claude.send("go on")
        until(lambda: claude.wait()["text"] == "Again.", 20, "the second turn")


@real
def test_a_kill_of_the_daemon_in_the_middle_of_a_text_loses_nothing(daemon: Daemon) -> None:
    """In tier host its connection to the model is its own; from a sandbox it leads through the daemon."""
    with model({"reply": [{"text": SLOW}]}, says("The next.")) as api, daemon.stream() as stream:
        claude = Claude(daemon, api, "a goal that is told once", sandbox={"tier": "host"})
        api.wait_for_request(1)
        before, relays = claude.runtimes(), claude.relays()
        daemon.kill()
        api.release("go")
        daemon.start()
        assert claude.wait()["text"] == "It begins and ends."
        claude.send("and now")
        api.wait_for_request(2)
        stream.wait(lambda e: e["type"] == "agent.turn_ended" and e["data"]["text"] == "The next.")
        assert (claude.runtimes(), claude.relays()) == (before, relays)
        assert len(api.requests) == 2
        assert occurrences(api.requests, "a goal that is told once") == 1
        said = [e["data"]["text"] for e in stream.of("agent.text", pid=claude.pid)]
        assert said == ["It begins and ends.", "The next."]


@real
@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap (scripts/system-packages)")
def test_a_text_that_a_kill_cuts_off_in_a_sandbox_is_asked_for_again_and_told_once(daemon: Daemon) -> None:
    with model({"reply": [{"text": SLOW}]}, says("It begins and ends.")) as api, daemon.stream() as stream:
        claude = Claude(daemon, api, "a goal that is told once", sandbox={"tier": "bwrap"})
        api.wait_for_request(1)
        before = claude.runtimes()
        daemon.restart()
        assert claude.wait()["text"] == "It begins and ends."
        assert claude.runtimes() == before
        assert len(api.requests) == 2
        assert occurrences(api.requests, "a goal that is told once") == 1
        said = [e["data"]["text"] for e in stream.of("agent.text", pid=claude.pid)]
        assert said == ["It begins and ends."]


@real
def test_a_question_that_waits_over_a_kill_is_answered_after_it_and_the_command_runs_once(daemon: Daemon) -> None:
    with model(says(bash("echo once >> made.txt")), says("Done.")) as api:
        claude = Claude(daemon, api)
        asked = claude.approval()
        before = claude.runtimes()
        daemon.restart()
        assert claude.approval()["id"] == asked["id"]
        assert claude.get()["phase"] == "waiting_approval"
        claude.decide("allow_once")
        assert claude.wait()["text"] == "Done."
        assert claude.file("made.txt") == "once\n"
        assert claude.runtimes() == before
        assert len(api.requests) == 2


@real
def test_an_answer_given_right_before_a_kill_still_reaches_claude_once(daemon: Daemon) -> None:
    with model(says(bash("echo once >> made.txt")), says("Done.")) as api:
        claude = Claude(daemon, api)
        claude.decide("allow_once")
        daemon.restart()
        assert claude.wait()["text"] == "Done."
        assert claude.file("made.txt") == "once\n"
        assert len(api.requests) == 2


@real
@pytest.mark.parametrize("moment", ["accepted", "prepared", "started", "told"])
def test_a_goal_given_right_before_a_kill_is_told_once(daemon: Daemon, moment: str) -> None:
    goal = f"a goal that is {moment} and killed"
    newest = max((event["id"] for event in daemon.events()), default=0)
    events = {"accepted": "process.spawned", "started": "process.started", "told": "agent.session_started"}

    def kill(event: Event) -> None:
        if event["id"] > newest and event["type"] == events.get(moment) and daemon.process is not None:
            daemon.process.kill()

    def kill_when_prepared(known: set[Path], process: subprocess.Popen[bytes]) -> None:
        until(lambda: set(daemon.home.glob("agents/*/runtime/mcp.json")) - known, 30, "its configuration")
        process.kill()

    with model(default=says("Done.")) as api:
        with daemon.stream(watch=kill):
            assert daemon.process is not None
            if moment == "prepared":
                known = set(daemon.home.glob("agents/*/runtime/mcp.json"))
                threading.Thread(target=kill_when_prepared, args=(known, daemon.process)).start()
            with contextlib.suppress(OSError, http.client.HTTPException):
                Claude(daemon, api, goal)
            daemon.process.wait(20)
        daemon.start()
        pid = daemon.call("process.list", limit=1)["processes"][0]["pid"]
        assert daemon.wait(pid)["text"] == "Done.", daemon.get(pid)
        assert len(api.requests) == 1
        assert occurrences(api.requests, goal) == 1


@real
def test_every_agent_has_our_tools_in_its_first_request(daemon: Daemon) -> None:
    with model(default=says("Done.")) as api:
        for _ in range(4):
            agents = [Claude(daemon, api) for _ in range(5)]  # at once: a busy machine is when tools come late
            for claude in agents:
                assert claude.wait()["text"] == "Done."
                daemon.call("process.kill", pid=claude.pid)
        assert len(api.requests) == 20
        assert all("mcp__aether__aether_memory_remember" in request.tools for request in api.requests)
