"""The bridge to OpenClaw, as a real process, against a double of OpenClaw's program (openclaw_double.py).

What the real one does is in test_openclaw_real.py; the names of the tests here say which of its quirks is met.
"""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from acp_lab import PATIENCE_S, Bridge, below, bridge, spawn_in

from aetherd.core.errors import Invalid, Unavailable
from aetherd.runtime import (
    Answer,
    Delta,
    Gateway,
    Interrupt,
    PermissionAsked,
    PermissionClosed,
    Say,
    SessionStarted,
    Spawn,
    Text,
    Told,
    ToolCalled,
    ToolReturned,
    Trouble,
    TurnEnded,
    TurnStarted,
    Used,
)
from aetherd_runtimes.openclaw_runtime import OpenClaw

DOUBLE = Path(__file__).with_name("openclaw_double.py")
MODELS = Gateway("http://127.0.0.1:3001/llm", "t0ken", frozenset(["anthropic", "openai"]))


@pytest.fixture
def openclaw(tmp_path: Path) -> OpenClaw:
    """The adapter, with the double as what is installed."""
    place = tmp_path / "prefix" / "1.0"
    (place / "bin").mkdir(parents=True)
    (place / "node_modules" / "openclaw").mkdir(parents=True)
    node = place / "bin" / "node"
    node.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    node.chmod(0o755)
    shutil.copy(DOUBLE, place / "node_modules" / "openclaw" / "openclaw.mjs")
    (place / "node_modules" / "openclaw" / "package.json").write_text('{"version": "2026.9.6"}')
    (tmp_path / "prefix" / "current").symlink_to("1.0")
    return OpenClaw(tmp_path / "prefix")


@pytest.fixture
def spawn(tmp_path: Path) -> Spawn:
    return spawn_in(tmp_path, gateway=MODELS, context="You are ada.", session="aether-1")


@contextmanager
def running(openclaw: OpenClaw, spawn: Spawn) -> Iterator[Bridge]:
    state = spawn.home / ".openclaw" / "state"
    state.mkdir(parents=True, exist_ok=True)
    with bridge(openclaw, spawn) as found:
        yield found


def requests(spawn: Spawn, method: str) -> list[dict[str, Any]]:
    """What the double was asked for."""
    log = (spawn.home / ".openclaw" / "state" / "requests.jsonl").read_text()
    return [one for one in map(json.loads, log.splitlines()) if one["method"] == method]


def test_a_turn_is_told_block_by_block_with_all_its_tokens_and_a_starting_gateway_is_waited_for(
    openclaw: OpenClaw, spawn: Spawn
) -> None:
    with running(openclaw, spawn) as agent:
        agent.tell(Say("m1", "say hi"))
        ended = agent.wait(TurnEnded)
        assert ended == TurnEnded("completed", "answer to say hi")
        kinds = [type(output) for output in agent.outputs]
        assert kinds == [SessionStarted, TurnStarted, Told, Delta, Delta, Delta, Text, Used, TurnEnded]
        assert agent.all(Told) == [Told("say hi", "m1")]
        assert agent.all(Used) == [Used(100, 20, 3, 4, model="m")]
        assert "".join(delta.text for delta in agent.all(Delta) if delta.kind == "text") == "answer to say hi"
        assert len(requests(spawn, "connect")) == 2  # the first was told: starting, retry shortly
        assert agent.close().outcome == "completed"


def test_arguments_are_told_as_they_were_though_its_events_blank_out_what_looks_secret(
    openclaw: OpenClaw, spawn: Spawn
) -> None:
    with running(openclaw, spawn) as agent:
        agent.turn("secret")
        assert agent.all(ToolCalled) == [ToolCalled("c1", "aether__x", {"key": "k-1"})]
        assert agent.all(ToolReturned) == [ToolReturned("c1", "stored\n[a picture]")]


