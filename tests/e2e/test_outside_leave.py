"""The real Claude Code with a token that has to ask: its person is asked where they sit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.claude_lab import aether, model, real, says
from tests.e2e.daemon_lab import Daemon
from tests.e2e.outside_lab import OutsideClaude, Over
from tests.model_api import ModelApi

BOTH: list[Over] = ["stdio", "http"]


class Careful(OutsideClaude):
    """An outside Claude Code with a token that has to ask, and a person who answers every question alike."""

    def __init__(self, daemon: Daemon, api: ModelApi, over: Over, action: str) -> None:
        self.action, self.asked = action, list[dict[str, Any]]()
        super().__init__(daemon, api, over)

    def aetherctl(self, *words: str, cwd: Path | None = None) -> str:
        """Make every token one that has to ask, and give it to the relay."""
        if words[:2] == ("token", "create"):
            words = (*words, "--confirm")
        found = super().aetherctl(*words, cwd=cwd)
        if words[:2] == ("mcp", "config") and "--http" not in words:
            made = json.loads(self.aetherctl("token", "create", "careful", "--scopes", "*", "--json"))
            assert cwd is not None
            config = json.loads((cwd / ".mcp.json").read_text())
            config["mcpServers"]["aether"].setdefault("env", {})["AETHER_TOKEN"] = made["secret"]
            (cwd / ".mcp.json").write_text(json.dumps(config))
        return found

    def hears(self, name: str, /, **input: Any) -> str:
        """Have the model call a tool; return what it is told: to errors Claude Code adds words of its own."""
        before = len(self.api.requests)
        self.api.use({"steps": [says(aether(name, **input)), says("Done.")]})
        self.turn_ended(self.say(f"please: {name}"))
        [text] = self.api.requests[before + 1].tool_results
        return text

    def _read(self) -> None:
        """Read as ever, and answer what it asks its person."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            with self._changed:
                self._said.append(message)
                self._changed.notify_all()
            if message["type"] == "control_request" and message["request"]["subtype"] == "elicitation":
                self.asked.append(message["request"])
                told = {"action": self.action} | ({"content": {}} if self.action == "accept" else {})
                response = {"subtype": "success", "request_id": message["request_id"], "response": told}
                self._write({"type": "control_response", "response": response})
        with self._changed:
            self._changed.notify_all()


@pytest.fixture(scope="module")
def fleet() -> Iterator[Daemon]:
    """A daemon as it comes."""
    with Daemon() as daemon:
        yield daemon


@real
@pytest.mark.parametrize("over", BOTH)
def test_the_person_at_claude_code_gives_leave_or_refuses(fleet: Daemon, over: Over) -> None:
    for action, sign in (("accept", '"done":true'), ("decline", "forbidden"), ("cancel", "pending_approval")):
        with model() as api, Careful(fleet, api, over, action) as claude:
            agent = fleet.call("agent.create", name=f"{over} {action}")
            told = claude.does("agent_archive", agent=agent["id"])  # no question: it can be undone
            assert (told["id"], claude.asked) == (agent["id"], [])
            text = claude.hears("tool_call", name="agent.remove", input={"agent": agent["id"]})
            assert sign in text
            [question] = claude.asked
            assert agent["id"] in question["message"]
            assert "claude-code" in question["message"]
        newest = fleet.call("approval.list", limit=1)["approvals"][0]
        state = {"accept": "allowed", "decline": "denied", "cancel": "pending"}[action]
        assert newest["state"] == state
        if action != "cancel":
            assert newest["decided_via"].startswith("elicitation in claude-code")
