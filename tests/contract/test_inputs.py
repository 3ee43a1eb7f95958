"""Wrong input is told before anything happens: numbers out of all bounds, and ids of what is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from aetherd.core.errors import AetherError
from aetherd.daemon.rooms import ROOMS
from aetherd.operations.operation import Operation, Subject, operations_of
from aetherd.web.reading import variants
from tests.contract.world import World

pytestmark = pytest.mark.anyio
OPERATIONS = {op.name: op for service in ROOMS for op in operations_of(service)}
HUGE = 10**30
NAMING = {"agent", "id", "ids", "memory", "pid", "proposal", "skill", "task", "template", "terminal", "thread"}
NAMING |= {"workspace", "worktree"}
Path = tuple[str | int, ...]


def numbers(schema: dict[str, Any], root: dict[str, Any], path: Path = ()) -> Iterator[Path]:
    """Yield where a schema takes a number, also within lists and objects."""
    for one in variants(schema, root):
        match one.get("type"):
            case "integer" | "number":
                yield path
            case "array":
                yield from numbers(one.get("items", {}), root, (*path, 0))
            case "object" if len(path) < 6:  # a shape may hold itself
                for name, field in one.get("properties", {}).items():
                    yield from numbers(field, root, (*path, name))


def holding(path: Path, value: Any) -> Any:
    """Return an input with a value in one place and nothing else."""
    for part in reversed(path):
        value = [value] if part == 0 else {part: value}
    return value


NUMBERS = list(
    dict.fromkeys(
        (name, path)
        for name, op in OPERATIONS.items()
        for schema in [op.input.model_json_schema()]
        for path in numbers(schema, schema)
    )
)


@pytest.mark.parametrize(("name", "path"), NUMBERS, ids=[".".join(map(str, (n, *path))) for n, path in NUMBERS])
async def test_a_number_beyond_all_bounds_is_invalid(world: World, name: str, path: Path) -> None:
    with pytest.raises(AetherError) as failure:
        await world.faces.running.invoke(name, holding(path, HUGE))
    assert failure.value.code == "invalid"
    assert path in [tuple(error["loc"][: len(path)]) for error in failure.value.data["errors"]]


def ids(op: Operation) -> list[str]:
    """Return the fields of an operation that must name what exists, and the one that says whom it concerns."""
    required = [name for name in op.input.model_json_schema().get("required", ()) if name in NAMING]
    return sorted({*required, *([op.access.field] if isinstance(op.access, Subject) else [])})


@pytest.mark.parametrize(("name", "field"), [(op.name, field) for op in OPERATIONS.values() for field in ids(op)])
async def test_an_unknown_id_is_not_found_and_the_error_says_which_and_where_to_look(
    world: World, name: str, field: str
) -> None:
    unknown: Any = 999_999_999 if field == "pid" else "nothing-there"
    given = world.input(OPERATIONS[name]) | {field: [unknown] if field == "ids" else unknown}
    with pytest.raises(AetherError) as failure:
        await world.faces.running.invoke(name, given)
    assert failure.value.code == "not_found"
    assert str(unknown) in failure.value.message
    assert re.search(r"there are|near it are|shows? (those|them)", failure.value.message), failure.value.message
