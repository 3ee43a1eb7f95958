"""A person takes Claude Code over in its own TUI and hands it back, whatever is killed on the way."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.claude_lab import REPORT, Claude, aether, bash, model, occurrences, real, says
from tests.e2e.daemon_lab import Daemon, Event, Refused, stat, until, words
from tests.model_api import ModelApi

READY = "manual mode on"  # what the TUI shows when it takes keys
ANSWERS = [says(f"Answer {n}.") for n in range(1, 9)]


def type_line(daemon: Daemon, pid: int, text: str) -> None:
    """Type into the TUI as a person does: Enter comes after the text has appeared."""
    daemon.call("terminal.send", terminal=str(pid), text=text)
    daemon.shows(pid, text)
    daemon.call("terminal.send", terminal=str(pid), keys=["Enter"])


def settled(daemon: Daemon, pid: int, step: str, timeout: float = 30) -> dict[str, Any]:
    """Wait until the hand-over has come to a step."""
    status: dict[str, Any] = {}

    def look() -> bool:
        status.update(daemon.call("control.status", pid=pid))
        return bool(status["step"] == step)

    until(look, timeout, f"step {step}", lambda: status)
    return status


class Witness:
    """Looks at /proc all the time: two runtimes on one conversation must never be seen."""

    def __init__(self, claude: Claude) -> None:
        self._claude, self._over = claude, threading.Event()
        self.looks = 0
        self.crowds: list[dict[int, list[str]]] = []  # by os pid: state, parent, start time, argv
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Witness:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._over.wait(0.05):
            seen = self._look()
            if len(seen) > 1:  # a look takes time: the first may have ended before the second began
                seen = {one: facts for one, facts in seen.items() if words(one)}
            if len(seen) > 1:
                self.crowds.append(seen)
            self.looks += 1

    def _look(self) -> dict[int, list[str]]:
        found = {one: [*stat(one)[:2], *stat(one)[19:20], *words(one)] for one in self._claude.runtimes()}
        return {one: facts for one, facts in found.items() if {"--resume", "--session-id"} & set(facts)}


@real
def test_a_person_takes_over_types_and_hands_back_with_a_note(daemon: Daemon) -> None:
    with model(*ANSWERS) as api:
        claude = Claude(daemon, api, "the goal of the agent")
        assert claude.wait()["text"] == "Answer 1."
        session = claude.get()["session"]
        with Witness(claude) as witness:
            lease = daemon.call("control.acquire", pid=claude.pid, reason="to look")
            assert (lease["step"], lease["holder"]) == ("tui", "user:owner")
            assert claude.get()["phase"] == "controlled"
            screen = daemon.shows(claude.pid, READY)
            assert "Answer 1." in screen
            type_line(daemon, claude.pid, "words of a person")
            assert "words of a person" in api.wait_for_request(2).said
            daemon.shows(claude.pid, "Answer 2.")
            daemon.call("control.release", pid=claude.pid, note="I moved the files")
            told = api.wait_for_request(3)
            assert claude.wait()["text"] == "Answer 3."
        assert "I moved the files" in told.said
        assert "words of a person" in told.text
        assert "the goal of the agent" in told.text
        assert claude.get()["session"] == session
        assert settled(daemon, claude.pid, "free")["held"] is False
        assert witness.looks
        assert not witness.crowds
        assert len(api.requests) == 3
        assert claude.get()["phase"] == "completed"


@real
def test_other_input_is_refused_while_a_person_has_control(daemon: Daemon) -> None:
    with model(*ANSWERS) as api:
        claude = Claude(daemon, api)
        claude.wait()
        with pytest.raises(Refused, match="take it over"):
            daemon.call("terminal.send", terminal=str(claude.pid), text="x")
        daemon.call("control.acquire", pid=claude.pid)
        daemon.shows(claude.pid, READY)
        for operation, input in (("process.send", {"text": "hello"}), ("process.interrupt", {})):
            with pytest.raises(Refused, match="you have control") as refused:
                daemon.call(operation, pid=claude.pid, **input)
            assert refused.value.status == 409
        other = daemon.demo(f'call aether_message_send {{"to": "{claude.name}", "text": "psst"}}', "say sent")
        assert daemon.wait(other["pid"])["text"] == "sent"
        assert len(api.requests) == 1
        daemon.call("control.release", pid=claude.pid)
        seen = api.wait_for_request(2)
        assert "psst" in seen.text + seen.system


@real
def test_an_agent_cannot_take_control_nor_speak_into_a_takeover(daemon: Daemon) -> None:
    with model(default=says("Done.")) as api:
        claude = Claude(daemon, api)
        claude.wait()
        child = aether("process_spawn", runtime="builtin", goal="demo:\nwait message", name="the-child-it-has")
        api.use({"steps": [says(child), says("Spawned.")]})
        claude.send("spawn")
        until(lambda: claude.wait()["text"] == "Spawned.", 20, "the child")
        pid = daemon.call("process.list", agent="the-child-it-has")["processes"][0]["pid"]
        acquire = aether("tool_call", name="control.acquire", input={"pid": pid})
        send = aether("process_send", pid=pid, text="hello")
        api.use({"steps": [says(acquire), says(send), says("Refused.")]})
        daemon.call("control.acquire", pid=pid)
        claude.send("now")
        until(lambda: claude.wait()["text"] == "Refused.", 20, "the refusals")
        results = [text for request in api.requests for text in request.tool_results]
        assert "people" in results[-2]
        assert "user:owner has control" in results[-1]


@real
def test_a_takeover_in_the_middle_of_a_turn_interrupts_it_and_the_agent_goes_on_after_it(daemon: Daemon) -> None:
    with model({"reply": [{"text": ["I write a long ", {"hold": "never"}]}]}, *ANSWERS) as api:
        claude = Claude(daemon, api)
        until(lambda: api.requests and api.requests[0].first_byte_at, 30, "the text to begin")
        daemon.call("control.acquire", pid=claude.pid)
        daemon.shows(claude.pid, READY)
        daemon.call("control.release", pid=claude.pid)
        told = api.wait_for_request(2)
        assert "Your turn was interrupted" in told.said
        until(lambda: claude.wait()["text"] == "Answer 1.", 20, "the answer")


@real
def test_a_person_who_quits_the_tui_hands_back_by_it(daemon: Daemon) -> None:
    with model(*ANSWERS) as api:
        claude = Claude(daemon, api)
        claude.wait()
        daemon.call("control.acquire", pid=claude.pid)
        daemon.shows(claude.pid, READY)
        type_line(daemon, claude.pid, "before I leave")
        daemon.shows(claude.pid, "Answer 2.")
        daemon.call("terminal.send", terminal=str(claude.pid), keys=["C-d"])
        daemon.shows(claude.pid, "again to exit")
        daemon.call("terminal.send", terminal=str(claude.pid), keys=["C-d"])
        status = settled(daemon, claude.pid, "free")
        assert "closed" in status["reason"]
        claude.send("go on")
        assert "before I leave" in api.wait_for_request(3).text


@real
def test_a_tui_that_cannot_start_rolls_back_to_the_agent(tmp_path: Path) -> None:
    binary = tmp_path / "claude"
    binary.write_text(f'#!/bin/sh\ncase " $* " in *" -p "*) exec {REPORT.path} "$@";; esac\necho no screen; exit 3\n')
    binary.chmod(0o755)
    tmp_path.chmod(0o755)
    env = {"AETHER_CLAUDE_PATH": str(binary), "AETHER_SANDBOX": "host"}  # elsewhere a script does not see what it runs
    with Daemon(env=env) as daemon, model(*ANSWERS) as api:
        claude = Claude(daemon, api)
        claude.wait()
        with contextlib.suppress(Refused):  # or it is told a moment later
            daemon.call("control.acquire", pid=claude.pid)
        assert "did not open" in settled(daemon, claude.pid, "free")["reason"]
        claude.send("go on")
        assert "go on" in api.wait_for_request(2).said
        until(lambda: claude.wait()["text"] == "Answer 2.", 20, "the answer")


@real
def test_a_takeover_right_after_the_spawn_works(daemon: Daemon) -> None:
    with model(*ANSWERS) as api:
        for _ in range(3):
            claude = Claude(daemon, api)
            daemon.call("control.acquire", pid=claude.pid)
            daemon.shows(claude.pid, READY)
            daemon.call("control.release", pid=claude.pid, note="all yours")
            settled(daemon, claude.pid, "free")
            until(lambda claude=claude: claude.get()["phase"] == "completed", 30, "the end", claude.get)


@real
@pytest.mark.parametrize("used", [False, True], ids=["unused", "used"])
def test_an_agent_without_a_goal_can_be_taken_over_and_handed_back(daemon: Daemon, used: bool) -> None:
    with model(*ANSWERS) as api:
        claude = Claude(daemon, api, goal=None)
        daemon.call("control.acquire", pid=claude.pid)
        daemon.shows(claude.pid, READY)
        if used:
            type_line(daemon, claude.pid, "first words")
            daemon.shows(claude.pid, "Answer 1.")
        daemon.call("control.release", pid=claude.pid)
        settled(daemon, claude.pid, "free")
        claude.send("hello")
        request = api.wait_for_request(1 + used)
        assert "hello" in request.said
        assert ("first words" in request.text) == used
        until(lambda: claude.wait()["text"] == f"Answer {1 + used}.", 20, "the answer")


@real
def test_a_takeover_while_a_question_waits_closes_it_and_the_command_does_not_run(daemon: Daemon) -> None:
    with model(says(bash("touch made.txt")), *ANSWERS) as api:
        claude = Claude(daemon, api)
        asked = claude.approval()
        daemon.call("control.acquire", pid=claude.pid)
        daemon.shows(claude.pid, READY)
        assert daemon.call("approval.get", id=asked["id"])["state"] == "closed"
        with pytest.raises(Refused, match="closed already"):
            daemon.call("approval.decide", id=asked["id"], decision="allow_once")
        daemon.call("control.release", pid=claude.pid, note="without it")
        assert "without it" in api.wait_for_request(2).said
        until(lambda: claude.wait()["text"] == "Answer 1.", 20, "the answer")
        assert claude.get()["approvals"] == 0
        with pytest.raises(FileNotFoundError):
            claude.file("made.txt")


@pytest.fixture
def forgetful() -> Iterator[Daemon]:
    """A daemon whose leases are short."""
    with Daemon(settings="control_ttl_s = 2\n") as daemon:
        yield daemon


def test_a_lease_whose_holder_is_gone_ends_by_itself_even_of_a_paused_process(forgetful: Daemon) -> None:
    pid = forgetful.spawn("command", argv=["/bin/cat"])["pid"]
    assert forgetful.call("control.acquire", pid=pid)["step"] == "held"
    assert forgetful.get(pid)["controller"] == "user:owner"
    forgetful.restart()
    assert forgetful.get(pid)["controller"] == "user:owner"
    forgetful.call("process.pause", pid=pid)
    forgetful.live(8)  # it cannot be handed back while it stands still
    assert forgetful.get(pid)["controller"] == "user:owner"
    forgetful.call("process.resume", pid=pid)
    settled(forgetful, pid, "free")
    assert forgetful.get(pid)["controller"] is None


def killer(daemon: Daemon, pid: int, step: str, since: int) -> Callable[[Event], None]:
    """Kill the daemon the moment a hand-over comes to a step, once."""
    left = itertools.count()

    def watch(event: Event) -> None:
        stepped = event["id"] > since and event["type"] == "control.stepped" and event["pid"] == pid
        if stepped and event["data"]["to"] == step and next(left) == 0 and daemon.process is not None:
            daemon.process.kill()

    return watch


def start_turn(api: ModelApi, claude: Claude) -> None:
    """Have it at work, so that a takeover must interrupt."""
    seen = len(api.requests)
    claude.send("work slowly")
    api.wait_for(lambda requests: len(requests) > seen and requests[-1].first_byte_at is not None)


@real
@pytest.mark.timeout(300)
@pytest.mark.parametrize("rounds", [1, pytest.param(6, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("step", ["interrupting", "draining", "tui", "returning", "free"])
def test_a_kill_in_each_step_of_the_hand_over_ends_in_one_runtime_and_one_story(
    daemon: Daemon, step: str, rounds: int
) -> None:
    slow = {"reply": [{"text": ["Slowly ", {"hold": "never"}]}], "when": {"said": "work slowly"}}
    with model(rules=[slow], default=says("Done.")) as api:
        claude = Claude(daemon, api, "the only goal")
        claude.wait()
        for round in range(rounds):
            start_turn(api, claude)
            newest = daemon.events()[-1]["id"]
            kill = killer(daemon, claude.pid, step, newest)
            with Witness(claude) as witness, daemon.stream(watch=kill):
                with contextlib.suppress(OSError, Refused, http.client.HTTPException):
                    daemon.call("control.acquire", pid=claude.pid)
                    daemon.call("control.release", pid=claude.pid, note=f"note {round}")
                assert daemon.process is not None
                daemon.process.wait(30)
                daemon.start()
                if daemon.call("control.status", pid=claude.pid)["held"]:
                    settled(daemon, claude.pid, "tui")
                    daemon.shows(claude.pid, READY)
                    daemon.call("control.release", pid=claude.pid, note=f"note {round}")
                settled(daemon, claude.pid, "free")
                until(lambda: claude.get()["phase"] == "completed", 30, "the agent to go on", claude.get)
            assert not witness.crowds
            assert len(claude.runtimes()) == 1
            assert f"note {round}" in api.requests[-1].said
        last = api.requests
        assert occurrences(last, "the only goal") == 1
        assert [occurrences(last, f"note {round}") for round in range(rounds)] == [1] * rounds
        states = {event["data"]["to"] for event in daemon.events(pid=claude.pid, types="process.state_changed")}
        assert states == {"starting", "running"}
