"""How things look to a person in an MCP client: titles in words, an icon per room, hints true to the effect."""

from __future__ import annotations

from functools import cache
from urllib.parse import quote

import mcp_types as types

from aetherd.operations.operation import Effect, Operation

NAMES = {"fs": "files", "gpu": "GPU", "mcp": "MCP servers"}
ICONS = {  # one filled path each, on 24 by 24
    "agent": "M8 3h8v8H8zM4 21a8 8 0 0116 0",
    "approval": "M3 12l3-3 4 4 8-8 3 3L10 19z",
    "audit": "M4 4h16v3H4zM4 10h16v3H4zM4 16h10v3H4z",
    "control": "M4 3l16 9-7 2-3 7z",
    "fs": "M3 5h6l2 3h10v11H3z",
    "memory": "M6 3h12v18l-6-5-6 5z",
    "message": "M4 5h16v11H9l-5 4z",
    "process": "M8 5v14l11-7z",
    "system": "M11 3h2v9h-2zM6 7a8 8 0 1012 0l-2 2a5 5 0 11-8 0z",
    "terminal": "M4 6l7 6-7 6zM12 16h8v3h-8z",
    "token": "M3 8h8v3h10v3h-3v3h-3v-3h-4v2H3z",
    "tool": "M4 4h12v5h-4v12H8V9H4z",
}
OTHER = "M4 4h16v16H4z"
AETHER = "M12 3l9 16H3z"


@cache
def icons(room: str) -> list[types.Icon]:
    """Return the icon of a room; `aether` is the house itself."""
    path = AETHER if room == "aether" else ICONS.get(room, OTHER)
    drawn = f"<path fill='gray' d='{path.replace(' ', ',')}'/>"  # a space takes three bytes, in every tool of a menu
    svg = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0,0,24,24'>{drawn}</svg>"
    return [types.Icon(src="data:image/svg+xml," + quote(svg, safe="='/:,"))]


def title(op: Operation) -> str:
    """Return what a person reads: `process.set_priority` is "Process: set priority"."""
    room, _, verb = op.name.partition(".")
    named = NAMES.get(room, room)
    return f"{named[0].upper()}{named[1:]}: {verb.replace('_', ' ')}"


def hints(op: Operation) -> types.ToolAnnotations:
    """Return what a client may assume of a tool before it calls it."""
    reads = op.effect is Effect.READ
    return types.ToolAnnotations(
        title=title(op),
        read_only_hint=reads,
        destructive_hint=op.effect is Effect.DESTROY,
        idempotent_hint=reads,
        open_world_hint=False,
    )
