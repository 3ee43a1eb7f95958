"""What the expressions of a step can see: inputs, the flow itself, steps that are done, the item or round it is in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aetherd.kernel.flow.expression import Path, Wrong, spelt, walk

OF_A_STEP = ("output", "state", "error", "cost_usd")


class Scope:
    """Names and what they stand for; an inner one sees the outer."""

    def __init__(self, values: Mapping[str, Any], outer: Scope | None = None) -> None:
        self._values, self._outer = dict(values), outer
        self.steps: dict[str, dict[str, Any]] = {}

    def inner(self, **values: Any) -> Scope:
        """Return a scope within this one."""
        return Scope(values, self)

    def look(self, path: Path) -> Any:
        """Return what a path names; raises `Wrong`."""
        if path[0] == "steps" and len(path) > 1:
            step = self._step(str(path[1]))
            if step is None:
                raise Wrong(f"{spelt(path)}: step {path[1]!r} has not run")
            return walk(step, path, 2)
        scope: Scope | None = self
        while scope is not None:
            if path[0] in scope._values:
                return walk(scope._values[str(path[0])], path, 1)
            scope = scope._outer
        raise Wrong(f"{spelt(path)}: nothing is named {path[0]!r}")

    def _step(self, name: str) -> dict[str, Any] | None:
        return self.steps.get(name) or (self._outer._step(name) if self._outer is not None else None)
