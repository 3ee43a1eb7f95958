"""Which tools a caller is shown. The scope says what is allowed, the toolset what is on the menu.

Whatever is not listed is reached through `aether_tool_search` and `aether_tool_call`, under the same guards.
A worker's menu is at most 20 tools and 6,000 tokens; a test counts both.
"""

from __future__ import annotations

from collections.abc import Callable

from aetherd.operations.operation import Operation

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
    "agent.create",
    "agent.get",
    "agent.list",
    "memory.forget",
    "memory.get",
    "memory.list",
    "message.thread",
    "process.get",
    "process.interrupt",
    "process.kill",
    "process.output",
    "process.pause",
    "process.resume",
    "process.timeline",
    "process.tree",
    "terminal.list",
    "terminal.open",
    "terminal.read",
    "terminal.send",
}
OPERATOR = LEAD | {
    "agent.archive",
    "agent.update",
    "approval.decide",
    "approval.list",
    "audit.query",
    "control.acquire",
    "control.release",
    "control.status",
    "fs.search",
    "process.signal",
    "system.doctor",
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
