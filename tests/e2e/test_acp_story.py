"""Real Codex, opencode and Gemini CLI under the real daemon, which alone has the key of the scripted model."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.daemon_lab import Daemon, until
from tests.house import usual_tier
from tests.installed import installed
from tests.model_api import ModelApi

KEY = "dummy-key-for-tests"
PROVIDER = {"codex": "openai", "opencode": "openai", "gemini": "gemini"}
COMMAND = "echo made > made.txt && cat made.txt"
SHELL: dict[str, dict[str, Any]] = {  # what asks a person in each
    "codex": {
        "name": "exec_command",
        "input": {"cmd": COMMAND, "sandbox_permissions": "require_escalated", "justification": "it must be made"},
    },
    "opencode": {"name": "bash", "input": {"command": COMMAND, "description": "make it"}},
    "gemini": {"name": "run_shell_command", "input": {"command": COMMAND, "description": "make it"}},
}
# Codex writes programs for the tools of the models it knows; one it does not know calls them one by one.
MODEL = {"codex": "openai/gpt-unknown", "opencode": "openai/gpt-unknown", "gemini": "gemini/gemini-unknown"}
# each tier; Codex in bwrap, where its own sandbox cannot start
RUNS = [
    ("codex", "bwrap"),
    *(pytest.param(*run, marks=pytest.mark.nightly) for run in (("opencode", "host"), ("gemini", "bwrap"))),
]


@contextlib.contextmanager
def house(short: str) -> Iterator[tuple[Daemon, ModelApi]]:
    """A daemon that has the runtime and the key, and the model."""
    prefix = installed(short)
    remember = {"tool_use": {"name": "*memory_remember", "input": {"content": f"{short} was here"}}}
    rules = [
        {"when": {"said": "the task"}, "times": 1, "reply": [{"text": "I remember."}, remember]},
        {"when": {"tool_result": "memory"}, "times": 1, "reply": [{"text": "I make it."}, {"tool_use": SHELL[short]}]},
        {"when": {"tool_result": "made"}, "times": 1, "reply": [{"text": "It is made."}]},
        {"when": {"said": "wait"}, "times": 1, "reply": [{"text": ["I wait ", {"hold": "it"}, "in vain."]}]},
    ]
    with ModelApi({"rules": rules, "key": KEY, "default": {"reply": [{"text": "Still here."}]}}) as api:
        daemon = Daemon()
        (daemon.home / "runtimes").mkdir(mode=0o755)
        (daemon.home / "runtimes" / short).symlink_to(prefix)
        with daemon:
            daemon.call("model.configure", provider=PROVIDER[short], base_url=api.url, api_key=KEY)
            yield daemon, api


@pytest.mark.runtimes
@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize(("short", "tier"), RUNS)
def test_an_agent_of_acp_works_asks_is_stopped_killed_and_goes_on(short: str, tier: str) -> None:
    if tier == "bwrap" and usual_tier() == "host":
        pytest.skip("bubblewrap does not work here")
    with house(short) as (daemon, api):
        name, how = f"{short}-{tier}", {"model": MODEL[short], "sandbox": {"tier": tier}}
        pid = daemon.spawn(f"acp:{short}", goal="do the task", name=name, **how)["pid"]
        asked = daemon.approval(pid, 60)
        assert COMMAND in str(asked)
        assert daemon.get(pid)["phase"] == "waiting_approval"
        daemon.call("approval.decide", id=asked["id"], decision="allow_once")
        result = daemon.wait(pid)
        assert (result["outcome"], result["text"]) == ("completed", "It is made."), daemon.events(pid=pid)
        row = daemon.get(pid)
        assert row["tools_connected"] is True
        work = daemon.home / "agents" / row["agent"] / "home" / "work"
        assert (work / "made.txt").read_text() == "made\n"
        assert daemon.call("memory.recall", query=f"{short} was here", agent=name)["memories"]
        assert {request.key for request in api.log} == {KEY}
        alone = "The sandbox for commands cannot start here" in str(api.requests[0].body)
        assert alone == (short == "codex")  # else its model would fail with each command first

        daemon.call("process.send", pid=pid, text="wait for me")
        until(lambda: "wait for me" in api.requests[-1].said, 30, "the turn")
        daemon.call("process.interrupt", pid=pid)
        until(lambda: daemon.get(pid)["phase"] == "waiting_input", 20, "the turn to be stopped")
        api.release("it")

        tree = daemon.tree(pid)
        daemon.kill()
        os.kill(_bridge(tree), signal.SIGKILL)  # with the daemon away
        daemon.start()
        ended = daemon.ended(pid)
        assert (ended["state"], ended["outcome"]) == ("exited", "failed")
        until(lambda: not daemon.tree(pid), 10, "all of its tree to be gone")

        again = daemon.spawn(f"acp:{short}", goal="are you there?", agent=name, **how)["pid"]
        result = daemon.wait(again)
        assert (result["outcome"], result["text"]) == ("completed", "Still here.")
        assert "the task" in str(api.requests[-1].messages)
        assert "It is made." not in [event.get("text") for event in daemon.events(pid=again)]  # told once, not again


def _bridge(tree: list[int]) -> int:
    """Return the os pid of the bridge."""
    for one in tree:
        words = Path(f"/proc/{one}/cmdline").read_bytes().split(b"\0")
        if any(word.endswith(b"acp/__main__.py") for word in words):
            return one
    raise AssertionError(f"no bridge in {tree}")
