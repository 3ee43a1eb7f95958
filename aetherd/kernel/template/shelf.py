"""The templates that come with aetherd: one TOML file each in `builtin/`, read and checked once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from pydantic import Field

from aetherd.core.errors import Invalid
from aetherd.core.model import Model
from aetherd.kernel.template.models import Name, Tags, TemplateLimits, Tools, Toolset
from aetherd.operations.catalog import tool_name
from aetherd.operations.operation import Rule
from aetherd.operations.registry import Registry


class Spec(Model):
    """What a template says, as it is kept."""

    name: Name
    title: str
    description: str = ""
    instructions: str = ""
    version: int = Field(default=1, ge=1)
    runtime: str = "claude-code"
    model: str | None = None
    toolset: Toolset
    tools: Tools | None = None
    limits: TemplateLimits = TemplateLimits()
    tags: Tags = []


@dataclass(frozen=True, slots=True)
class Role:
    """A template as a run is started from it."""

    name: str
    title: str
    instructions: str
    runtime: str
    model: str | None
    toolset: str
    tools: frozenset[str] | None
    limits: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: Spec) -> Role:
        """Return what a run needs of it."""
        told = f"Your role: {spec.title}.\n\n{spec.instructions}" if spec.instructions else f"Your role: {spec.title}."
        tools = None if spec.tools is None else frozenset(spec.tools)
        limits = spec.limits.model_dump(exclude_none=True)
        return cls(spec.name, spec.title, told, spec.runtime, spec.model, spec.toolset, tools, limits)


@cache
def builtin() -> Mapping[str, Spec]:
    """Return the templates of this installation by name; a wrong file is a `ValueError` that names it."""
    place = files(__package__) / "builtin"
    kits = tomllib.loads((place / "_kits.toml").read_text("utf-8"))
    found = {}
    for file in sorted(place.iterdir(), key=lambda file: file.name):
        name, _, kind = file.name.rpartition(".")
        if kind == "toml" and name != "_kits":
            try:
                found[name] = _read(name, file.read_text("utf-8"), kits)
            except (ValueError, KeyError) as exc:
                raise ValueError(f"template {name}: {exc}") from exc
    return MappingProxyType(found)


def _read(name: str, text: str, kits: Mapping[str, list[str]]) -> Spec:
    raw: dict[str, Any] = tomllib.loads(text)
    tools = {*raw.pop("tools", ()), *(tool for kit in raw.pop("kits", ()) for tool in kits[kit])}
    return Spec.model_validate({"name": name, "tools": sorted(tools), **raw})


def known(tools: Iterable[str], registry: Registry, what: str) -> list[str]:
    """Return operations by their one name, sorted; an unknown one, and one no agent may use, is `Invalid`.

    `aether_memory_recall`, as MCP clients call it, is memory.recall.
    """
    names = {tool_name(op.name): op.name for op in registry}
    found = set()
    for given in tools:
        name = names.get(given, given)
        op = registry.get(name)
        if op is None:
            near = get_close_matches(name, [one.name for one in registry], n=3, cutoff=0.5)
            hint = f"; near it are: {', '.join(near)}" if near else "; tool.search finds what there is"
            raise Invalid(f"{what}: tools: no operation {given!r}{hint}", field="tools", tool=given, near=near)
        if op.access is Rule.PEOPLE:
            raise Invalid(f"{what}: tools: {name} is for people; no agent can use it", field="tools", tool=given)
        found.add(name)
    return sorted(found)
