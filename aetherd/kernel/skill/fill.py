"""Values in texts: `{{ inputs.city }}`, `{{ steps.fetch.out.items.0 }}`. They are looked up, never executed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from aetherd.core.errors import Invalid

PLACE = re.compile(r"\{\{([^{}]{0,500})\}\}")  # bounded, so that no text takes long
REFERENCE = re.compile(r"(?:inputs\.[a-z][a-z0-9_]*|steps\.[a-z][a-z0-9_]*\.(?:out|code|error|state))(?:\.[\w-]+)*")
MOST, ALL = 1 << 20, 4 << 20  # characters a text may grow to, and all that is filled in at once

Scope = Mapping[str, Any]  # {"inputs": {...}, "steps": {name: {"out", "code", "error", "state"}}}


def references(value: Any) -> Iterator[str]:
    """Yield what a value refers to, at any depth; raises `Invalid` for what is no reference."""
    if isinstance(value, str):
        for found in map(str.strip, PLACE.findall(value)):
            if not REFERENCE.fullmatch(found):
                raise Invalid(
                    f"{{{{ {found[:60]} }}}} is no reference; there are inputs.NAME and steps.NAME.out"
                    " (or code, error, state)"
                )
            yield found
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from references(part)


def fill(value: Any, scope: Scope, quote: Callable[[str], str] = str) -> Any:
    """Return a value with its references looked up; a text that is one reference becomes the thing itself.

    What was put in is not looked at again. `quote` is applied to what is put into a longer text.
    """
    return _Filling(scope, quote).of(value)


class _Filling:
    """Fills in one value; a reference counts as long as what it names, each time, since each is written out later."""

    def __init__(self, scope: Scope, quote: Callable[[str], str]) -> None:
        self._scope, self._quote, self._left = scope, quote, ALL

    def of(self, value: Any) -> Any:
        if isinstance(value, str):
            if whole := PLACE.fullmatch(value.strip()):
                return self._named(whole)
            filled = PLACE.sub(lambda found: self._quote(shown(self._named(found))), value)
            if len(filled) > MOST:
                raise Invalid(f"a text grows beyond {MOST:,} characters when it is filled in")
            return filled
        if isinstance(value, Mapping):
            return {key: self.of(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.of(part) for part in value]
        return value

    def _named(self, place: re.Match[str]) -> Any:
        found = look(place[1].strip(), self._scope)
        self._left -= weight(found, self._left)
        if self._left < 0:
            raise Invalid(f"all that is filled in comes to more than {ALL:,} characters; write it to files")
        return found


def weight(value: Any, most: int) -> int:
    """Return how long a value is as JSON, nearly; of one that is longer than `most` only that it is."""
    size, left = 0, [value]
    while left and size <= most:
        one = left.pop()
        size += len(one) + 2 if isinstance(one, str) else 4
        if isinstance(one, Mapping):
            size += sum(map(len, one))
            left += one.values()
        elif isinstance(one, list):
            left += one
    return size


def look(reference: str, scope: Scope) -> Any:
    """Return what a reference names; what is not there is null."""
    found: Any = scope
    for part in reference.split("."):
        found = pick(found, part)
    return found


def pick(value: Any, part: str) -> Any:
    """Return a member of an object or a list; None when there is none."""
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, list) and re.fullmatch(r"-?\d{1,6}", part):
        return value[int(part)] if -len(value) <= int(part) < len(value) else None
    return None


def shown(value: Any) -> str:
    """Return a value as text: a text as it is, nothing as nothing, the rest as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
