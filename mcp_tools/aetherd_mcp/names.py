"""Tool names: `process.spawn` is `aether_process_spawn`. Room names hold no underscore, so it maps back uniquely."""

from __future__ import annotations

from aetherd.operations.catalog import tool_name

LONGEST = 45  # clients put a prefix before it and cap near 64


def operation_name(tool: str) -> str:
    """Return the operation of a tool name; a name that is none is returned as it is, for a clear error."""
    room, found, verb = tool.removeprefix("aether_").partition("_")
    return f"{room}.{verb}" if found and tool.startswith("aether_") else tool


__all__ = ["LONGEST", "operation_name", "tool_name"]
