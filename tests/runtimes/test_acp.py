"""The bridge to ACP agents, against an agent that does what it is told (`acp_double.py`, a double)."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from acp import schema

from aetherd.runtime import (
    Delta,
    Interrupt,
    PermissionAsked,
    PermissionClosed,
    SessionStarted,
    Text,
    Thought,
    Told,
    ToolCalled,
    ToolReturned,
    Trouble,
    TurnEnded,
    Used,
)
from aetherd_runtimes.acp_runtime import Configured
from tests.runtimes.acp_double import SESSION
from tests.runtimes.acp_lab import below, bridge, spawn_in

DOUBLE = Path(__file__).with_name("acp_double.py")


def double(*how: str) -> Configured:
    return Configured("double", (sys.executable, str(DOUBLE), *how), {}, ("careful",))


def prompts(place: Path) -> list[list[str]]:
    """Return the texts of each prompt that the agent was sent."""
    heard = [json.loads(line) for line in (place / "cwd/heard").read_text().splitlines()]
    sent = [one["params"]["prompt"] for one in heard if one.get("method") == "session/prompt"]
    return [[block["text"] for block in prompt] for prompt in sent]


def test_what_an_agent_tells_of_a_turn_becomes_our_words(tmp_path: Path) -> None:
    with bridge(double(), spawn_in(tmp_path, context="You are ada.")) as running:
        ended = running.turn("think so\nplan\ntool\nsay it is done")
        assert ended == TurnEnded("completed", "it is done ")
        assert running.all(SessionStarted) == [SessionStarted(SESSION, permission_mode="careful", version="0.1.0")]
        assert running.all(Thought) == [Thought("so"), Thought("Plan:\n- [x] look")]
        assert running.all(ToolCalled) == [ToolCalled("t1", "read", {"path": "x"})]
        assert running.all(ToolReturned) == [ToolReturned("t1", "its text")]
        assert "".join(delta.text for delta in running.all(Delta) if delta.kind == "text") == "it is done "
        assert running.all(Used) == [Used(10, 5, 3)]
        assert prompts(tmp_path)[0][0] == "You are ada."
        assert running.close().outcome == "completed"


def test_a_person_is_asked_once_for_a_run_and_a_refusal_ends_no_turn(tmp_path: Path) -> None:
    with bridge(double(), spawn_in(tmp_path)) as running:
        running.say("ask rm -r")
        asked = running.decide(False, reason="never")
        assert (asked.tool, asked.title, asked.input) == ("execute", "run rm -r", {"command": "rm -r"})
        running.wait(Text, lambda text: text.text == "chosen no")
        assert ToolReturned("t2", "A person refused this: run rm -r (never)", is_error=True) in running.outputs
        running.wait(TurnEnded)
        assert prompts(tmp_path) == [["ask rm -r"]]  # it goes on by itself, and is not told in a turn of its own
        begun = len(running.outputs)
        running.say("ask ls")
        running.decide(True, for_run=True)
        running.wait(Text, lambda text: text.text == "chosen once")
        running.wait(TurnEnded, after=begun)
        begun = len(running.outputs)
        assert prompts(tmp_path)[1] == ["A person refused this: run rm -r (never)", "ask ls"]
        assert running.turn("ask pwd").text == "chosen once"
        assert prompts(tmp_path)[2] == ["ask pwd"]  # it was told once
        assert not [output for output in running.outputs[begun:] if isinstance(output, PermissionAsked)]


def test_an_unknown_agent_cannot_pass_a_call_off_as_ours(tmp_path: Path) -> None:
    with bridge(double(), spawn_in(tmp_path)) as running:
        running.say("ours")
        assert running.decide(False).tool == "tool"
        running.wait(Text, lambda text: text.text == "chosen no")


def test_files_and_commands_are_served_where_the_agent_is_with_bounds(tmp_path: Path) -> None:
    with bridge(double(), spawn_in(tmp_path)) as running:
        assert running.turn("file").text == "two -32002"
        assert (tmp_path / "cwd/noted.txt").read_text() == "one\ntwo\nthree\n"
        ended, output, cut = json.loads(running.turn("command printf 123456789abcdef; exit 3").text)
        assert (ended, output, cut) == ({"exitCode": 3, "signal": None}, "6789abcdef", True)


def test_an_interrupt_ends_the_turn_and_the_question_that_was_open(tmp_path: Path) -> None:
    with bridge(double(), spawn_in(tmp_path)) as running:
        running.say("ask whether")
        running.wait(PermissionAsked)
        running.tell(Interrupt("i1"))
        assert running.wait(TurnEnded).outcome == "interrupted"
        assert len(running.all(PermissionClosed)) == 1
        assert running.turn("hello").outcome == "completed"
        assert running.close().outcome == "completed"


def test_what_is_said_now_stops_the_step_and_the_rest_waits_for_its_turn(tmp_path: Path) -> None:
    with bridge(double(), spawn_in(tmp_path)) as running:
        running.say("hold")
        running.wait(Delta)
        running.say("later", "queue")
        running.say("soon", "next")
        running.say("at once", "now")
        running.wait(TurnEnded, lambda ended: "later" in ended.text)
        told = [told.text for told in running.all(Told)]
        assert told == ["hold", "at once", "soon", "later"]
        assert [ended.text for ended in running.all(TurnEnded)] == [
            "you said: at once",
            "you said: soon",
            "you said: later",
        ]
        assert Text("I hold ", interrupted=True) not in running.all(Text)  # the step ended well, only early


def test_a_conversation_goes_on_and_is_not_told_again(tmp_path: Path) -> None:
    spawn = spawn_in(tmp_path, session=SESSION, resume=True, context="You are ada.")
    with bridge(double(), spawn) as running:
        assert running.turn("hello").text == "you said: hello"
        assert "an old text" not in str(running.outputs)
        assert "You are ada." not in (tmp_path / "cwd/heard").read_text()  # it has heard it
    with bridge(double("forgetful"), spawn) as running:
        verdict = running.ended()
        assert verdict.outcome == "failed"
        assert "cannot go on with a conversation" in str(verdict.error)


@pytest.mark.parametrize(
    ("words", "outcome", "error"),
    [
        ("limit", "limited", "usage limit reached: try again in 2h 5m"),
        ("refuse", "failed", "the model refused to go on"),
    ],
)
def test_the_end_of_a_turn_is_judged(tmp_path: Path, words: str, outcome: str, error: str) -> None:
    with bridge(double(), spawn_in(tmp_path)) as running:
        ended = running.turn(words)
        assert (ended.outcome, ended.error) == (outcome, error)
        assert (ended.resets_at is not None) == (outcome == "limited")
        assert running.close().outcome == outcome


def test_nonsense_is_told_and_the_agent_goes_on(tmp_path: Path) -> None:
    with bridge(double(), spawn_in(tmp_path)) as running:
        assert running.turn("garbage\nlong\nsay fine").text == "fine "
        troubles = [trouble.text for trouble in running.all(Trouble)]
        assert troubles[0] == "not understood: no JSON at all"
        assert troubles[-1] == "a line of 34603008 bytes of double is too long and was left out"


@pytest.mark.parametrize(
    ("how", "words", "settings", "error"),
    [
        ((), "say hi\ndie 7", {}, "exited with code 7: double exited with code 7: its last words"),
        ((), "die 0", {}, "exited with code 1: double exited with code 0: its last words"),
        (("silent",), "hello", {"startup_s": 0.5}, "exited with code 1: double was not ready within 0.5 s"),
        ((), "deaf", {"cancel_s": 0.3}, "exited with code 1: double did not stop within 0.3 s"),
    ],
)
def test_an_agent_that_fails_is_reported_as_it_was_and_nothing_of_it_is_left(
    tmp_path: Path, how: tuple[str, ...], words: str, settings: dict[str, Any], error: str
) -> None:
    with bridge(double(*how), spawn_in(tmp_path), **settings) as running:
        running.say(words)
        if words == "deaf":
            running.wait(Delta)
            running.tell(Interrupt("i1"))
        tree = below(running.process.pid)
        verdict = running.ended()
        assert (verdict.outcome, verdict.error) == ("failed", error)
        assert [ended.outcome for ended in running.all(TurnEnded)] == ([] if how else ["failed"])
        assert not [pid for pid in tree if Path(f"/proc/{pid}").exists()]


def test_a_program_that_cannot_be_run_says_so(tmp_path: Path) -> None:
    program = tmp_path / "broken"
    program.write_text("#!/nowhere/at/all\n")
    program.chmod(0o755)
    with bridge(Configured("broken", (str(program),), {}, ()), spawn_in(tmp_path)) as running:
        assert "broken cannot be run: " in str(running.ended().error)


REQUESTS: dict[str, Callable[[Any], Any]] = {
    "initialize": schema.InitializeRequest.model_validate,
    "session/new": schema.NewSessionRequest.model_validate,
    "session/load": schema.LoadSessionRequest.model_validate,
    "session/set_mode": schema.SetSessionModeRequest.model_validate,
    "session/prompt": schema.PromptRequest.model_validate,
    "session/cancel": schema.CancelNotification.model_validate,
}
ANSWERS: dict[str, Callable[[Any], Any]] = {
    "session/request_permission": schema.RequestPermissionResponse.model_validate,
    "fs/read_text_file": schema.ReadTextFileResponse.model_validate,
    "terminal/create": schema.CreateTerminalResponse.model_validate,
    "terminal/output": schema.TerminalOutputResponse.model_validate,
    "terminal/wait_for_exit": schema.WaitForTerminalExitResponse.model_validate,
}


def test_all_that_we_say_is_as_the_protocol_has_it(tmp_path: Path) -> None:
    spawn = spawn_in(tmp_path)
    with bridge(double(), spawn) as running:
        running.turn("file\ncommand echo hello")
        running.say("ask it")
        running.decide(True)
        running.say("hold")
        running.wait(Delta, lambda delta: delta.text == "I hold ")
        running.tell(Interrupt("i1"))
        running.wait(TurnEnded, lambda ended: ended.outcome == "interrupted")
    with bridge(double(), spawn_in(tmp_path, session=SESSION, resume=True)) as running:
        running.turn("hello")
    heard = [json.loads(line) for line in (tmp_path / "cwd/heard").read_text().splitlines()]
    asked = [json.loads(line) for line in (tmp_path / "cwd/asked").read_text().splitlines()]
    methods = {one["id"]: one["method"] for one in asked}
    said = [message for message in heard if "method" in message]
    answered = [message for message in heard if message.get("result") is not None]
    assert {message["method"] for message in said} == set(REQUESTS)
    assert {methods[message["id"]] for message in answered} - set(ANSWERS) <= {"terminal/release"}
    for message in said:
        REQUESTS[message["method"]](message["params"])
    for message in answered:
        ANSWERS.get(methods[message["id"]], dict)(message["result"])
