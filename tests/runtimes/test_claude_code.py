"""The Claude Code adapter against the real binary and a scripted model API.

`AETHERD_GOLDEN=record pytest tests/runtimes/test_claude_code.py tests/runtimes/test_claude_lines.py` records
the golden transcripts anew: this file writes `claude_code/<case>/input.jsonl` from what the binary printed,
the other one `expected.jsonl` from what the decoder makes of it. Read the diff.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import ptyprocess
import pyte
import pytest

from aetherd.core.errors import Invalid, Unavailable
from aetherd.runtime import (
    Answer,
    Delta,
    Door,
    Ended,
    Gateway,
    Input,
    Interrupt,
    Launch,
    Output,
    PermissionAsked,
    PermissionClosed,
    Say,
    SessionStarted,
    Spawn,
    Text,
    Thought,
    Told,
    ToolCalled,
    ToolReturned,
    Trouble,
    TurnEnded,
    TurnStarted,
    Unread,
    Used,
    Verdict,
)
from aetherd_runtimes.claude_code import ClaudeCode
from aetherd_runtimes.claude_lines import Lines
from tests.model_api import ModelApi

GOLDEN = Path(__file__).parent / "claude_code"
DOUBLE = GOLDEN / "aether_double.py"
RECORD = os.environ.get("AETHERD_GOLDEN") == "record"
DEADLINE = 90.0  # only a bound: starting the binary takes 0.5 s, or half a minute on a starved machine

REPORT = ClaudeCode().check()

SomeOutput = TypeVar("SomeOutput")


def real(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that drives the real binary."""
    missing = pytest.mark.skipif(not REPORT.available, reason=REPORT.missing or "")
    marked: Callable[..., None] = pytest.mark.claude(missing(test))
    return marked


def call(name: str, ident: str, **given: Any) -> dict[str, Any]:
    """Script a tool call."""
    return {"tool_use": {"name": name, "id": f"toolu_{ident}", "input": given}}


def bash(command: str, ident: str) -> dict[str, Any]:
    """Script a shell command."""
    return call("Bash", ident, command=command)


