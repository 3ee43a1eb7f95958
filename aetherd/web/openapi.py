"""The catalogue in the words of OpenAPI 3.1: one path per operation."""

from __future__ import annotations

import json
from typing import Any


def openapi(catalog: dict[str, Any]) -> dict[str, Any]:
    """Derive the document; pure."""
    schemas: dict[str, Any] = {
        "Error": {
            "type": "object",
            "required": ["error"],
            "properties": {
                "error": {
                    "type": "object",
                    "required": ["code", "message", "data"],
                    "properties": {
                        "code": {"type": "string", "enum": [error["code"] for error in catalog["errors"]]},
                        "message": {"type": "string"},
                        "data": {"type": "object"},
                    },
                }
            },
        }
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "aetherd", "version": catalog["version"]},
        "security": [{"bearer": []}, {"cookie": []}],
        "paths": {f"/v1/{entry['name']}": _path(entry, schemas) for entry in catalog["operations"]},
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "aether_session"},
            },
        },
    }


def _path(entry: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    given = _hoist(entry["input"], entry["name"] + ".input", schemas)
    answer = {"application/json": {"schema": _hoist(entry["output"], entry["name"] + ".output", schemas)}}
    if entry["streams"]:
        answer["text/event-stream"] = {"schema": {"type": "string"}}
    common = {
        "tags": [entry["room"]],
        "summary": entry["summary"],
        "description": entry["doc"],
        "x-scope": entry["scope"],
        "x-effect": entry["effect"],
        "responses": {
            "200": {"description": "the output", "content": answer},
            "default": {
                "description": "an error",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
    }
    methods = {
        "post": {
            "operationId": entry["name"],
            **common,
            "requestBody": {
                "required": bool(given.get("required")),
                "content": {"application/json": {"schema": given}},
            },
        }
    }
    if entry["effect"] == "read":
        needed = given.get("required", ())
        parameters = [
            {
                "name": name,
                "in": "query",
                "required": name in needed,
                "schema": schema,
                "description": schema.get("description", ""),
            }
            for name, schema in given.get("properties", {}).items()
        ]
        methods["get"] = {"operationId": f"{entry['name']}.get", **common, "parameters": parameters}
    return methods


def _hoist(schema: dict[str, Any], where: str, schemas: dict[str, Any]) -> dict[str, Any]:
    """Move a schema's own definitions to the document's, under a name of their own when one is taken."""
    names = {}
    for name, definition in schema.get("$defs", {}).items():
        taken = schemas.get(name)
        same = taken is None or json.dumps(_renamed(definition, {}), sort_keys=True) == json.dumps(
            taken, sort_keys=True
        )
        names[name] = name if same else f"{where}.{name}"
    for name, definition in schema.get("$defs", {}).items():
        schemas[names[name]] = _renamed(definition, names)
    found: dict[str, Any] = _renamed({key: value for key, value in schema.items() if key != "$defs"}, names)
    return found


def _renamed(node: Any, names: dict[str, str]) -> Any:
    if isinstance(node, dict):
        return {
            key: f"#/components/schemas/{names.get(name := value.rpartition('/')[2], name)}"
            if key == "$ref" and isinstance(value, str)
            else _renamed(value, names)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_renamed(item, names) for item in node]
    return node
