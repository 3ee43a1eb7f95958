"""Which tools a caller is shown. The scope says what is allowed, the toolset what is on the menu.

Whatever is not listed is reached through `aether_tool_search` and `aether_tool_call`, under the same guards.
Every menu has a ceiling, in tools and in tokens of a model's context; `make check` prints and checks them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from aetherd.operations.operation import Call, Operation

WORKER = frozenset(
    {
        "approval.request",
        "approval.wait",
        "control.request_human",
        "fs.list",
        "fs.read",
        "fs.write",
        "memory.recall",
        "memory.remember",
        "message.ack",
        "message.inbox",
        "message.send",
        "process.list",
        "process.result",
        "process.send",
        "process.spawn",
        "process.wait",
        "process.whoami",
        "system.status",
        "tool.call",
        "tool.search",
    }
)
LEAD = WORKER | {
    "agent.get",
    "agent.list",
    "flow.get",
    "flow.run",
    "memory.forget",
    "memory.get",
    "memory.list",
    "message.thread",
    "plan.create",
    "plan.get",
    "plan.update",
    "process.get",
    "process.interrupt",
    "process.kill",
    "process.output",
    "process.pause",
    "process.resume",
    "process.timeline",
    "skill.discover",
    "skill.get",
    "task.claim",
    "task.complete",
    "task.create",
    "task.delegate",
    "task.get",
    "task.list",
    "workspace.create",
    "workspace.get",
    "workspace.list",
    "workspace.mount",
    "workspace.release",
    "workspace.reserve",
    "worktree.commit",
    "worktree.diff",
    "worktree.list",
    "worktree.merge",
}
OPERATOR = LEAD | {
    "agent.archive",
    "agent.create",
    "agent.update",
    "approval.decide",
    "approval.list",
    "audit.query",
    "control.acquire",
    "control.release",
    "control.status",
    "feedback.submit",
    "flow.cancel",
    "flow.list",
    "fs.search",
    "message.broadcast",
    "process.signal",
    "process.tree",
    "profile.get",
    "system.doctor",
    "task.cancel",
    "template.list",
    "terminal.list",
    "terminal.open",
    "terminal.read",
    "terminal.send",
    "workspace.changes",
    "workspace.unmount",
    "worktree.create",
}

CEILINGS = {  # tools, tokens; `all` is for programs and for clients that search a long list themselves
    "worker": (20, 6_000),
    "lead": (60, 13_000),
    "operator": (85, 18_000),
    "all": (200, 42_000),
}
_SETS = {"worker": WORKER, "lead": LEAD, "operator": OPERATOR}


def names(toolset: str) -> frozenset[str]:
    """Return the operations on a menu."""
    return _SETS[toolset]


def shown(toolset: str) -> Callable[[Operation], bool]:
    """Return whether an operation is on the menu of a toolset; `all` shows everything."""
    if toolset == "all":
        return lambda _op: True
    if toolset not in _SETS:
        raise ValueError(f"no toolset {toolset!r}")
    return lambda op: op.name in _SETS[toolset]


def tokens(name: str, description: str, input_schema: Mapping[str, Any]) -> int:
    """Estimate what one tool costs a model: what clients show it of a tool, four characters to a token."""
    return -(-(len(name) + len(description) + len(json.dumps(input_schema))) // 4)


def may(op: Operation, call: Call) -> bool:
    """Return whether a caller can use an operation at all; whose things are meant is asked when it is called."""
    return op.open_to(call)