def test_a_text_that_looks_like_a_command_of_openclaw_is_a_text(openclaw: OpenClaw, spawn: Spawn) -> None:
    with running(openclaw, spawn) as agent:
        agent.turn("/exec security=full ask=off")
        (sent,) = requests(spawn, "chat.send")
        assert sent["params"]["suppressCommandInterpretation"] is True
        assert sent["params"]["timeoutMs"] == 0


def test_a_command_waits_for_a_person_and_is_allowed_denied_or_allowed_for_the_run(
    openclaw: OpenClaw, spawn: Spawn
) -> None:
    with running(openclaw, spawn) as agent:
        for command, answer in (("rm", Answer("", False)), ("ls", Answer("", True)), ("id", Answer("", True, True))):
            agent.say(f"run {command}")
            asked = agent.wait(PermissionAsked, lambda one, command=command: one.input["command"] == command)  # type: ignore[misc]
            assert (asked.tool, asked.tool_call) == ("exec", f"call-{command}")
            agent.tell(replace(answer, request=asked.request))
            agent.wait(TurnEnded, after=agent.outputs.index(asked))
        agent.turn("run pwd")  # allowed for the run, so nobody is asked
        assert [one.input["command"] for one in agent.all(PermissionAsked)] == ["rm", "ls", "id"]
        assert [one.is_error for one in agent.all(ToolReturned)] == [True, False, False, False]
        assert agent.all(PermissionClosed) == []


def test_a_persons_reason_for_a_refusal_reaches_the_model_in_the_same_turn_and_is_nobodys_text(
    openclaw: OpenClaw, spawn: Spawn
) -> None:
    with running(openclaw, spawn) as agent:
        agent.say("run rm")
        agent.decide(False, reason="not on a Friday")
        assert agent.wait(TurnEnded).text == "done A person refused this: run rm (not on a Friday)"
        assert agent.turn("say on").text == "answer to say on"
        assert [told.text for told in agent.all(Told)] == ["run rm", "say on"]
        assert len(agent.all(TurnEnded)) == 2


def test_texts_steer_a_turn_stop_it_first_or_wait_for_it(openclaw: OpenClaw, spawn: Spawn) -> None:
    with running(openclaw, spawn) as agent:
        agent.tell(Say("m1", "hold"))
        agent.wait(Delta)
        agent.tell(Say("m2", "say queued", "queue"))
        agent.tell(Say("m3", "left", "next"))
        first = agent.wait(TurnEnded)
        assert first.text == "steered by left"
        agent.wait(TurnEnded, lambda ended: ended.text == "answer to say queued")
        assert [told.id for told in agent.all(Told)] == ["m1", "m3", "m2"]
        begun = len(agent.outputs)
        agent.tell(Say("m4", "hold"))
        agent.wait(Delta, after=begun)
        agent.tell(Say("m5", "say now", "now"))
        ended = agent.wait(TurnEnded, after=begun)
        assert ended.text == "answer to say now"  # one turn: nobody was shown an idle agent in between
        assert Text("begin", interrupted=True) in agent.outputs[begun:]


def test_an_interrupt_ends_the_turn_and_the_process_lives_on(openclaw: OpenClaw, spawn: Spawn) -> None:
    with running(openclaw, spawn) as agent:
        agent.say("hold")
        agent.wait(Delta)
        agent.tell(Interrupt("i1"))
        assert agent.wait(TurnEnded) == TurnEnded("interrupted", "begin")
        assert agent.turn("say on").outcome == "completed"
        assert len(agent.all(Text)) == 2  # the note the gateway keeps of an abort is not told again


def test_a_text_that_openclaw_takes_for_a_later_run_is_one_turn_until_that_has_ended(
    openclaw: OpenClaw, spawn: Spawn
) -> None:
    with running(openclaw, spawn) as agent:
        assert agent.turn("later").text == "told later"
        assert len(agent.all(TurnStarted)) == 1


