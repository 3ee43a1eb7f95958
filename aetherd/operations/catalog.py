"""The catalogue: operations, events, errors, scopes and settings as one JSON document, the wire contract."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable
from typing import Any

from aetherd.core.config import Settings
from aetherd.core.errors import error_classes
from aetherd.events import Event
from aetherd.operations.operation import Operation, Subject


def tool_name(operation: str) -> str:
    """Return the MCP name of an operation; room names hold no underscore, so it maps back uniquely."""
    return "aether_" + operation.replace(".", "_")


@functools.cache
def schema_of(model: type, mode: Any) -> dict[str, Any]:
    """Return a model's JSON Schema without noise: generated titles, and that what may be left out is then null.

    Made once for all, so not to be changed.
    """
    schema: dict[str, Any] = _quiet(model.model_json_schema(mode=mode))  # type: ignore[attr-defined]
    return schema


def _quiet(node: Any, inside_properties: bool = False) -> Any:
    if isinstance(node, dict):
        return {
            key: _quiet(value, key in ("properties", "$defs"))
            for key, value in node.items()
            if inside_properties
            or not ((key == "title" and isinstance(value, str)) or (key, value) == ("default", None))
        }
    if isinstance(node, list):
        return [_quiet(item) for item in node]
    return node


def describe(op: Operation) -> dict[str, Any]:
    """Return the catalogue entry of one operation."""
    access = op.access
    return {
        "name": op.name,
        "room": op.room,
        "tool": tool_name(op.name),
        "summary": op.summary,
        "doc": op.doc,
        "scope": op.scope,
        "effect": str(op.effect),
        "streams": op.streams,
        "access": f"{access.kind}:{access.field}" if isinstance(access, Subject) else str(access),
        "positional": list(op.positional),
        "input": schema_of(op.input, "validation"),
        "output": schema_of(op.output, "serialization"),
    }


def catalog(version: str, operations: Iterable[Operation], events: Iterable[type[Event]]) -> dict[str, Any]:
    """Assemble the catalogue; pure and deterministic."""
    described = sorted((describe(op) for op in operations), key=lambda entry: entry["name"])
    return {
        "version": version,
        "operations": described,
        "events": sorted(
            (
                {
                    "type": event.model_fields["type"].default,
                    "doc": inspect.getdoc(event) or "",
                    "schema": _event_data(event),
                }
                for event in events
            ),
            key=lambda entry: str(entry["type"]),
        ),
        "errors": [
            {
                "code": cls.code,
                "status": cls.status,
                "retryable": cls.retryable,
                "doc": (inspect.getdoc(cls) or "").partition("\n")[0],
            }
            for cls in error_classes()
        ],
        "scopes": sorted({entry["scope"] for entry in described}),
        "settings": [
            {
                "name": name,
                "env": f"AETHER_{name.upper()}",
                "doc": field.description or "",
                "default": None if field.default is None else str(field.default),
            }
            for name, field in Settings.model_fields.items()
        ],
    }


def _event_data(event: type[Event]) -> dict[str, Any]:
    schema, envelope = schema_of(event, "serialization"), ("type", "pid", "agent")
    properties = {name: field for name, field in schema["properties"].items() if name not in envelope}
    required = [name for name in schema["required"] if name not in envelope]
    return schema | {"properties": properties, "required": required}
