"""The runtimes of the bench: how each is installed, what its own tool for commands is called, what it cannot do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.model_api import Request

KEY = "canary-key-of-the-scripted-model-0123456789"

Command = Callable[[str], dict[str, Any]]


@dataclass(frozen=True)
class Kind:
    """One runtime."""

    name: str
    provider: str  # of the gateway
    model: str | None = None
    program: tuple[str, ...] = ()  # words of which one is in the command line of its own process
    commands: tuple[tuple[str, Command], ...] = ()  # the ending of a tool that runs a command, and its input
    short: str | None = None  # the name of its install
    start_s: float = 30.0  # until the model is asked, on a busy machine
    model_runs: bool = True  # False: it has no model at all

    def command(self, line: str, requests: Sequence[Request]) -> dict[str, Any] | None:
        """Script a command by the tool it offers for that; None when it offers none."""
        offered = requests[-1].conversation.tools if requests else []
        for ending, arguments in self.commands:
            for tool in offered:
                if tool.name == ending or (ending.startswith("*") and tool.name.endswith(ending[1:])):
                    return {"tool_use": {"name": tool.full, "input": arguments(line)}}
        return None


def _described(line: str) -> dict[str, Any]:
    return {"command": line, "description": "a command of the bench"}


BEYOND = {"sandbox_permissions": "require_escalated", "justification": "the bench wants it"}  # then Codex asks

KINDS: tuple[Kind, ...] = (
    Kind(
        "claude-code",
        "anthropic",
        program=("claude",),
        commands=(("Bash", lambda line: {"command": line}),),
    ),
    Kind(
        "builtin",
        "anthropic",
        model="anthropic/claude-sonnet-4-5",
        program=("builtin/__main__.py",),
        commands=(("shell", lambda line: {"command": line}),),
    ),
    Kind(
        "acp:codex",
        "openai",
        model="gpt-5",
        program=("codex",),
        commands=(
            ("exec_command", lambda line: {"cmd": line, **BEYOND}),
            ("shell_command", lambda line: {"command": line, **BEYOND}),
        ),
        short="codex",
    ),
    Kind(
        "acp:opencode",
        "openai",
        model="gpt-5",
        program=("opencode",),
        commands=(("bash", _described),),
        short="opencode",
        start_s=60,
    ),
    Kind(
        "acp:gemini",
        "gemini",
        model="gemini-2.5-flash",
        program=("gemini",),
        commands=(("run_shell_command", _described),),
        short="gemini",
    ),
    Kind(
        "openclaw",
        "openai",
        model="gpt-5",
        program=("openclaw",),
        commands=(("exec", lambda line: {"command": line}),),
        short="openclaw",
        start_s=120,
    ),
    Kind("command", "", program=("bench-agent",), model_runs=False),
)


UNTRIED = {"acp:goose"}  # it comes from no registry, so nobody can install it for the bench


def kind(name: str) -> Kind:
    """Return the one of this name, or of its short name."""
    return next(one for one in KINDS if name in (one.name, one.short))