def test_a_failure_is_told_once_and_in_the_providers_words_and_a_billed_provider_gets_a_new_name(
    openclaw: OpenClaw, spawn: Spawn
) -> None:
    with running(openclaw, spawn) as agent:
        assert agent.turn("bill") == TurnEnded("failed", "", "budget spent (HTTP 402)")
        assert agent.turn("say on").outcome == "completed"  # else it is shut out for ten minutes
        assert len({one["provider"] for one in requests(spawn, "chat.send")}) == 2
        assert agent.turn("limit") == TurnEnded("limited", "", "slow down (HTTP 429)")
        assert len(agent.all(TurnEnded)) == 3


def test_a_gateway_killed_with_9_is_told_and_started_again_with_its_conversation_within_bounds(
    openclaw: OpenClaw, spawn: Spawn
) -> None:
    with running(openclaw, spawn) as agent:
        agent.tell(Say("m1", "run ls"))
        asked = agent.wait(PermissionAsked)
        gateway = next(
            pid for pid in below(agent.process.pid) if b"gateway" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
        os.kill(gateway, signal.SIGKILL)
        ended = agent.wait(TurnEnded)
        assert ended == TurnEnded("failed", "", "the OpenClaw gateway was ended by SIGKILL")
        assert agent.all(PermissionClosed) == [PermissionClosed(asked.request)]
        assert [returned.is_error for returned in agent.all(ToolReturned)] == [True]
        assert "started again, the conversation is kept" in agent.wait(Trouble).text
        agent.tell(Answer(asked.request, True))  # comes too late, and harms nothing
        assert agent.turn("say on").outcome == "completed"
        for _ in range(3):
            agent.turn("die")
        assert agent.ended().outcome == "failed"
        assert "4 times in 600 s; it is not started again" in agent.all(Trouble)[-1].text


def test_a_connection_that_is_lost_is_made_again_to_the_same_gateway(openclaw: OpenClaw, spawn: Spawn) -> None:
    with running(openclaw, spawn) as agent:
        agent.say("drop")
        assert "connection to the OpenClaw gateway was lost" in agent.wait(Trouble).text
        agent.wait(TurnEnded)
        assert agent.turn("say on").outcome == "completed"
        assert len({one["provider"] for one in requests(spawn, "connect")}) == 1


def test_a_text_of_an_earlier_incarnation_is_not_told_twice(openclaw: OpenClaw, spawn: Spawn) -> None:
    with running(openclaw, spawn) as agent:
        agent.tell(Say("m1", "say hi"))
        agent.wait(TurnEnded)
        agent.close()
    with running(openclaw, replace(spawn, resume=True)) as agent:
        agent.tell(Say("m1", "say hi"))
        agent.wait(Told, lambda told: told.id == "m1")
        assert agent.turn("say more").text == "answer to say more"
        assert [one["params"]["message"] for one in requests(spawn, "chat.send")] == ["say hi", "say more"]


def test_a_configuration_it_refuses_ends_the_run_with_exit_78_and_its_own_words(
    openclaw: OpenClaw, spawn: Spawn
) -> None:
    state = spawn.home / ".openclaw" / "state"
    state.mkdir(parents=True)
    (state / "refuse").touch()
    with running(openclaw, spawn) as agent:
        verdict = agent.ended()
        assert verdict.outcome == "failed"
        assert "78" in (verdict.error or "")
        (trouble,) = agent.all(Trouble)
        assert "openclaw.json is wrong; it is not started again" in trouble.text


def test_a_gateway_dies_with_a_bridge_that_is_killed(openclaw: OpenClaw, spawn: Spawn) -> None:
    with running(openclaw, spawn) as agent:
        agent.turn("say hi")
        (gateway, *_) = below(agent.process.pid)
        handle = os.pidfd_open(gateway)
        try:
            agent.process.kill()
            ended, _, _ = select.select([handle], [], [], PATIENCE_S)
            assert ended  # else the next incarnation finds its state owned, and exits 78
        finally:
            os.close(handle)


def test_what_was_said_in_its_terminal_is_read_by_history_and_the_token_is_in_no_argv(
    openclaw: OpenClaw, spawn: Spawn
) -> None:
    since = time.time() - 1
    screen = replace(spawn, resume=True, mode="tui")
    launch = openclaw.launch(screen)
    assert launch.stdio == "pty"
    for file in launch.files:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        file.path.write_text(file.content)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        launch.argv, env=launch.env, cwd=launch.cwd, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    shown = b""
    while b"gateway connected" not in shown:
        shown += os.read(ours, 4096)
    words = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in below(process.pid)]
    assert len(words) >= 2
    process.send_signal(signal.SIGTERM)  # as the daemon does at the hand-back
    process.wait(PATIENCE_S)
    os.close(ours)
    told = list(openclaw.transcript(screen, since))
    assert told == [Told("typed", None), Text("seen"), Used(5)]
    assert openclaw.transcript(screen, time.time() + 5) == []


