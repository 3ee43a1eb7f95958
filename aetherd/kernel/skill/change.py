"""`when` and `transform`: looked up and compared, never executed."""

from __future__ import annotations

import json
from typing import Any

from aetherd.core.errors import Invalid
from aetherd.kernel.skill.fill import MOST, Scope, fill, pick, shown
from aetherd.kernel.skill.recipe import Change, When


def holds(when: When | str | None, scope: Scope) -> bool:
    """Tell whether a step shall be run."""
    if when is None:
        return True
    if isinstance(when, str):
        value = fill(when, scope)
        return value.strip().lower() not in ("", "false", "no", "0") if isinstance(value, str) else bool(value)
    value, given = fill(when.value, scope), when.model_fields_set
    if "equals" in given and value != fill(when.equals, scope):
        return False
    if "differs" in given and value == fill(when.differs, scope):
        return False
    if when.contains is not None and shown(fill(when.contains, scope)) not in (
        value if isinstance(value, list) else shown(value)
    ):
        return False
    if when.above is not None or when.below is not None:
        number = _number(value)
        if number is None:
            return False
        return (when.above is None or number > when.above) and (when.below is None or number < when.below)
    return True if len(given) > 1 else bool(value)


def changed(value: Any, changes: list[Change]) -> Any:
    """Return a value after all changes, in their order; raises `Invalid` when one does not fit."""
    for change in changes:
        value = _change(value, change)
        if isinstance(value, str) and len(value) > MOST:
            raise Invalid(f"a value grows beyond {MOST:,} characters")
    return value


def _change(value: Any, change: Change) -> Any:
    if change.json_ == "parse":
        try:
            return json.loads(shown(value))
        except (ValueError, RecursionError) as exc:
            raise Invalid(f"json: that is not JSON: {exc}") from exc
    if change.json_ == "text":
        return json.dumps(value, ensure_ascii=False)
    if change.pick is not None:
        for part in change.pick.split("."):
            value = pick(value, part)
        return value
    if change.split is not None:
        return shown(value).split(change.split)
    if change.join is not None:
        return change.join.join(shown(one) for one in _list(value, "join"))
    if change.replace is not None:
        old, new = change.replace
        if not old:
            raise Invalid("replace: there is nothing to look for")
        text = shown(value)
        if len(text) + text.count(old) * max(0, len(new) - len(old)) > MOST:
            raise Invalid(f"a value grows beyond {MOST:,} characters")
        return text.replace(old, new)
    if change.first is not None:
        return value[: change.first] if isinstance(value, str | list) else value
    if change.count is not None:
        return len(value) if isinstance(value, str | list | dict) else 0
    text = shown(value)
    if change.text == "lines":
        return text.splitlines()
    return {"trim": text.strip, "lower": text.lower, "upper": text.upper}[change.text or "trim"]()


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise Invalid(f"{what}: that is no list")
    return value


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None
