"""How things look to a person in an MCP client: titles in words, an icon per room, hints true to the effect."""

from __future__ import annotations

from functools import cache
from urllib.parse import quote

import mcp_types as types

from aetherd.operations.operation import Effect, Operation

NAMES = {"fs": "files", "gpu": "GPU", "mcp": "MCP servers"}
ICONS = {  # one path each, drawn as a line on 24 by 24
    "agent": "M12 12a4 4 0 100-8 4 4 0 000 8zM4 21a8 8 0 0116 0",
    "approval": "M4 12l5 6L20 6",
    "audit": "M6 3h12v18H6zM9 8h6M9 12h6M9 16h4",
    "control": "M3 7h18v10H3zM7 11h1M12 11h1M17 11h1M8 14h8",
    "fs": "M3 6h6l2 2h10v11H3z",
    "memory": "M6 3h12v18l-6-5-6 5z",
    "message": "M4 5h16v11H9l-5 4z",
    "process": "M8 5v14l11-7z",
    "system": "M12 3v8M6 7a8 8 0 1012 0",
    "terminal": "M3 5h18v14H3zM7 9l3 3-3 3M12 15h5",
    "token": "M8 16a4 4 0 113-6h10v4h-3v3h-3v-3h-4",
    "tool": "M14 5a4 4 0 005 5L9 20l-5-5z",
}
OTHER = "M4 4h16v16H4z"
AETHER = "M12 3l9 16H3zM12 10v4"


@cache
def icons(room: str) -> list[types.Icon]:
    """Return the icon of a room; `aether` is the house itself."""
    path = AETHER if room == "aether" else ICONS.get(room, OTHER)
    svg = (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='none' stroke='#7a7f87' stroke-width='2'>"
        f"<path d='{path}'/></svg>"
    )
    source = "data:image/svg+xml," + quote(svg, safe=" ='/:")
    return [types.Icon(src=source.replace(" ", "%20"), mime_type="image/svg+xml", sizes=["any"])]


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
