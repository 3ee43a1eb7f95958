"""The adapters that ship with aetherd keep every promise of the contract."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aetherd_runtimes.acp_kinds import Codex, Gemini, OpenCode
from aetherd_runtimes.acp_runtime import Acp
from aetherd_runtimes.builtin_runtime import Builtin
from aetherd_runtimes.command import Command
from tests.conformance.runtime import PROMISES, Case
from tests.installed import PLACE

BUILTIN: list[dict[str, Any]] = [
    {"type": "session", "session": "s", "model": "demo (no model)", "tools_connected": False, "version": "1"},
    {"type": "session", "session": "s", "model": "demo (no model)", "tools_connected": True, "version": "1"},
    {"type": "session", "session": "s", "model": "demo (no model)", "tools_connected": True, "version": "1"},
    {"type": "turn_started"},
    {"type": "told", "id": "goal-7", "text": "say what you see"},
    {"type": "thought", "text": "no model"},
    {"type": "trouble", "text": "aetherd does not answer"},
    {"type": "tool_called", "id": "1", "tool": "aether_fs_list", "input": {"path": "."}},
    {"type": "tool_returned", "id": "1", "text": "{}", "is_error": False},
    {"type": "used", "input_tokens": 3, "output_tokens": 4, "cost_usd": 0.01, "model": "m"},
    {"type": "delta", "kind": "text", "text": "do"},
    {"type": "text", "text": "done", "interrupted": False},
    {"type": "turn_ended", "outcome": "completed", "text": "done", "error": None, "resets_at": None},
]

CLAUDE: list[dict[str, Any]] = [
    {
        "type": "system",
        "subtype": "init",
        "session_id": "0b0e7f5c-2f6f-4c5b-9a53-6d1f5f0f5a11",
        "model": "claude",
        "permissionMode": "manual",
        "mcp_servers": [{"name": "aether", "status": "connected"}],
        "claude_code_version": "2.1.327",
    },
    {
        "type": "assistant",
        "message": {"id": "msg_1", "role": "assistant", "content": [{"type": "text", "text": "done"}]},
        "session_id": "0b0e7f5c-2f6f-4c5b-9a53-6d1f5f0f5a11",
    },
    {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "result": "done",
        "num_turns": 1,
        "session_id": "0b0e7f5c-2f6f-4c5b-9a53-6d1f5f0f5a11",
        "total_cost_usd": 0.0016,
        "usage": {"input_tokens": 3, "output_tokens": 4},
        "terminal_reason": "completed",
        "errors": [],
    },
]


def lines(messages: list[dict[str, Any]]) -> Callable[[], list[bytes]]:
    return lambda: [json.dumps(message).encode() for message in messages]


def claude_code() -> Case:
    adapter = "aetherd_runtimes.claude_code"
    module = pytest.importorskip(adapter, reason=f"{adapter} is not there", exc_type=ImportError)
    return Case(module.ClaudeCode(), lines(CLAUDE), env={"ANTHROPIC_API_KEY": "sk-c0ffee"})


def acp(kind: type[Acp], **env: str) -> Callable[[], Case]:
    asked = {"request": "q1", "tool": "execute", "input": {"command": "ls"}, "title": "ls", "tool_call": "1"}
    questions = [{"type": "permission_asked", **asked}, {"type": "permission_closed", "request": "q1"}]
    transcript = lines([*BUILTIN[:4], *questions, *BUILTIN[4:]])
    return lambda: Case(kind(PLACE / kind.name.partition(":")[2]), transcript, env=env)


CASES: dict[str, Callable[[], Case]] = {
    "builtin": lambda: Case(Builtin(), lines(BUILTIN)),
    "command": lambda: Case(Command(), lambda: [b"\x1b[1mhello\x1b[0m\r", b"50%\r100%", b"bye"], argv=("cat", "-u")),
    "claude-code": claude_code,
    "acp:codex": acp(Codex, OPENAI_API_KEY="sk-c0ffee"),
    "acp:opencode": acp(OpenCode, OPENAI_API_KEY="sk-c0ffee"),
    "acp:gemini": acp(Gemini, GEMINI_API_KEY="sk-c0ffee"),
}


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: str(promise.__name__))
@pytest.mark.parametrize("name", CASES)
def test_the_adapter_keeps_its_promise(name: str, promise: Callable[[Case, Path], None], tmp_path: Path) -> None:
    promise(CASES[name](), tmp_path)


@pytest.mark.parametrize("name", CASES)
def test_the_name_is_the_one_that_spawn_uses(name: str) -> None:
    assert CASES[name]().runtime.name == name


@pytest.mark.parametrize("name", ["acp", "bridge", "builtin", "openclaw"])
def test_what_runs_beside_an_agent_never_imports_the_daemon(name: str) -> None:
    package = Path(str(importlib.import_module(f"aetherd_runtimes.{name}").__file__)).parent
    sources = [path.read_text() for path in package.rglob("*.py")]
    assert not [source for source in sources if "import aetherd." in source or "from aetherd." in source]
