"""Pictures in results: image content beside the text, and never base64 that a model would read as words.

Clients that find structured content show a model that alone. So what holds a picture comes without it, and its
tool has no output schema that would ask for it.
"""

from __future__ import annotations

import json
from typing import Any

import mcp_types as types
from pydantic import BaseModel

from aetherd.core.picture import Picture
from aetherd.operations.catalog import schema_of
from aetherd.operations.operation import Operation

_KEYS = set(Picture.model_fields)


def may_hold(op: Operation) -> bool:
    """Tell whether an operation's result may hold pictures: its type says so, or it runs any other operation."""
    return op.delegates or Picture.__name__ in schema_of(op.output, "serialization").get("$defs", {})


def shown(value: BaseModel) -> types.CallToolResult | None:
    """Return a result as text and pictures; None when there is no picture in it."""
    whole = value.model_dump(mode="json")
    found: list[types.ImageContent] = []
    _lift(whole, found)
    if not found:
        return None
    text = types.TextContent(text=json.dumps(whole, ensure_ascii=False))
    return types.CallToolResult(content=[text, *found])


def _lift(node: Any, into: list[types.ImageContent]) -> None:
    if isinstance(node, dict):
        for name, item in list(node.items()):
            if isinstance(item, dict) and item.keys() == _KEYS:
                into.append(types.ImageContent(data=str(item["base64"]), mime_type=str(item["media_type"])))
                del node[name]
            else:
                _lift(item, into)
    elif isinstance(node, list):
        for item in node:
            _lift(item, into)
