"""A flow as it was given, from YAML or JSON text or as an object, to plain data: bounded, without aliases or tags."""

from __future__ import annotations

import json
import re
from typing import Any

import anyio.to_thread

from aetherd.core.errors import Invalid

LONGEST = 200_000  # characters of a definition
DEEPEST = 40  # mappings and lists in one another
BOOLEANS = "tag:yaml.org,2002:bool"
DATES = "tag:yaml.org,2002:timestamp"
TRUTHS = re.compile("^(?:true|True|TRUE|false|False|FALSE)$")


async def plain(given: dict[str, Any] | str) -> dict[str, Any]:
    """Return the definition as plain data; raises `Invalid` and says the line."""
    if isinstance(given, str):
        bounded(len(given))
        return await anyio.to_thread.run_sync(parsed, given)
    try:
        bounded(len(json.dumps(given, allow_nan=False)))
    except (RecursionError, ValueError) as exc:
        raise Invalid(f"flow: {exc}", field="flow") from exc
    return given


def bounded(length: int) -> None:
    """Refuse what is too long to be a definition."""
    if length > LONGEST:
        raise Invalid(
            f"flow: {length:,} characters, at most {LONGEST:,}: keep data in files or inputs, and repeat with `each`",
            field="flow",
        )


def parsed(text: str) -> dict[str, Any]:
    """Parse YAML, of which JSON is a part; blocking. It is read as YAML 1.2 reads it: yes, no and dates are texts."""
    import yaml  # 20 ms that a daemon without flows does not pay

    class Loader(yaml.CSafeLoader):
        yaml_implicit_resolvers = {
            letter: [(tag, pattern) for tag, pattern in found if tag not in (BOOLEANS, DATES)]
            for letter, found in yaml.CSafeLoader.yaml_implicit_resolvers.items()
        }

    for letter in "tTfF":
        Loader.yaml_implicit_resolvers.setdefault(letter, []).append((BOOLEANS, TRUTHS))
    try:
        depth = 0
        for event in yaml.parse(text, Loader=Loader):
            line = event.start_mark.line + 1 if event.start_mark is not None else 1
            if isinstance(event, yaml.AliasEvent):
                raise Invalid(f"flow: line {line}: aliases (*name) are not read; write it out", field="flow")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise Invalid(f"flow: line {line}: nested deeper than {DEEPEST}", field="flow")
        found = yaml.load(text, Loader=Loader)
        json.dumps(found, allow_nan=False)
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
        raise Invalid(f"flow: {where}{getattr(exc, 'problem', None) or exc}", field="flow") from exc
    except (ValueError, TypeError) as exc:
        raise Invalid(f"flow: {exc}", field="flow") from exc
    if not isinstance(found, dict):
        raise Invalid("flow: it is no mapping; it begins with `steps:`", field="flow")
    return found