class Run:
    """Stands for the process room: writes the files, runs the command, decodes what comes."""

    def __init__(self, spawn: Spawn, *, case: str | None = None, uid: int | None = None) -> None:
        self.adapter = ClaudeCode()
        self.launch = self.adapter.launch(spawn)
        prepare(self.launch, uid)
        self.spawn = spawn
        self.decoder = self.adapter.decoder(spawn)
        self.outputs: list[Output] = []
        self.lines: list[bytes] = []
        self._case = case
        self._changed = threading.Condition()
        self._over = False
        self.process = subprocess.Popen(
            self.launch.argv,
            cwd=self.launch.cwd,
            env=dict(self.launch.env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
        )
        self._stderr = b""
        self._threads = [threading.Thread(target=f) for f in (self._read, self._read_errors)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self._drain()
        if self._case is not None and RECORD and kind is None:
            record(self._case, self.lines, self.spawn)

    def _read(self) -> None:
        assert self.process.stdout
        for raw in self.process.stdout:
            line = raw.removesuffix(b"\n")
            found = list(self.decoder.decode(line))
            with self._changed:
                self.lines.append(line)
                self.outputs += found
                self._changed.notify_all()
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _read_errors(self) -> None:
        assert self.process.stderr
        self._stderr = self.process.stderr.read()

    def _drain(self) -> int:
        code = self.process.wait(DEADLINE)
        for thread in self._threads:
            thread.join(DEADLINE)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream
            if not stream.closed:
                stream.close()
        return code

    def send(self, message: Input) -> None:
        """Write what the decoder makes of it."""
        line = self.decoder.encode(message)
        assert line
        self.write(line)

    def write(self, line: bytes) -> None:
        """Write bytes."""
        assert self.process.stdin
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def say(self, text: str, ident: str | None = None, **priority: Any) -> None:
        """Say something."""
        self.send(Say(ident or str(uuid.uuid4()), text, **priority))

    def all(self, kind: type[SomeOutput]) -> list[SomeOutput]:
        """Return the outputs of a kind so far."""
        with self._changed:
            return [output for output in self.outputs if isinstance(output, kind)]

    def until(self, met: Callable[[], bool], what: str) -> None:
        """Wait until it holds."""
        with self._changed:
            if not self._changed.wait_for(lambda: met() or self._over, DEADLINE) or not met():
                raise AssertionError(f"{what} never came; outputs: {self.outputs}, stderr: {self._stderr!r}")

    def wait(self, kind: type[SomeOutput], number: int = 1) -> SomeOutput:
        """Wait for the number-th output of a kind."""
        self.until(lambda: len(self.all(kind)) >= number, f"{kind.__name__} {number}")
        return self.all(kind)[number - 1]

    def wait_for(self, output: Output) -> None:
        """Wait for exactly this output."""
        self.until(lambda: output in self.outputs, str(output))

    def wait_queued(self, ident: str) -> None:
        """Wait until the runtime has the line in its queue."""
        sign = f'"command_uuid":"{ident}","state":"queued"'.encode()
        self.until(lambda: any(sign in line for line in self.lines), f"{ident} in the queue")

    def close(self, *, wanted: bool = True) -> Ended:
        """Close the input, as after `idle_exit_s`."""
        assert self.process.stdin
        self.process.stdin.close()
        return self.ended(wanted=wanted)

    def ended(self, *, wanted: bool = False) -> Ended:
        """Wait for the exit."""
        code = self._drain()
        stderr = self._stderr.decode("utf-8", "replace")[-4096:]
        return Ended(None if code < 0 else code, -code if code < 0 else None, stderr, wanted)

    def kill(self) -> None:
        """Kill it hard, with all it started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self._drain()

    @property
    def texts(self) -> list[str]:
        """What the agent said."""
        return [output.text for output in self.all(Text)]


def prepare(launch: Launch, uid: int | None = None) -> None:
    """Write a launch's files as the room does: directories private, everything the agent's own."""
    for file in launch.files:
        for folder in reversed([parent for parent in file.path.parents if not parent.exists()]):
            folder.mkdir(0o700)
            if uid is not None:
                os.chown(folder, uid, uid)
        file.path.write_text(file.content)
        file.path.chmod(file.mode)
        if uid is not None:
            os.chown(file.path, uid, uid)


def record(case: str, lines: list[bytes], spawn: Spawn) -> None:
    """Keep what the binary printed, without what is of this machine or this run."""
    text = b"\n".join(lines).decode()
    root = str(spawn.home.parent)
    for path in (root, root.replace("/", "-").replace("_", "-")):
        text = text.replace(path, "/agent" if "/" in path else "-agent")
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8800", text)
    text = re.sub(r"(cc-socks/|claude-)\d+", r"\g<1>1", text)
    for pattern, form in (
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "00000000-0000-4000-8000-{:012d}"),
        (r"\bmsg_[0-9a-f]{20}\b", "msg_{:020d}"),
        (r"\b[0-9a-z]{9}-[0-9a-f]{8}\b", "run{:06d}-00000000"),
        (r"\ba[0-9a-f]{16}\b", "a{:016d}"),
    ):
        seen: dict[str, str] = {}
        text = re.sub(
            pattern,
            lambda m, seen=seen, form=form: seen.setdefault(m[0], form.format(len(seen) + 1)),  # type: ignore[misc]
            text,
        )
    assert root not in text
    assert str(Path(REPORT.path or "/nowhere").parent) not in text
    (GOLDEN / case).mkdir(exist_ok=True)
    (GOLDEN / case / "input.jsonl").write_text(text + "\n")


@pytest.fixture
def api() -> Iterator[ModelApi]:
    """Serve the model."""
    with ModelApi() as server:
        yield server


@pytest.fixture
def spawn(tmp_path: Path, api: ModelApi) -> Spawn:
    """Describe a fresh agent whose model is the scripted one."""
    return new_spawn(tmp_path, api)


def new_spawn(root: Path, api: ModelApi) -> Spawn:
    """Make the directories the room makes, and describe the agent."""
    home, config, work = root / "home", root / "config", root / "work"
    for folder in (home, config, work):
        folder.mkdir(0o700)
    return Spawn(
        pid=7,
        agent="agent_7",
        name="seven",
        goal="build it",
        argv=(),
        home=home,
        config=config,
        cwd=work,
        env={"ANTHROPIC_API_KEY": "sk-test-0123456789-abcdefghijklmnop", "ANTHROPIC_BASE_URL": api.url},
        door=Door((sys.executable, str(DOUBLE)), {"AETHER_TOKEN": "token-of-seven", "AETHER_PROCESS": "7"}),
    )


def again(run: Run, **changes: Any) -> Spawn:
    """Describe the next incarnation of the same conversation."""
    return dataclasses.replace(run.spawn, session=run.launch.session, resume=True, **changes)


# Check and launch -----------------------------------------------------------------------------------------


@real
def test_the_bundled_binary_is_found_with_its_version() -> None:
    assert REPORT.path
    assert re.fullmatch(r"\d+\.\d+\.\d+", REPORT.version or "")


def test_a_wrong_path_is_not_available_and_says_what_to_correct(tmp_path: Path) -> None:
    report = ClaudeCode(tmp_path / "claude").check()
    assert not report.available
    assert "claude_path" in (report.missing or "")


def test_without_a_binary_the_report_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "/nowhere")
    assert "pip install 'aetherd[claude]'" in (ClaudeCode().check().missing or "")


def test_a_binary_that_cannot_say_its_version_is_not_available(fake: ClaudeCode, tmp_path: Path) -> None:
    (tmp_path / "claude").write_text("#!/bin/sh\necho broken pipe dream >&2\nexit 3\n")
    assert fake.check().missing == f"{tmp_path / 'claude'} --version failed: broken pipe dream"


def test_the_version_is_asked_once_per_binary(fake: ClaudeCode, tmp_path: Path) -> None:
    assert fake.check().version == fake.check().version == "9.9.9"
    assert (tmp_path / "asked").read_text() == "x"


@pytest.fixture
def fake(tmp_path: Path) -> ClaudeCode:
    """Stand in a script for the binary, where only the launch matters."""
    script = tmp_path / "claude"
    script.write_text(f"#!/bin/sh\nprintf x >>{tmp_path}/asked\necho '9.9.9 (Claude Code)'\n")
    script.chmod(0o755)
    return ClaudeCode(script)


def test_no_secret_is_in_the_argv_or_the_generated_files(fake: ClaudeCode, spawn: Spawn) -> None:
    launch = fake.launch(dataclasses.replace(spawn, context="you are seven"))
    shown = " ".join(launch.argv) + "".join(file.content for file in launch.files)
    assert "token-of-seven" not in shown
    assert spawn.env["ANTHROPIC_API_KEY"] not in shown
    assert "you are seven" not in " ".join(launch.argv)
    assert all(file.mode == 0o600 for file in launch.files)


def test_nothing_of_the_daemons_environment_reaches_the_agent(
    fake: ClaudeCode, spawn: Spawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAEMON_SECRET", "canary")
    env = fake.launch(spawn).env
    assert "canary" not in env.values()
    assert env["HOME"] == str(spawn.home)
    assert env["AETHER_TOKEN"] == "token-of-seven"


def test_what_the_person_gave_wins_over_generated_values_but_not_over_the_door(fake: ClaudeCode, spawn: Spawn) -> None:
    given = {**spawn.env, "LANG": "de_DE.UTF-8", "AETHER_TOKEN": "forged"}
    env = fake.launch(dataclasses.replace(spawn, env=given)).env
    assert (env["LANG"], env["AETHER_TOKEN"]) == ("de_DE.UTF-8", "token-of-seven")


def test_it_asks_models_through_the_gateway_unless_the_person_chose_another_way(fake: ClaudeCode, spawn: Spawn) -> None:
    gateway = Gateway("http://127.0.0.1:3001/llm", "token-of-seven", frozenset({"anthropic"}), frugal=True)
    env = fake.launch(dataclasses.replace(spawn, env={}, gateway=gateway)).env
    assert env["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:3001/llm/anthropic"
    assert env["ANTHROPIC_AUTH_TOKEN"] == "token-of-seven"
    assert env["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] == "8192"  # each answer is reserved whole
    for given in ({"CLAUDE_CODE_USE_BEDROCK": "1"}, {"ANTHROPIC_API_KEY": "own"}):
        less = dataclasses.replace(
            gateway, providers=frozenset({"openai"} if "ANTHROPIC_API_KEY" in given else {"anthropic"})
        )
        assert "ANTHROPIC_AUTH_TOKEN" not in fake.launch(dataclasses.replace(spawn, env=given, gateway=less)).env


def test_without_a_credential_the_launch_is_refused_and_says_what_to_give(fake: ClaudeCode, spawn: Spawn) -> None:
    with pytest.raises(Invalid, match="ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN"):
        fake.launch(dataclasses.replace(spawn, env={}))


def test_a_login_done_in_the_tui_is_a_credential(fake: ClaudeCode, spawn: Spawn) -> None:
    (spawn.home / ".claude").mkdir()
    (spawn.home / ".claude" / ".credentials.json").write_text("{}")
    assert fake.launch(dataclasses.replace(spawn, env={})).session


def test_a_missing_binary_is_unavailable_at_launch(tmp_path: Path, spawn: Spawn) -> None:
    with pytest.raises(Unavailable):
        ClaudeCode(tmp_path / "nothing").launch(spawn)


def test_resuming_without_a_session_is_invalid(fake: ClaudeCode, spawn: Spawn) -> None:
    with pytest.raises(Invalid):
        fake.launch(dataclasses.replace(spawn, resume=True))


def test_what_an_earlier_incarnation_wrote_into_its_configuration_is_kept(fake: ClaudeCode, spawn: Spawn) -> None:
    prepare(fake.launch(spawn))
    path = spawn.home / ".claude" / ".claude.json"
    written = json.loads(path.read_text())
    written |= {"userID": "kept", "theme": "light"}
    written["customApiKeyResponses"]["rejected"] = [spawn.env["ANTHROPIC_API_KEY"][-20:]]
    path.write_text(json.dumps(written))
    prepare(fake.launch(spawn))
    config = json.loads(path.read_text())
    assert (config["userID"], config["theme"]) == ("kept", "light")
    assert config["projects"][str(spawn.cwd)]["hasTrustDialogAccepted"]
    tail = spawn.env["ANTHROPIC_API_KEY"][-20:]
    assert config["customApiKeyResponses"] == {"approved": [tail], "rejected": []}


def test_a_link_in_place_of_the_configuration_is_not_followed(fake: ClaudeCode, spawn: Spawn) -> None:
    secret = spawn.config / "secret.json"
    secret.write_text('{"canary": 1}')
    (spawn.home / ".claude").mkdir()
    (spawn.home / ".claude" / ".claude.json").symlink_to(secret)
    assert "canary" not in "".join(file.content for file in fake.launch(spawn).files)


def test_a_pipe_in_place_of_the_configuration_does_not_hang_the_launch(fake: ClaudeCode, spawn: Spawn) -> None:
    (spawn.home / ".claude").mkdir()
    os.mkfifo(spawn.home / ".claude" / ".claude.json")
    assert fake.launch(spawn).session


def test_an_agent_with_a_uid_of_its_own_is_told_what_it_must_reach(fake: ClaudeCode, spawn: Spawn) -> None:
    needs = fake.launch(spawn).needs
    assert {Path(sys.executable), Path(sys.executable).resolve(), DOUBLE} <= set(needs)


# The real binary ------------------------------------------------------------------------------------------


@real
def test_a_turn_is_told_from_start_to_end(api: ModelApi, spawn: Spawn) -> None:
    api.use({"steps": [{"reply": [{"thinking": "let me see"}, {"text": "hello there"}]}]})
    with Run(dataclasses.replace(spawn, context="CONTEXT-OF-SEVEN"), case="simple_turn") as run:
        run.send(Say("goal-1", "build it"))
        run.wait(TurnEnded)
        kinds = [type(output).__name__ for output in run.outputs if not isinstance(output, Delta)]
        assert kinds == ["SessionStarted", "TurnStarted", "Told", "Thought", "Text", "Used", "TurnEnded"]
        started = run.all(SessionStarted)[0]
        assert (started.session, started.permission_mode) == (run.launch.session, "manual")
        assert started.tools_connected is True
        assert run.all(Told) == [Told("build it", "goal-1")]
        assert run.all(Used) == [Used(100, 20, 0, 0, 0.0008, started.model)]
        assert "CONTEXT-OF-SEVEN" in api.requests[0].system
        assert run.decoder.judge(run.close()) == Verdict("completed")


@real
def test_our_tools_are_in_the_first_request_and_run_unasked(api: ModelApi, spawn: Spawn) -> None:
    echo = call("mcp__aether__aether_echo", "echo", text="hi")
    api.use({"steps": [{"reply": [echo]}, {"reply": [{"text": "done"}]}]})
    with Run(spawn, case="tool_call") as run:
        run.say("go")
        run.wait(TurnEnded)
        assert "mcp__aether__aether_echo" in api.requests[0].tools
        assert not {"SendMessage", "ListAgents", "CronCreate"} & set(api.requests[0].tools)
        assert run.all(ToolCalled) == [ToolCalled("toolu_echo", "mcp__aether__aether_echo", {"text": "hi"})]
        assert run.all(ToolReturned) == [ToolReturned("toolu_echo", "hi from token-of-seven")]
        assert run.close().code == 0


@real
def test_a_dead_door_is_told_as_not_connected(api: ModelApi, spawn: Spawn) -> None:
    door = Door(("/nonexistent/relay",), spawn.door.env)
    with Run(dataclasses.replace(spawn, door=door), case="tools_missing") as run:
        run.say("go")
        assert run.wait(SessionStarted).tools_connected is False
        run.wait(TurnEnded)


@real
def test_a_command_waits_for_a_person_and_runs_when_allowed(api: ModelApi, spawn: Spawn) -> None:
    api.use({"steps": [{"reply": [bash("touch made", "touch")]}, {"reply": [{"text": "done"}]}]})
    with Run(spawn, case="permission_allowed") as run:
        run.say("go")
        asked = run.wait(PermissionAsked)
        assert (asked.tool, asked.title, asked.tool_call) == ("Bash", "Run: touch made", "toolu_touch")
        assert not (spawn.cwd / "made").exists()
        restored = run.adapter.decoder(spawn, json.loads(json.dumps(run.decoder.state())))
        answer = restored.encode(Answer(asked.request, True, input=asked.input, tool=asked.tool))
        assert answer
        run.write(answer)
        run.wait(TurnEnded)
        assert (spawn.cwd / "made").exists()


@real
def test_a_refusal_reaches_the_model_with_its_reason(api: ModelApi, spawn: Spawn) -> None:
    api.use({"steps": [{"reply": [bash("rm -rf build", "rm")]}, {"reply": [{"text": "understood"}]}]})
    with Run(spawn, case="permission_denied") as run:
        run.say("go")
        run.send(Answer(run.wait(PermissionAsked).request, False, reason="we still need build"))
        ended = run.wait(TurnEnded)
        assert api.requests[1].tool_results == ["we still need build"]
        assert run.all(ToolReturned) == [ToolReturned("toolu_rm", "we still need build", is_error=True)]
        assert (ended.outcome, ended.text) == ("completed", "understood")


@real
@pytest.mark.parametrize("tool", ["Bash", "Write"])
def test_allowed_for_the_run_is_not_asked_again(api: ModelApi, spawn: Spawn, tool: str) -> None:
    def use(name: str) -> dict[str, Any]:
        path = spawn.cwd / name
        return bash(f"mkdir {name}", name) if tool == "Bash" else call("Write", name, file_path=str(path), content="x")

    api.use(
        {
            "steps": [
                {"reply": [use("one")], "chunk": 999},
                {"reply": [use("two")], "chunk": 999},
                {"reply": [{"text": "done"}]},
            ]
        }
    )
    with Run(spawn, case=f"permission_for_run_{tool.lower()}") as run:
        run.say("go")
        asked = run.wait(PermissionAsked)
        run.send(Answer(asked.request, True, for_run=True, input=asked.input, tool=tool))
        run.wait(TurnEnded)
        assert len(run.all(PermissionAsked)) == 1
        assert (spawn.cwd / "two").exists()


@real
def test_a_question_to_the_person_can_be_answered(api: ModelApi, spawn: Spawn) -> None:
    options = [{"label": "red", "description": "r"}, {"label": "blue", "description": "b"}]
    question = {"question": "Which?", "header": "colour", "options": options, "multiSelect": False}
    ask = call("AskUserQuestion", "ask", questions=[question])
    api.use({"steps": [{"reply": [ask]}, {"reply": [{"text": "blue it is"}]}]})
    with Run(spawn, case="question") as run:
        run.say("go")
        asked = run.wait(PermissionAsked)
        assert asked.title == "Question: Which?"
        run.send(Answer(asked.request, True, input={**asked.input, "answers": {"Which?": "blue"}}))
        run.wait(TurnEnded)
        assert "blue" in run.all(ToolReturned)[0].text


@real
@pytest.mark.parametrize("allow", [True, False])
def test_a_tools_own_question_waits_for_the_person(api: ModelApi, spawn: Spawn, allow: bool) -> None:
    api.use({"steps": [{"reply": [call("mcp__aether__aether_ask", "ask")]}, {"reply": [{"text": "ok"}]}]})
    with Run(spawn, case="elicitation" if allow else None) as run:
        run.say("go")
        asked = run.wait(PermissionAsked)
        assert (asked.tool, asked.title) == ("elicitation", "aether asks: name?")
        run.send(Answer(asked.request, allow, input={"content": {"name": "Ada"}}))
        run.wait(TurnEnded)
        answer = '{"action": "accept", "content": {"name": "Ada"}}' if allow else '{"action": "decline"}'
        assert run.all(ToolReturned)[0].text == answer


@real
def test_a_text_in_mid_turn_steers_the_same_turn(api: ModelApi, spawn: Spawn) -> None:
    api.use({"steps": [{"hold": "a", "reply": [bash("echo one", "one")]}, {"reply": [{"text": "steered"}]}]})
    with Run(spawn, case="steer") as run:
        run.say("go", "say_1")
        api.wait_for_request(1)
        run.say("turn left", "say_2")
        run.wait_queued("say_2")
        api.release("a")
        assert run.wait(TurnEnded).text == "steered"
        assert "turn left" in api.requests[1].said
        assert run.all(Told) == [Told("go", "say_1"), Told("turn left", "say_2")]
        assert len(run.all(TurnStarted)) == 1


@real
def test_a_queued_text_waits_for_the_end_of_the_turn(api: ModelApi, spawn: Spawn) -> None:
    steps = [{"hold": "a", "reply": [bash("echo one", "one")]}, {"reply": [{"text": "first"}]}]
    api.use({"steps": [*steps, {"reply": [{"text": "second"}]}]})
    with Run(spawn, case="queue") as run:
        run.say("go", "say_1")
        api.wait_for_request(1)
        run.say("afterwards", "say_2", priority="queue")
        run.wait_queued("say_2")
        api.release("a")
        run.wait(TurnEnded, 2)
        assert "afterwards" not in api.requests[1].text
        assert [ended.text for ended in run.all(TurnEnded)] == ["first", "second"]


@real
def test_now_cuts_the_text_that_is_being_written_and_keeps_it(api: ModelApi, spawn: Spawn) -> None:
    api.use(
        {
            "steps": [
                {"reply": [{"text": ["so far", {"hold": "a"}, " and on"]}]},
                {"reply": [{"text": "yes?"}]},
            ]
        }
    )
    with Run(spawn, case="now") as run:
        run.say("go", "say_1")
        run.wait_for(Delta("text", "so far"))
        run.say("listen", "say_2", priority="now")
        run.wait(TurnEnded, 2)
        assert [ended.outcome for ended in run.all(TurnEnded)] == ["interrupted", "completed"]
        assert run.all(Text) == [Text("so far", interrupted=True), Text("yes?")]


@real
def test_an_interrupt_keeps_what_was_written_and_the_process(api: ModelApi, spawn: Spawn) -> None:
    reply = [{"thinking": "hm"}, {"text": "whole block"}, {"text": ["cut ", "block", {"hold": "a"}, "!"]}]
    api.use({"steps": [{"reply": reply}, {"reply": [{"text": "here again"}]}]})
    with Run(spawn, case="interrupt") as run:
        run.say("go")
        run.wait_for(Delta("text", "block"))
        run.send(Interrupt("stop_1"))
        assert run.wait(TurnEnded).outcome == "interrupted"
        assert run.all(Text) == [Text("whole block"), Text("cut block", interrupted=True)]
        run.say("still there?")
        assert run.wait(TurnEnded, 2).text == "here again"
        assert run.decoder.judge(run.close()) == Verdict("completed")


@real
def test_an_interrupt_withdraws_an_open_question(api: ModelApi, spawn: Spawn) -> None:
    api.use({"steps": [{"reply": [bash("touch never", "never")]}]})
    with Run(spawn, case="interrupt_while_asking") as run:
        run.say("go")
        asked = run.wait(PermissionAsked)
        run.send(Interrupt("stop_1"))
        assert run.wait(TurnEnded).outcome == "interrupted"
        assert run.all(PermissionClosed) == [PermissionClosed(asked.request)]
        ended = run.close()
        assert ended.code == 1
        assert run.decoder.judge(ended) == Verdict("killed")
    assert not (spawn.cwd / "never").exists()


@real
def test_an_interrupt_in_a_tool_call_half_written_runs_nothing(api: ModelApi, spawn: Spawn) -> None:
    drop = [{"text": "I will "}, bash("touch " + "x" * 200, "half")]
    api.use({"steps": [{"reply": drop, "chunk": 10, "chunk_delay_ms": 1000}]})
    with Run(spawn, case="interrupt_in_tool_input") as run:
        run.say("go")
        run.until(lambda: any(b"input_json_delta" in line for line in run.lines), "a piece of the call")
        run.send(Interrupt("stop_1"))
        assert run.wait(TurnEnded).outcome == "interrupted"
        assert run.all(ToolCalled) == []
        assert run.texts == ["I will "]


@real
def test_a_dead_model_api_fails_the_turn_and_the_run(api: ModelApi, spawn: Spawn) -> None:
    api.use({"default": {"error": {"status": 500, "message": "out of order"}}})
    env = {**spawn.env, "CLAUDE_CODE_MAX_RETRIES": "1"}
    with Run(dataclasses.replace(spawn, env=env), case="api_error") as run:
        run.say("go")
        ended = run.wait(TurnEnded)
        assert ended.outcome == "failed"
        assert "500 out of order" in (ended.error or "")
        assert "answered 500" in run.all(Trouble)[0].text
        assert run.texts == []
        exit_ = run.close(wanted=False)
        assert exit_.code == 1
        assert run.decoder.judge(exit_) == Verdict("failed", ended.error)


@real
def test_a_short_overload_is_trouble_and_the_turn_completes(api: ModelApi, spawn: Spawn) -> None:
    overload = {"error": {"status": 429, "type": "rate_limit_error", "message": "slow", "retry_after": 0}}
    api.use({"steps": [overload, {"reply": [{"text": "at last"}]}]})
    with Run(spawn, case="retried") as run:
        run.say("go")
        assert run.wait(TurnEnded).text == "at last"
        assert len(run.all(Trouble)) == 1


@real
def test_a_refused_key_limits_the_run_when_retries_are_used_up(api: ModelApi, spawn: Spawn) -> None:
    api.use({"default": {"error": {"status": 429, "type": "rate_limit_error", "message": "too much"}}})
    env = {**spawn.env, "CLAUDE_CODE_MAX_RETRIES": "1"}
    with Run(dataclasses.replace(spawn, env=env), case="rate_limited") as run:
        run.say("go")
        ended = run.wait(TurnEnded)
        assert (ended.outcome, ended.resets_at) == ("limited", None)
        assert run.decoder.judge(run.close(wanted=False)).outcome == "limited"


@real
def test_a_used_up_subscription_says_when_it_resets(api: ModelApi, spawn: Spawn) -> None:
    headers = {
        "anthropic-ratelimit-unified-status": "rejected",
        "anthropic-ratelimit-unified-reset": "4102444800",
        "anthropic-ratelimit-unified-representative-claim": "five_hour",
    }
    error = {"status": 429, "type": "rate_limit_error", "message": "limit", "headers": headers}
    api.use({"default": {"error": error}})
    token = {"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-test", "ANTHROPIC_BASE_URL": api.url}
    with Run(dataclasses.replace(spawn, env=token), case="usage_limit") as run:
        run.say("go")
        ended = run.wait(TurnEnded)
        assert (ended.outcome, ended.resets_at) == ("limited", "2100-01-01T00:00:00.000000Z")
        assert run.decoder.judge(run.close(wanted=False)) == Verdict("limited", ended.error)


@real
def test_a_broken_stream_is_asked_for_again(api: ModelApi, spawn: Spawn) -> None:
    reply = [{"text": "one two three four five six"}]
    broken = {"reply": reply, "chunk": 4, "chunk_delay_ms": 200, "drop": 3}
    api.use({"steps": [broken, {"reply": reply, "chunk": 9}]})
    with Run(spawn, case="broken_stream") as run:
        run.say("go")
        assert run.wait(TurnEnded).outcome == "completed"
        assert run.texts[-1] == "one two three four five six"


@real
def test_a_sub_agents_words_are_not_the_agents(api: ModelApi, spawn: Spawn) -> None:
    task = call("Agent", "task", description="look", prompt="SUB-PROMPT", subagent_type="general-purpose")
    task["tool_use"]["input"]["run_in_background"] = False
    api.use(
        {
            "rules": [
                {"when": {"first": "SUB-PROMPT", "tool_result": True}, "reply": [{"text": "found it"}]},
                {"when": {"first": "SUB-PROMPT"}, "reply": [{"text": "looking"}, bash("echo deep", "deep")]},
                {"when": {"tool_result": True}, "reply": [{"text": "all done"}]},
                {"when": {"said": "go"}, "reply": [task]},
            ],
            "default": {"reply": [{"text": "noted"}]},
        }
    )
    with Run(spawn, case="sub_agent") as run:
        run.say("go")
        run.until(lambda: "all done" in run.texts, "the end")
        run.wait(TurnEnded)
        assert "found it" not in run.texts
        assert "toolu_deep" in [called.id for called in run.all(ToolCalled)]


@real
def test_every_line_is_understood(api: ModelApi, spawn: Spawn) -> None:
    reply = [
        {"thinking": "t"},
        {"text": "x"},
        bash("echo 1", "b"),
        call("Read", "r", file_path=str(spawn.cwd / "none")),
    ]
    api.use({"steps": [{"reply": reply}, {"reply": [{"text": "y"}], "usage": {"cache_read_input_tokens": 5}}]})
    with Run(spawn) as run:
        run.say("go")
        run.wait(TurnEnded)
        run.close()
        assert run.all(Unread) == []


@real
def test_a_killed_process_resumes_its_conversation(api: ModelApi, spawn: Spawn) -> None:
    api.use(
        {
            "steps": [
                {"reply": [{"text": "one"}]},
                {"reply": [bash("touch x", "x")]},
                {"reply": [{"text": "two"}]},
            ]
        }
    )
    with Run(spawn) as first:
        first.say("go", "say_1")
        first.wait(TurnEnded)
        first.say("and on", "say_2")
        first.wait(PermissionAsked)
        first.kill()
        assert first.decoder.judge(first.ended()) == Verdict("killed", "killed by SIGKILL")
    with Run(again(first), case="resumed") as second:
        second.say("and now", "say_3")
        second.wait(TurnEnded)
        assert second.all(SessionStarted)[0].session == first.launch.session
        assert all(text in api.requests[-1].text for text in ("go", "one", "and on", "and now"))


@real
def test_a_text_sent_twice_runs_once_even_over_a_resume(api: ModelApi, spawn: Spawn) -> None:
    api.use({"default": {"reply": [{"text": "done"}]}})
    with Run(spawn) as first:
        first.say("deploy", "say_1")
        first.wait(TurnEnded)
        first.say("deploy", "say_1")
        first.wait(Told, 2)
        first.kill()
    with Run(again(first)) as second:
        second.say("deploy", "say_1")
        second.say("and then", "say_2")
        second.wait(TurnEnded)
        second.close()
        assert [told.id for told in second.all(Told)] == ["say_1", "say_2"]
        assert len(second.all(TurnEnded)) == 1
    assert len(api.requests) == 2


@real
def test_money_is_counted_once_over_incarnations(api: ModelApi, spawn: Spawn) -> None:
    with Run(spawn) as first:
        first.say("one")
        first.wait(TurnEnded)
        first.close()
    with Run(again(first)) as second:
        second.say("two")
        second.say("three", priority="queue")
        second.wait(TurnEnded, 2)
        spent = [used.cost_usd for used in (*first.all(Used), *second.all(Used))]
        assert spent == [0.0008] * 3


@real
def test_closing_in_mid_turn_ends_at_once_and_leaves_the_queue_unrun(api: ModelApi, spawn: Spawn) -> None:
    api.use({"steps": [{"reply": [{"text": ["half", {"hold": "a"}]}]}], "default": {"reply": [{"text": "later"}]}})
    with Run(spawn, case="closed_in_mid_turn") as first:
        first.say("go", "say_1")
        first.wait_for(Delta("text", "half"))
        first.say("next", "say_2", priority="queue")
        first.wait_queued("say_2")
        closing = first.decoder.close()
        assert closing
        first.write(closing)
        assert first.decoder.judge(first.ended(wanted=True)) == Verdict("killed")
        assert first.all(Text) == [Text("half", interrupted=True)]
        assert [told.id for told in first.all(Told)] == ["say_1"]
    with Run(again(first)) as second:
        second.say("next", "say_2")
        second.wait(TurnEnded)
        assert len(api.requests) == 2
        assert "half" in api.requests[1].text


@real
def test_closing_an_asking_process_ends_at_once_and_closes_the_question(api: ModelApi, spawn: Spawn) -> None:
    api.use({"steps": [{"reply": [bash("touch never", "never")]}]})
    with Run(spawn, case="closed_while_asking") as run:
        run.say("go")
        asked = run.wait(PermissionAsked)
        closing = run.decoder.close()
        assert closing
        run.write(closing)
        assert run.decoder.judge(run.ended(wanted=True)) == Verdict("killed")
        assert run.all(PermissionClosed) == [PermissionClosed(asked.request)]
    assert not (spawn.cwd / "never").exists()


@real
def test_a_thought_cut_off_by_an_interrupt_is_kept(api: ModelApi, spawn: Spawn) -> None:
    api.use({"steps": [{"reply": [{"thinking": ["hm, ", "what", {"hold": "a"}]}]}]})
    with Run(spawn, case="interrupt_in_thought") as run:
        run.say("go")
        run.wait_for(Delta("thought", "what"))
        run.send(Interrupt("stop_1"))
        assert run.wait(TurnEnded).outcome == "interrupted"
        assert run.all(Thought) == [Thought("hm, what")]


@real
def test_a_hard_kill_in_mid_text_leaves_the_text_to_be_kept(api: ModelApi, spawn: Spawn) -> None:
    api.use({"steps": [{"reply": [{"text": ["half a word", {"hold": "a"}]}]}]})
    with Run(spawn, case="killed_in_mid_text") as run:
        run.say("go")
        run.wait_for(Delta("text", "half a word"))
        run.kill()
        restored = Lines(json.loads(json.dumps(run.decoder.state())))
        assert restored.rest() == [Text("half a word", interrupted=True)]
        assert restored.rest() == []


@real
@pytest.mark.parametrize("spoken", [True, False])
def test_closing_an_idle_process_is_quick(api: ModelApi, spawn: Spawn, spoken: bool) -> None:
    with Run(spawn) as run:
        if spoken:
            run.say("go")
            run.wait(TurnEnded)
        closing = run.decoder.close()
        assert closing
        run.write(closing)
        ended = run.ended(wanted=True)
        assert ended.code == 0
        assert run.decoder.judge(ended) == Verdict("completed" if spoken else "killed")


@real
def test_an_unknown_session_fails_with_its_own_words(api: ModelApi, spawn: Spawn) -> None:
    session = str(uuid.uuid4())
    with Run(dataclasses.replace(spawn, session=session, resume=True), case="unknown_session") as run:
        verdict = run.decoder.judge(run.ended())
        assert verdict == Verdict("failed", f"No conversation found with session ID: {session}")


@real
def test_a_session_that_exists_cannot_be_started_anew(api: ModelApi, spawn: Spawn) -> None:
    with Run(spawn) as first:
        first.say("go")
        first.wait(TurnEnded)
        first.close()
    with Run(dataclasses.replace(spawn, session=first.launch.session)) as second:
        verdict = second.decoder.judge(second.ended())
        assert verdict.outcome == "failed"
        assert "already in use" in (verdict.error or "")


@real
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_mid_turn_is_a_kill(api: ModelApi, spawn: Spawn, number: signal.Signals) -> None:
    api.use({"steps": [{"reply": [{"text": ["half", {"hold": "a"}]}]}]})
    with Run(spawn) as run:
        run.say("go")
        run.wait_for(Delta("text", "half"))
        run.process.send_signal(number)
        assert run.decoder.judge(run.ended()) == Verdict("killed", f"killed by {number.name}")


@real
@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0, reason="only root can give an agent a uid of its own")
def test_an_agent_runs_under_a_uid_of_its_own(api: ModelApi) -> None:
    uid = 20_001
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o711)
        double = str(shutil.copy(DOUBLE, root))
        python = shutil.which("python3", path=os.defpath) or sys.executable
        described = new_spawn(root, api)
        spawn = dataclasses.replace(described, door=Door((python, double), described.door.env))
        for folder in (spawn.home, spawn.config, spawn.cwd):
            os.chown(folder, uid, uid)
        for path in ClaudeCode().launch(spawn).needs:
            reach = ["test", "-r", str(path)]
            if subprocess.run(reach, user=uid, group=uid, extra_groups=[], check=False).returncode:
                pytest.skip(f"uid {uid} cannot reach {path}")
        api.use({"steps": [{"reply": [bash("id -u > who", "id")]}, {"reply": [{"text": "done"}]}]})
        with Run(spawn, uid=uid) as run:
            run.say("go")
            asked = run.wait(PermissionAsked)
            run.send(Answer(asked.request, True, input=asked.input))
            run.wait(TurnEnded)
            assert run.all(SessionStarted)[0].tools_connected is True
            assert (spawn.cwd / "who").read_text() == "20001\n"
            run.close()
        path = spawn.home / ".claude" / ".claude.json"
        assert path.stat().st_uid == uid
        (kept,) = [file for file in ClaudeCode().launch(again(run)).files if file.path == path]
        assert json.loads(kept.content)["userID"] == json.loads(path.read_text())["userID"]


# Takeover -------------------------------------------------------------------------------------------------


class Terminal:
    """A person's terminal on the TUI."""

    def __init__(self, spawn: Spawn) -> None:
        launch = ClaudeCode().launch(spawn)
        assert launch.stdio == "pty"
        prepare(launch)
        self.pty = ptyprocess.PtyProcess.spawn(
            list(launch.argv), cwd=str(launch.cwd), env=dict(launch.env), dimensions=(spawn.rows, spawn.cols)
        )
        self.screen = pyte.Screen(spawn.cols, spawn.rows)
        self._stream = pyte.ByteStream(self.screen)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.pty.close(force=True)

    def read(self, seconds: float) -> bool:
        """Feed what has come to the screen; False at the end."""
        if select.select([self.pty.fd], [], [], seconds)[0]:
            try:
                self._stream.feed(os.read(self.pty.fd, 65_536))
            except OSError:
                return False
        return True

    def until(self, text: str) -> None:
        """Wait until the text is on the screen."""
        end = time.monotonic() + DEADLINE
        while text not in "\n".join(self.screen.display):
            if not self.read(max(0.0, end - time.monotonic())) or time.monotonic() > end:
                raise AssertionError(f"{text!r} never came:\n" + "\n".join(self.screen.display))

    def until_gone(self, text: str) -> None:
        """Wait until the text has left the screen."""
        end = time.monotonic() + DEADLINE
        while text in "\n".join(self.screen.display):
            if not self.read(max(0.0, end - time.monotonic())) or time.monotonic() > end:
                raise AssertionError(f"{text!r} stayed")

    def until_kept(self, spawn: Spawn, text: str) -> None:
        """Wait until the conversation on disk has it: the screen shows a text earlier."""
        end = time.monotonic() + DEADLINE
        while not any(text in kept.read_text() for kept in spawn.home.rglob(f"{spawn.session}.jsonl")):
            assert self.read(0.05), "it ended"
            assert time.monotonic() < end, f"{text!r} was never kept"

    def type(self, text: str) -> None:
        """Type a line as a person does: Enter after the text has appeared and the paste window is over."""
        self.pty.write(text.encode())
        self.until(text)
        quiet = time.monotonic() + 0.4
        while (left := quiet - time.monotonic()) > 0:
            self.read(left)
        self.pty.write(b"\r")

    def wait(self) -> int | None:
        """Read to the end and return the exit status."""
        while self.read(DEADLINE):
            pass
        self.pty.wait()
        status: int | None = self.pty.exitstatus
        return status


@real
def test_a_person_takes_over_in_the_tui_and_hands_back(api: ModelApi, spawn: Spawn) -> None:
    echo = call("mcp__aether__aether_echo", "echo", text="by hand")
    api.use(
        {
            "rules": [
                {"when": {"tool_result": True}, "reply": [{"text": "ANSWER-IN-TUI"}]},
                {"when": {"said": "typed by hand"}, "reply": [echo]},
            ],
            "default": {"reply": [{"text": "ANSWER-HEADLESS"}]},
        }
    )
    with Run(spawn) as first:
        first.say("first turn")
        first.wait(TurnEnded)
        first.close()
    tui = again(first, mode="tui")
    with Terminal(tui) as terminal:
        terminal.until("manual mode on")
        terminal.until("ANSWER-HEADLESS")
        terminal.type("typed by hand")
        terminal.until("ANSWER-IN-TUI")
        terminal.until_kept(tui, "ANSWER-IN-TUI")
        assert "mcp__aether__aether_echo" in api.requests[1].tools
        terminal.pty.write(b"\x04")
        terminal.until("again to exit")
        terminal.pty.write(b"\x04")
        code = terminal.wait()
        assert ClaudeCode().decoder(tui).judge(Ended(code, None, "", True)) == Verdict("completed")
    with Run(again(first)) as third:
        third.say("a person typed something")
        third.wait(TurnEnded)
        assert third.all(SessionStarted)[0].permission_mode == "manual"
        texts = ("first turn", "typed by hand", "ANSWER-IN-TUI")
        assert [text for text in texts if text not in api.requests[-1].text] == []


@real
def test_a_tui_ended_by_sigterm_leaves_the_conversation_whole(api: ModelApi, spawn: Spawn) -> None:
    tui, started = dataclasses.replace(spawn, mode="tui"), time.time()
    with Terminal(tui) as terminal:
        terminal.until("manual mode on")
        terminal.type("typed by hand")
        terminal.until("● ok")
        session = terminal.pty.argv[list(terminal.pty.argv).index("--session-id") + 1]
        terminal.pty.kill(signal.SIGTERM)
        code = terminal.wait()
        verdict = ClaudeCode().decoder(dataclasses.replace(spawn, mode="tui")).judge(Ended(code, None, "", True))
        assert verdict == Verdict("killed")
        assert ClaudeCode().ended_in(tui, started) == session
    with Run(dataclasses.replace(spawn, session=session, resume=True)) as run:
        run.say("go on")
        run.wait(TurnEnded)
        assert "typed by hand" in api.requests[-1].text


@real
def test_the_conversation_a_person_moved_to_in_the_tui_is_found(api: ModelApi, spawn: Spawn) -> None:
    with Run(spawn) as first:
        first.say("before")
        first.wait(TurnEnded)
        first.close()
    tui = again(first, mode="tui")
    started = time.time()
    assert first.adapter.ended_in(tui, started) is None
    with Terminal(tui) as terminal:
        terminal.until("● ok")
        terminal.type("/clear")
        terminal.until_gone("● ok")
        terminal.type("after clear")
        terminal.until("● ok")
        terminal.pty.write(b"\x04\x04")
        assert terminal.wait() == 0
    moved = first.adapter.ended_in(tui, started)
    assert moved not in (None, first.launch.session)
    assert first.adapter.ended_in(tui, time.time()) is None
    with Run(dataclasses.replace(spawn, session=moved, resume=True)) as second:
        second.say("go on")
        second.wait(TurnEnded)
        assert "after clear" in api.requests[-1].text
        assert "before" not in [line.strip() for line in api.requests[-1].text.splitlines()]


@real
@pytest.mark.parametrize("text", ["/clear", "/usr/bin/env: not found", "!touch shell"])
def test_a_text_is_for_the_model_whatever_it_begins_with(api: ModelApi, spawn: Spawn, text: str) -> None:
    with Run(spawn) as run:
        run.say("remember me", "say_1")
        run.wait(TurnEnded)
        run.say(text, "say_2")
        run.wait(TurnEnded, 2)
        assert text in api.requests[1].said
        assert "remember me" in api.requests[1].text
        assert run.all(Told)[1] == Told(text, "say_2")
    assert not (spawn.cwd / "shell").exists()


def test_a_tui_is_neither_read_nor_typed_into(spawn: Spawn) -> None:
    screen = ClaudeCode().decoder(dataclasses.replace(spawn, mode="tui"))
    assert list(screen.decode(b'{"type":"result"}')) == []
    assert screen.encode(Say("say_1", "hello")) is None
    assert screen.close() is None
