"""Real Claude Code under the real daemon, with a scripted model behind it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from aetherd_runtimes.claude_code import ClaudeCode
from tests.e2e.daemon_lab import Daemon, children, dead, stat, words
from tests.model_api import ModelApi, Request

REPORT = ClaudeCode().check()
KEY = "dummy-key-for-tests"
_names = itertools.count(1)


def real(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that drives the real binary."""
    missing = pytest.mark.skipif(not REPORT.available, reason=REPORT.missing or "")
    marked: Callable[..., None] = pytest.mark.claude(missing(test))
    return marked


def tool(name: str, /, **input: Any) -> dict[str, Any]:
    """Script a tool call."""
    return {"tool_use": {"name": name, "input": input}}


def aether(name: str, /, **input: Any) -> dict[str, Any]:
    """Script a call of one of aetherd's tools."""
    return tool(f"mcp__aether__aether_{name}", **input)


def bash(command: str) -> dict[str, Any]:
    """Script a command that needs leave."""
    return tool("Bash", command=command)


def says(*reply: Any, **step: Any) -> dict[str, Any]:
    """Script one answer: texts and tool calls."""
    return {"reply": [{"text": one} if isinstance(one, str) else one for one in reply], **step}


@contextmanager
def model(*steps: dict[str, Any], **script: Any) -> Iterator[ModelApi]:
    """Serve a script: these steps in order, each once."""
    with ModelApi({"steps": list(steps), "side": says("a title"), **script}) as api:
        yield api


def give_key(daemon: Daemon, api: ModelApi) -> None:
    """Let the daemon reach this API for runs that have no key of their own."""
    daemon.call("model.configure", provider="anthropic", base_url=api.url, api_key=KEY)


class Claude:
    """One Claude Code agent; not `direct`, its model is reached through the daemon, which alone has the key."""

    def __init__(
        self, daemon: Daemon, api: ModelApi, goal: str | None = "do your task", *, direct: bool = True, **input: Any
    ) -> None:
        self.daemon, self.api = daemon, api
        own = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": KEY} if direct else {}
        env = {**own, **input.pop("env", {})}
        name = input.pop("name", f"claude-{next(_names)}-{daemon.key}")
        self.spawned = daemon.spawn("claude-code", goal=goal, name=name, env=env, **input)
        self.pid: int = self.spawned["pid"]
        self.name: str = self.spawned["name"]

    def get(self) -> dict[str, Any]:
        """Return the process."""
        return self.daemon.get(self.pid)

    def wait(self) -> dict[str, Any]:
        """Wait for the result."""
        return self.daemon.wait(self.pid)

    def send(self, text: str, **input: Any) -> Any:
        """Tell it something."""
        return self.daemon.call("process.send", pid=self.pid, text=text, **input)

    def approval(self) -> dict[str, Any]:
        """Wait for its question."""
        return self.daemon.approval(self.pid)

    def decide(self, decision: str, **input: Any) -> None:
        """Answer its question."""
        self.daemon.call("approval.decide", id=self.approval()["id"], decision=decision, **input)

    def file(self, name: str) -> str:
        """Return a file of its working directory."""
        return (self.daemon.home / "agents" / self.spawned["agent"] / "home" / "work" / name).read_text()

    def runtimes(self) -> list[int]:
        """Return the os pids of the Claude processes that live, found in /proc without the daemon's help."""
        binary = str(REPORT.path)
        found = {one: stat(one)[1:2] for one in self.daemon.tree(self.pid) if words(one)[:1] == [binary]}
        # A child of Claude still has Claude's command line between its fork and its exec: on a busy machine for 30 ms.
        return [one for one, parent in found.items() if parent and int(parent[0]) not in found]

    def relays(self) -> list[int]:
        """Return the os pids of the MCP relays of its Claude."""
        return [
            child
            for one in self.runtimes()
            for child in children(one)
            if not dead(child) and any("relay.main()" in word for word in words(child))
        ]


def occurrences(requests: list[Request], text: str) -> int:
    """Return in how many messages the last request has a text: more than one and it was sent twice."""
    return sum(text in str(message.get("content")) for message in requests[-1].messages)
