"""The builtin agent as a real process, against a double of the daemon's MCP door."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aetherd.core.errors import Invalid
from aetherd.runtime import (
    Ended,
    Interrupt,
    Say,
    SessionStarted,
    ToolCalled,
    ToolReturned,
    TurnEnded,
    Unread,
)
from aetherd_runtimes.builtin.script import WrongScript, parse, unroll
from aetherd_runtimes.builtin_runtime import PACKAGE, Builtin
from tests.runtimes.builtin_lab import DEADLINE_S, TOKEN, Agent, DaemonDouble, Refused, request, running


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonDouble]:
    double = DaemonDouble(tmp_path / "s")
    double.start()
    yield double
    double.stop()


@pytest.fixture
def door(daemon: DaemonDouble) -> dict[str, str]:
    return {"AETHER_SOCKET": str(daemon.path), "AETHER_TOKEN": TOKEN}


@pytest.fixture
def agent(tmp_path: Path, door: dict[str, str]) -> Iterator[Agent]:
    with running(tmp_path, door) as one:
        yield one


# The demonstration ------------------------------------------------------------------------------------


def test_it_says_first_that_no_model_is_at_work(agent: Agent) -> None:
    agent.run("fix the bug")
    session = agent.lines[0]
    assert (session["type"], session["model"], session["tools_connected"]) == (
        "session",
        "demo (no model)",
        True,
    )
    thought = next(line for line in agent.lines if line["type"] == "thought")
    assert "No model is at work" in thought["text"]
    assert "scripted demonstration" in thought["text"]


def test_the_demonstration_does_a_task_with_the_real_tools(agent: Agent, daemon: DaemonDouble) -> None:
    ended = agent.run("fix the bug")
    assert ended["outcome"] == "completed"
    assert [name.removeprefix("aether_") for name, _ in daemon.calls] == [
        "process_whoami",
        "system_status",
        "memory_recall",
        "fs_list",
        "fs_write",
        "fs_read",
        "memory_remember",
        "message_inbox",
        "message_ack",
    ]
    report = daemon.files["report.md"]
    assert "testbed" in report
    assert "a.txt" in report
    assert "No model was at work" in report
    assert dict(daemon.calls)["aether_memory_remember"]["layer"] == "episodic"
    assert dict(daemon.calls)["aether_message_ack"] == {"ids": ["msg_1"]}


def test_it_does_not_claim_to_have_worked_on_the_goal(agent: Agent) -> None:
    assert "not worked on" in agent.run("fix the bug")["text"]


def test_the_goal_demo_leaves_nothing_undone(agent: Agent) -> None:
    assert "not worked on" not in agent.run("demo")["text"]


def test_a_tool_that_refuses_makes_the_demonstration_fail(agent: Agent, daemon: DaemonDouble) -> None:
    def refuse(arguments: dict[str, Any]) -> dict[str, Any]:
        raise Refused("disk quota is used up")

    daemon.offer("aether_fs_write", refuse, False, "path", "content")
    ended = agent.run("fix the bug")
    assert ended["outcome"] == "failed"
    assert "disk quota is used up" in ended["error"]
    assert "Demonstration failed" in ended["text"]
    assert daemon.counts("aether_memory_remember") == 0


def test_a_report_that_reads_back_differently_is_a_failure(agent: Agent, daemon: DaemonDouble) -> None:
    daemon.offer("aether_fs_read", lambda _: {"text": "something else"}, True, "path")
    ended = agent.run("fix the bug")
    assert ended["outcome"] == "failed"
    assert "does not read back" in ended["error"]


def test_a_tool_that_is_not_offered_is_skipped_with_a_sentence(agent: Agent, daemon: DaemonDouble) -> None:
    del daemon.tools["aether_message_inbox"]
    daemon.offer("aether_fs_list", lambda _: {}, True, "path", "depth")
    ended = agent.run("fix the bug")
    assert ended["outcome"] == "completed"
    assert "aether_message_inbox, it is not offered to me" in ended["text"]
    assert "aether_fs_list, it wants depth" in ended["text"]


def test_only_arguments_of_the_schema_are_given(agent: Agent, daemon: DaemonDouble) -> None:
    daemon.offer("aether_memory_recall", lambda _: {"memories": []}, True, "query")
    agent.run("fix the bug")
    assert dict(daemon.calls)["aether_memory_recall"] == {"query": "fix the bug"}


def test_without_a_daemon_it_fails_and_says_so(tmp_path: Path) -> None:
    with running(tmp_path, {}) as agent:
        ended = agent.run("fix the bug")
        assert agent.lines[0]["tools_connected"] is False
        assert ended["outcome"] == "failed"
        assert "none of the tools" in ended["error"]


def test_later_words_are_declined_not_obeyed(agent: Agent) -> None:
    agent.run("demo")
    ended = agent.run("now paint it blue", "m2")
    assert "paint it blue" in ended["text"]
    assert "cannot act on it" in ended["text"]


# Scripts ----------------------------------------------------------------------------------------------


def test_a_script_is_obeyed_line_by_line(agent: Agent, daemon: DaemonDouble) -> None:
    ended = agent.run(
        'demo:\n# a comment\nthink hm\nrepeat 3 call aether_memory_remember {"content": "x"}\nsleep 0\nsay hello'
    )
    assert (ended["outcome"], ended["text"]) == ("completed", "hello")
    assert daemon.calls == [("aether_memory_remember", {"content": "x"})] * 3


def test_a_script_refers_to_what_it_was_answered(agent: Agent, daemon: DaemonDouble) -> None:
    ended = agent.run(
        "demo:\ncall aether_message_inbox\ncall aether_fs_list\n"
        'call aether_memory_remember {"content": "$messages.0.id", "tags": ["$entries.0.name", "$5"]}\n'
        'call aether_memory_remember {"content": "$messages.1.id"}'
    )
    assert daemon.calls[-1] == ("aether_memory_remember", {"content": "msg_1", "tags": ["a.txt", "$5"]})
    assert ended["error"] == "no answer so far has messages.1.id"


def test_a_call_that_fails_lets_the_script_go_on_and_fail_at_the_end(agent: Agent) -> None:
    ended = agent.run("demo:\ncall aether_nothing\ncall aether_fs_list")
    assert ended["outcome"] == "failed"
    assert ended["error"].startswith("1 of 2 calls failed, first aether_nothing: no tool aether_nothing")


def test_a_script_can_fail(agent: Agent) -> None:
    assert agent.run("demo: fail out of ideas")["error"] == "out of ideas"


def test_a_wrong_script_fails_before_it_does_anything(agent: Agent, daemon: DaemonDouble) -> None:
    ended = agent.run("demo:\ncall aether_fs_list\ndance")
    assert ended["outcome"] == "failed"
    assert "line 3" in ended["error"]
    assert daemon.calls == []


@pytest.mark.parametrize(
    "line",
    [
        "call",
        "call x [1]",
        "call x {",
        "say",
        "wait",
        "wait message soon",
        "sleep",
        "sleep nan",
        "repeat x say y",
    ],
)
def test_a_line_that_means_nothing_is_named(line: str) -> None:
    with pytest.raises(WrongScript, match="line 1"):
        parse(f"demo: {line}")


def test_repeats_multiply() -> None:
    assert len(list(unroll(parse("demo:\nrepeat 2 repeat 3 say x\nsay y")))) == 7


def test_a_script_waits_for_a_message_of_any_priority(agent: Agent) -> None:
    agent.tell(Say("g1", "demo:\ncall aether_fs_list\nwait message\nwait message\nsay thanks"))
    agent.until("tool_returned")
    agent.tell(Say("m1", "one", "queue"))
    agent.until("told", id="m1")
    agent.tell(Say("m2", "two", "now"))
    agent.until("told", id="m2")
    assert agent.until("turn_ended")["text"] == "thanks"


def test_the_goal_comes_first_whatever_was_said_now_while_it_was_starting(agent: Agent) -> None:
    goal, urgent = Say("g1", "demo:\nwait message\nsay thanks"), Say("m1", "one", "now")
    agent.write(b"".join(agent.decoder.encode(said) or b"" for said in (goal, urgent)))
    assert agent.until("turn_ended")["text"] == "thanks"


def test_a_script_waits_no_longer_than_it_says(agent: Agent) -> None:
    assert "nobody said anything" in agent.run("demo: wait message 0.01")["error"]


# Steering ---------------------------------------------------------------------------------------------


def test_a_say_is_handled_once(agent: Agent, daemon: DaemonDouble) -> None:
    agent.tell(Say("g1", "demo: call aether_fs_list"))
    agent.tell(Say("g1", "demo: call aether_fs_list"))
    agent.until("turn_ended")
    agent.tell(Say("g1", "demo: call aether_fs_list"))
    agent.run("demo: say done", "g2")
    assert daemon.counts("aether_fs_list") == 1


def test_next_is_folded_in_at_the_next_tool_boundary(agent: Agent, daemon: DaemonDouble) -> None:
    free = daemon.hold("slow")
    agent.tell(Say("g1", "demo:\ncall slow\ncall aether_fs_list"))
    daemon.called.get(timeout=DEADLINE_S)
    agent.tell(Say("m1", "look left", "next"))
    heard_of_it(agent)
    free.set()
    agent.until("turn_ended")
    returned = agent.position("tool_returned")
    assert returned < agent.position("told", id="m1") < agent.position("tool_called", tool="aether_fs_list")
    assert agent.lines[returned]["is_error"] is False


def test_now_stops_the_running_call_and_the_turn_goes_on(agent: Agent, daemon: DaemonDouble) -> None:
    free = daemon.hold("slow")
    agent.tell(Say("g1", "demo:\ncall slow\ncall aether_fs_list"))
    daemon.called.get(timeout=DEADLINE_S)
    agent.tell(Say("m1", "stop that", "now"))
    returned = agent.until("tool_returned")
    assert returned["is_error"] is True
    assert "outcome is unknown" in returned["text"]
    agent.until("told", id="m1")
    agent.until("tool_called", tool="aether_fs_list")
    assert agent.until("turn_ended")["outcome"] == "failed"
    assert cancelled(daemon)
    free.set()


def test_queue_waits_for_the_turn_to_end(agent: Agent, daemon: DaemonDouble) -> None:
    free = daemon.hold("slow")
    agent.tell(Say("g1", "demo:\ncall slow\ncall aether_fs_list"))
    daemon.called.get(timeout=DEADLINE_S)
    agent.tell(Say("m1", "demo: say second", "queue"))
    agent.tell(Say("m2", "demo: say third", "queue"))
    heard_of_it(agent)
    free.set()
    assert agent.until("turn_ended")["outcome"] == "completed"
    assert "m1" not in [line.get("id") for line in agent.lines]
    assert agent.until("turn_ended")["text"] == "second"
    assert agent.until("turn_ended")["text"] == "third"


def test_an_interrupt_ends_the_turn_and_not_the_process(agent: Agent, daemon: DaemonDouble) -> None:
    free = daemon.hold("slow")
    agent.tell(Say("g1", "demo:\ncall slow\ncall aether_fs_list"))
    daemon.called.get(timeout=DEADLINE_S)
    agent.tell(Interrupt("i1"))
    assert agent.until("turn_ended")["outcome"] == "interrupted"
    assert cancelled(daemon)
    free.set()
    assert agent.run("demo: say still here", "m2")["text"] == "still here"
    assert daemon.counts("aether_fs_list") == 0


def test_an_interrupt_between_turns_is_nothing(agent: Agent) -> None:
    agent.run("demo: say one")
    agent.tell(Interrupt("i1"))
    assert agent.run("demo: say two", "g2")["outcome"] == "completed"


def test_a_wait_can_be_interrupted(agent: Agent) -> None:
    agent.tell(Say("g1", "demo:\nthink waiting\nwait message"))
    agent.until("thought", text="waiting")
    agent.tell(Interrupt("i1"))
    assert agent.until("turn_ended")["outcome"] == "interrupted"


def test_a_line_that_is_no_message_is_told_and_left_out(agent: Agent) -> None:
    for line in (
        b"\xff\n",
        b"[]\n",
        b'{"type":"dance","id":"1"}\n',
        b'{"type":"say","id":1}\n',
        b"[" * 99999 + b"\n",
    ):
        agent.write(line)
        agent.until("trouble")
    agent.write(b'{"type":"say","id":"big","text":"' + b"x" * 5_000_000 + b'"}\n')
    assert "left out" in agent.until("trouble")["text"]
    assert agent.run("demo: say fine")["text"] == "fine"


# The daemon comes and goes ----------------------------------------------------------------------------


def test_a_read_only_call_is_repeated_after_a_crash(agent: Agent, daemon: DaemonDouble) -> None:
    free = daemon.hold("look", read_only=True)
    agent.tell(Say("g1", "demo:\ncall look\nsay done"))
    daemon.called.get(timeout=DEADLINE_S)
    daemon.crash()
    agent.until("trouble")
    free.set()
    daemon.start()
    agent.until("trouble")
    assert agent.until("tool_returned")["is_error"] is False
    assert agent.until("turn_ended")["outcome"] == "completed"
    assert daemon.counts("look") == 2
    assert daemon.handshakes == 2


def test_any_other_call_is_not_repeated_and_its_outcome_is_unknown(agent: Agent, daemon: DaemonDouble) -> None:
    free = daemon.hold("pay")
    agent.tell(Say("g1", "demo:\ncall pay\ncall aether_fs_list"))
    daemon.called.get(timeout=DEADLINE_S)
    daemon.crash()
    returned = agent.until("tool_returned")
    assert returned["is_error"] is True
    assert "outcome is unknown" in returned["text"]
    free.set()
    daemon.start()
    assert agent.until("tool_returned")["is_error"] is False
    assert agent.until("turn_ended")["outcome"] == "failed"
    assert daemon.counts("pay") == 1


def test_a_crash_between_two_calls_is_not_noticed_by_the_model(agent: Agent, daemon: DaemonDouble) -> None:
    agent.run("demo: call aether_fs_list")
    daemon.crash()
    daemon.start()
    assert agent.run("demo: call aether_memory_remember", "g2")["outcome"] == "completed"
    assert daemon.handshakes == 2


def test_an_agent_that_starts_before_the_daemon_waits_for_it(
    tmp_path: Path, daemon: DaemonDouble, door: dict[str, str]
) -> None:
    daemon.crash()
    with running(tmp_path, door) as agent:
        assert agent.until("session")["tools_connected"] is False
        agent.tell(Say("g1", "demo: call aether_fs_list"))
        agent.until("turn_started")
        daemon.start()
        assert agent.until("session")["tools_connected"] is True
        assert agent.until("turn_ended")["outcome"] == "completed"
        assert [line["type"] for line in agent.lines].count("trouble") == 2  # away, and back


def test_waiting_for_the_daemon_can_be_interrupted(tmp_path: Path, daemon: DaemonDouble, door: dict[str, str]) -> None:
    daemon.crash()
    with running(tmp_path, door) as agent:
        agent.tell(Say("g1", "demo: call aether_fs_list"))
        agent.until("turn_started")
        agent.tell(Interrupt("i1"))
        assert agent.until("turn_ended")["outcome"] == "interrupted"


def test_a_wrong_token_gives_no_tools(tmp_path: Path, daemon: DaemonDouble) -> None:
    with running(tmp_path, {"AETHER_SOCKET": str(daemon.path), "AETHER_TOKEN": "wrong"}) as agent:
        assert "closed the connection" in agent.until("trouble")["text"]
        assert agent.until("session")["tools_connected"] is False


def test_it_pages_through_the_tools_and_hears_of_new_ones(agent: Agent, daemon: DaemonDouble) -> None:
    daemon.page = 2
    agent.run("demo: say hello")
    daemon.offer("aether_message_inbox", lambda _: {"messages": []}, True)
    del daemon.tools["aether_memory_recall"]
    daemon.send({"method": "notifications/tools/list_changed"})
    daemon.send({"id": "p1", "method": "ping"})
    daemon.send({"id": "r1", "method": "roots/list"})
    assert answer(daemon, "p1")["result"] == {}
    assert answer(daemon, "r1")["error"]["code"] == -32601
    agent.run("demo: call aether_memory_recall", "g2")
    assert agent.lines[-1]["error"].endswith("no tool aether_memory_recall")


# Its end ----------------------------------------------------------------------------------------------


def test_it_ends_well_when_its_input_is_closed_after_what_it_has_to_do(agent: Agent) -> None:
    agent.tell(Say("g1", "demo:\ncall aether_fs_list\nsay one"))
    agent.tell(Say("g2", "demo: say two", "queue"))
    assert agent.end() == 0
    ended = [output for output in agent.outputs() if isinstance(output, TurnEnded)]
    assert [turn.text for turn in ended] == ["one", "two"]


def test_a_wait_that_nobody_can_end_fails_when_the_input_is_closed(agent: Agent) -> None:
    agent.tell(Say("g1", "demo: wait message"))
    assert agent.end() == 0
    assert agent.until("turn_ended")["outcome"] == "failed"


def test_it_ends_by_itself_when_it_is_idle(tmp_path: Path, door: dict[str, str]) -> None:
    with running(tmp_path, door, idle_exit_s=0.05) as agent:
        assert agent.process.wait(DEADLINE_S) == 0


def test_sigterm_ends_it_in_the_middle_of_a_call(agent: Agent, daemon: DaemonDouble) -> None:
    free = daemon.hold("slow")
    agent.tell(Say("g1", "demo: call slow"))
    daemon.called.get(timeout=DEADLINE_S)
    agent.process.send_signal(signal.SIGTERM)
    assert agent.process.wait(DEADLINE_S) == 143
    free.set()


def test_it_stays_under_20_megabytes(agent: Agent) -> None:
    agent.run("fix the bug")
    status = Path(f"/proc/{agent.process.pid}/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    assert peak < 20 * 1024


def test_it_runs_with_minus_m_too(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "aetherd_runtimes.builtin"],
        input=b'{"type":"say","id":"1","text":"demo: say hi"}\n',
        env={"PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        check=True,
        timeout=DEADLINE_S,
    )
    assert json.loads(done.stdout.splitlines()[-1])["text"] == "hi"
    assert done.stderr == b""


def test_the_working_directory_cannot_change_what_is_run(tmp_path: Path, door: dict[str, str]) -> None:
    (tmp_path / "home").mkdir()
    for name in ("json.py", "aetherd_runtimes.py", "sitecustomize.py"):
        (tmp_path / "home" / name).write_text("raise SystemExit(99)")
    with running(tmp_path, door, env={"PYTHONPATH": str(tmp_path / "home")}) as agent:
        assert agent.run("demo: say mine")["text"] == "mine"


# The adapter ------------------------------------------------------------------------------------------


def test_the_adapter_reads_everything_the_agent_says(agent: Agent) -> None:
    agent.run("fix the bug")
    agent.end()
    outputs = agent.outputs()
    assert not [output for output in outputs if isinstance(output, Unread)]
    called = [output.id for output in outputs if isinstance(output, ToolCalled)]
    assert called == [output.id for output in outputs if isinstance(output, ToolReturned)]
    assert len([output for output in outputs if isinstance(output, SessionStarted)]) == 1
    assert agent.decoder.judge(Ended(0, None, "")).outcome == "completed"


def test_the_context_goes_in_a_file_of_the_agents_own(tmp_path: Path) -> None:
    launch = Builtin().launch(request(tmp_path, {}, context="you are ada"))
    (file,) = launch.files
    assert json.loads(file.content)["context"] == "you are ada"
    assert file.mode == 0o600
    assert str(file.path) in launch.argv


def test_it_needs_the_interpreter_and_its_own_package(tmp_path: Path) -> None:
    needs = Builtin().launch(request(tmp_path, {})).needs
    assert {Path(sys.prefix), Path(sys.base_prefix), PACKAGE} <= set(needs)
    assert all(path.exists() for path in needs)


def test_it_has_no_screen(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="screen"):
        Builtin().launch(request(tmp_path, {}, mode="tui"))


def test_a_long_answer_of_a_tool_is_cut_with_a_note(tmp_path: Path) -> None:
    decoder = Builtin().decoder(request(tmp_path, {}))
    line = json.dumps({"type": "tool_returned", "id": "1", "text": "x" * 50_000, "is_error": False})
    (returned,) = decoder.decode(line.encode())
    assert isinstance(returned, ToolReturned)
    assert len(returned.text) <= 20_000
    assert "characters left out" in returned.text


@pytest.mark.parametrize(
    ("lines", "ended", "outcome"),
    [
        ([{"type": "turn_started"}], Ended(0, None, ""), "failed"),
        ([{"type": "turn_started"}], Ended(0, None, "", wanted=True), "killed"),
        (
            [{"type": "turn_ended", "outcome": "failed", "text": "", "error": "x"}],
            Ended(0, None, ""),
            "failed",
        ),
        (
            [{"type": "turn_ended", "outcome": "limited", "text": "", "error": "x"}],
            Ended(0, None, ""),
            "limited",
        ),
        ([{"type": "turn_ended", "outcome": "interrupted", "text": ""}], Ended(0, None, ""), "killed"),
        ([], Ended(143, None, "", wanted=True), "killed"),
        ([], Ended(143, None, ""), "failed"),
    ],
)
def test_the_last_turn_decides_when_it_exits_by_itself(
    tmp_path: Path, lines: list[dict[str, Any]], ended: Ended, outcome: str
) -> None:
    decoder = Builtin().decoder(request(tmp_path, {}))
    for line in lines:
        list(decoder.decode(json.dumps(line).encode()))
    assert decoder.judge(ended).outcome == outcome


# Tools of the tests -----------------------------------------------------------------------------------


def heard_of_it(agent: Agent) -> None:
    """Return when the agent has read everything written so far: it answers a wrong line in order."""
    agent.write(b"?\n")
    agent.until("trouble")


def cancelled(daemon: DaemonDouble) -> bool:
    """Whether the daemon is told that a call was given up."""
    while (message := daemon.heard.get(timeout=DEADLINE_S)).get("method") != "notifications/cancelled":
        pass
    return isinstance(message["params"]["requestId"], int)


def answer(daemon: DaemonDouble, identity: str) -> dict[str, Any]:
    """Return what the agent answered to a request of the daemon."""
    while (message := daemon.heard.get(timeout=DEADLINE_S)).get("id") != identity:
        pass
    return message
