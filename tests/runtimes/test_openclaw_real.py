"""The real OpenClaw, as few starts of it as tell something: 10 to 20 s each. Its tools come by the relay here.

By HTTP, in a sandbox, with a real daemon and in its terminal it is seen by the conformance bench.
"""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import acp_lab
import pytest
from acp_lab import Bridge, below, bridge, spawn_in

from aetherd.runtime import Answer, Door, PermissionAsked, Say, Spawn, Told, ToolReturned, Trouble, TurnEnded, Used
from aetherd_runtimes.openclaw_runtime import OpenClaw
from tests.installed import installed
from tests.model_api import ModelApi

pytestmark = [pytest.mark.runtimes, pytest.mark.nightly]  # a minute, and 1.3 GB for each of two agents


def agent_in(place: Path, name: str, api: ModelApi) -> Spawn:
    """A request for an agent with a token of its own, and a model API given by a person."""
    place = place / name
    place.mkdir()
    spawn = spawn_in(place, env={"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": api.url}, model="claude-sonnet-5-5")
    return replace(spawn, name=name, door=Door(spawn.door.command, {"AETHER_TOKEN": f"token-of-{name}"}))


def ask(agent: Bridge, text: str, *, allow: bool) -> ToolReturned:
    """Say a text that makes it ask for a command; answer, and return what the command gave."""
    begun = len(agent.outputs)
    agent.say(text)
    asked = agent.wait(PermissionAsked, after=begun)
    agent.tell(Answer(asked.request, allow))
    agent.wait(TurnEnded, after=begun)
    return agent.wait(ToolReturned, after=begun)


@pytest.mark.timeout(420)
def test_two_agents_reach_only_their_own_tools_ask_before_they_act_and_survive_the_death_of_a_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acp_lab, "PATIENCE_S", 240.0)  # two gateways on a busy machine
    openclaw = OpenClaw(installed("openclaw"))
    runs = {"tool_use": {"name": "exec", "input": {"command": "echo written"}}}
    rules = [
        {"when": {"said": "ping", "tool_result": False}, "reply": [{"tool_use": {"name": "*_ping", "input": {}}}]},
        {"when": {"said": "run", "tool_result": False}, "reply": [runs]},
    ]
    with ExitStack() as stack:
        api = stack.enter_context(ModelApi({"rules": rules, "default": {"reply": [{"text": "done"}]}, "side": False}))
        names = ("ada", "bob")
        agents = [stack.enter_context(bridge(openclaw, agent_in(tmp_path, name, api))) for name in names]
        for agent in agents:
            agent.tell(Say("goal", "ping"))
        for name, agent in zip(names, agents, strict=True):
            ended = agent.wait(TurnEnded)
            assert (ended.outcome, ended.text) == ("completed", "done")
            assert [returned.text for returned in agent.all(ToolReturned)] == [f"pong for token-of-{name}"]
            assert sum(used.output_tokens for used in agent.all(Used)) > 0
        assert all([tool for tool in one.tools if "aether" in tool] == ["aether__aether_ping"] for one in api.requests)
        ada = agents[0]
        denied, allowed = ask(ada, "run a", allow=False), ask(ada, "run b", allow=True)
        assert denied.is_error
        assert "denied" in denied.text
        assert (allowed.text.strip(), allowed.is_error) == ("written", False)

        begun = len(ada.outputs)
        ada.say("run c")
        ada.wait(PermissionAsked, after=begun)
        gateways = [pid for pid in below(ada.process.pid) if _is_gateway(pid)]
        for pid in gateways:
            os.kill(pid, signal.SIGKILL)
        ended = ada.wait(TurnEnded, after=begun)
        assert (ended.outcome, ended.error) == ("failed", "the OpenClaw gateway was ended by SIGKILL")
        assert "started again" in ada.wait(Trouble, after=begun).text
        again = len(ada.outputs)
        ada.tell(Say("after", "still there?"))
        ada.wait(Told, lambda told: told.id == "after", after=again)
        ada.wait(TurnEnded, lambda ended: ended.outcome == "completed", after=again)
        assert "ping" in api.requests[-1].text  # the conversation was kept
        assert ada.close().outcome == "completed"


def _is_gateway(pid: int) -> bool:
    return b"openclaw-gateway" in Path(f"/proc/{pid}/cmdline").read_bytes()
