"""The parts of a task that is made in one call: what each waits for, and no circle among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aetherd.core.errors import Invalid
from aetherd.kernel.task.models import Part


def keys_of(parts: Sequence[Part]) -> Mapping[str, Part]:
    """Return the parts by key; refuses a key given twice, and parts that wait for one another."""
    found: dict[str, Part] = {}
    for part in parts:
        if part.key in found:
            raise Invalid(f"task.create: parts: the key {part.key!r} is given twice")
        found[part.key] = part
    for key in found:
        if circle := _circle(found, key):
            raise Invalid(f"task.create: parts: {' -> '.join(circle)} is a circle: none of them could ever begin")
    return found


def _circle(parts: Mapping[str, Part], start: str) -> list[str]:
    """Return a way from a part back to itself; empty when there is none."""
    ways, looked = [[start]], set[str]()
    while ways:
        way = ways.pop()
        for need in parts[way[-1]].depends_on:
            if need == start:
                return [*way, need]
            if need in parts and need not in looked:
                looked.add(need)
                ways.append([*way, need])
    return []
