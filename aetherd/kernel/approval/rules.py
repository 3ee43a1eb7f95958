"""Patterns that answer in advance: `Tool`, or `Tool(text with * wildcards)` as people know them."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Mapping
from typing import Any

from aetherd.core.errors import Invalid

_FORM = re.compile(r"^(?P<tool>[\w.:*-]+)(?:\((?P<text>.*)\))?$", re.DOTALL)
MAIN = ("command", "file_path", "path", "url", "pattern", "query")  # the argument a person means, by tool


def literal(tool: str) -> str | None:
    """Return the pattern that covers exactly this tool; None for a name with signs that mean something here."""
    return tool if re.fullmatch(r"[\w.:-]+", tool) else None


def check(pattern: str) -> str:
    """Return the pattern, or say what is wrong with it."""
    if not _FORM.match(pattern):
        raise Invalid(f"pattern {pattern!r} is not `Tool` or `Tool(text with * wildcards)`", field="pattern")
    return pattern


def matches(pattern: str, tool: str, input: Mapping[str, Any]) -> bool:
    """Tell whether a pattern covers a call. The whole text must match: `Bash(git *)` is not `rm; git x`."""
    found = _FORM.match(pattern)
    if found is None or not fnmatch.fnmatchcase(tool, found["tool"]):
        return False
    if found["text"] is None:
        return True
    text = main_text(input)
    # A wildcard must not swallow a second command.
    if tool == "Bash" and "*" in found["text"] and re.search(r"[;&|`\n<>]|\$\(", text):
        return False
    # Nor lead out of the directory it stands for.
    if tool != "Bash" and "*" in found["text"] and ".." in text.split("/"):
        return False
    return fnmatch.fnmatchcase(text, found["text"])


def main_text(input: Mapping[str, Any]) -> str:
    """Return the argument a person means."""
    for name in MAIN:
        if isinstance(input.get(name), str):
            return str(input[name])
    return json.dumps(dict(input), sort_keys=True)
