"""Input from outside: strict JSON bodies, and query parameters read by an operation's schema."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from typing import Any

import anyio
from starlette.datastructures import QueryParams
from starlette.requests import Request

from aetherd.core.errors import Invalid
from aetherd.web.answers import BadRequest, TooSlow, UnsupportedMedia

BODY_S = 30.0  # a JSON body arrives within this
DIGITS = 20
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse(text: bytes | str) -> Any:
    """Parse JSON, without what JSON does not have and what would break later.

    Refused: NaN, infinities (also as 1e999), duplicate keys, integers over 64 bits, lone surrogates, deep
    nesting.
    """
    try:
        if isinstance(text, bytes):
            raw, text = text, text.decode("utf-8")
        else:
            raw = text.encode("utf-8")
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_constant, parse_float=_finite, parse_int=_small
        )
        if SURROGATE.search(raw):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise BadRequest("the JSON is nested too deeply") from None
    except UnicodeError:
        raise BadRequest("the JSON is not valid UTF-8") from None
    except json.JSONDecodeError as exc:
        raise BadRequest(f"this is not JSON: {exc.msg.lower()} at character {exc.pos}", position=exc.pos) from None
    return value


def parse_object(text: bytes | str) -> dict[str, Any]:
    """Parse JSON that must be an object; nothing at all is an empty one."""
    value = parse(text) if text.strip() else {}
    if not isinstance(value, dict):
        raise BadRequest("the JSON is not an object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadRequest("the JSON has a key twice in one object")
    return found


def _constant(name: str) -> Any:
    raise BadRequest(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise BadRequest("a number in the JSON is out of range")
    return value


def _small(text: str) -> int:
    if len(text) > DIGITS or not -(2**63) <= (value := int(text)) < 2**63:
        raise BadRequest("a number in the JSON is out of range")
    return value


async def json_body(request: Request) -> dict[str, Any]:
    """Read the body of a call: a JSON object, or nothing."""
    try:
        with anyio.fail_after(BODY_S):
            body = await request.body()
    except TimeoutError:
        raise TooSlow("the body did not arrive in time") from None
    if not body:
        return {}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise UnsupportedMedia("the body must be JSON: send `Content-Type: application/json`")
    return parse_object(body)


def from_query(query: QueryParams, schema: dict[str, Any]) -> dict[str, Any]:
    """Read an operation's input from query parameters; arrays are repeated, objects are JSON."""
    properties = schema.get("properties", {})
    found: dict[str, Any] = {}
    for name in query:
        values = query.getlist(name)
        kinds = {part.get("type"): part for part in variants(properties.get(name, {}), schema)}
        if "array" in kinds:
            items = {part.get("type"): part for part in variants(kinds["array"].get("items", {}), schema)}
            found[name] = [_scalar(name, value, items) for value in values]
        elif len(values) > 1:
            raise Invalid(f"{name} is given {len(values)} times", field=name)
        else:
            found[name] = _scalar(name, values[0], kinds)
    return found


def variants(schema: dict[str, Any], root: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the alternatives a field's schema allows, with references resolved."""
    if "$ref" in schema:
        return variants(root.get("$defs", {}).get(schema["$ref"].rpartition("/")[2], {}), root)
    return [leaf for part in schema.get("anyOf", ()) for leaf in variants(part, root)] or [schema]


def _scalar(name: str, text: str, kinds: dict[Any, Any]) -> Any:
    if "integer" in kinds and re.fullmatch(r"-?[0-9]{1,19}", text):
        value = int(text)
        if not -(2**63) <= value < 2**63:
            raise Invalid(f"{name} is out of range", field=name)
        return value
    if "integer" in kinds and re.fullmatch(r"-?[0-9]+", text):
        raise Invalid(f"{name} is out of range", field=name)
    if "number" in kinds:
        with suppress(ValueError):
            if not math.isfinite(number := float(text)):
                raise Invalid(f"{name} is out of range", field=name)
            return number
    if "boolean" in kinds and text.lower() in ("true", "false", "1", "0"):
        return text.lower() in ("true", "1")
    if "string" in kinds:
        return text
    if "null" in kinds and text == "null":
        return None
    if "object" in kinds:
        return parse(text)
    return text  # unknown field or wrong type: the operation's model says so