def test_its_configuration_is_lean_holds_no_secret_and_asks_before_it_acts(openclaw: OpenClaw, spawn: Spawn) -> None:
    launch = openclaw.launch(spawn)
    settings = next(file for file in launch.files if file.path.parent == spawn.config)
    assert "t0ken" not in settings.content
    config = json.loads(settings.content)["config"]
    assert config["models"]["catalogRefresh"] == {"enabled": False}
    assert config["tools"]["exec"] == {"mode": "ask"}
    assert config["tools"]["toolSearch"] is False
    assert "sessions_spawn" in config["tools"]["deny"]
    assert config["gateway"]["mode"] == "local"
    assert config["logging"]["file"].startswith(str(spawn.home))  # its default is shared by all agents
    (provider,) = config["models"]["providers"].values()
    assert provider["baseUrl"] == "http://127.0.0.1:3001/llm/anthropic"  # without /v1
    assert provider["apiKey"] == "${AETHER_TOKEN}"
    server = config["mcp"]["servers"]["aether"]
    assert server["url"] == "http://127.0.0.1:3001/mcp"
    assert server["toolFilter"] == {"include": ["aether_*"]}
    assert launch.env["OPENCLAW_CONFIG_READONLY"] == "1"
    files = {file.path.name: file.content for file in launch.files}
    assert "You are ada." in files["AGENTS.md"]
    assert "`&&`" in files["AGENTS.md"]  # what is refused unasked
    assert "ada" in files["IDENTITY.md"]
    assert files["SOUL.md"]


def test_without_a_gateway_the_tools_come_by_the_relay_which_is_given_its_environment(
    openclaw: OpenClaw, spawn: Spawn
) -> None:
    own = replace(spawn, gateway=None, env={"OPENAI_API_KEY": "k"})
    settings = next(file for file in openclaw.launch(own).files if file.path.parent == spawn.config)
    config = json.loads(settings.content)["config"]
    assert config["mcp"]["servers"]["aether"]["env"]["AETHER_TOKEN"] == "${AETHER_TOKEN}"
    (provider,) = config["models"]["providers"].values()
    assert provider["apiKey"] == "${OPENAI_API_KEY}"
    assert provider["baseUrl"].endswith("/v1")


def test_what_is_missing_is_said_with_how_to_get_it(openclaw: OpenClaw, spawn: Spawn, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="model configure"):
        openclaw.launch(replace(spawn, gateway=None))
    with pytest.raises(Invalid, match="no OpenClaw conversation"):
        openclaw.launch(replace(spawn, session="../x"))
    assert openclaw.check().version == "2026.9.6"
    missing = OpenClaw(tmp_path / "nowhere")
    assert "aetherctl runtime install openclaw" in (missing.check().missing or "")
    with pytest.raises(Unavailable, match="aetherctl runtime install openclaw"):
        missing.launch(spawn)


def test_a_transcript_that_is_a_link_is_not_read(openclaw: OpenClaw, spawn: Spawn, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text('{"at": 9e15, "type": "told", "text": "stolen"}\n')
    (spawn.home / ".openclaw").mkdir()
    (spawn.home / ".openclaw" / "transcript.jsonl").symlink_to(secret)
    assert openclaw.transcript(spawn, 0) == []
