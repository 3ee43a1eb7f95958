"""The tree of steps: plain nested dicts as they are stored, numbered by where they stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from aetherd.core.errors import Invalid, NotFound
from aetherd.kernel.plan.models import DEPTH, STEPS, NewStep, Step, StepChange

Node = dict[str, Any]  # title, status, note, steps


def planted(steps: Sequence[NewStep]) -> list[Node]:
    """Return new steps in the form they are stored in."""
    return [{"title": step.title, "status": step.status, "note": None, "steps": planted(step.steps)} for step in steps]


def walk(nodes: Sequence[Node], above: str = "") -> Iterator[tuple[str, Node]]:
    """Yield every step with its number, in order."""
    for at, node in enumerate(nodes, 1):
        number = f"{above}{at}"
        yield number, node
        yield from walk(node["steps"], f"{number}.")


def check(nodes: Sequence[Node], operation: str) -> None:
    """Refuse a tree that is too large or too deep."""
    numbers = [number for number, _ in walk(nodes)]
    if len(numbers) > STEPS:
        raise Invalid(f"{operation}: steps: {len(numbers)} steps, at most {STEPS}: plan in larger steps")
    deep = next((number for number in numbers if number.count(".") >= DEPTH), None)
    if deep is not None:
        raise Invalid(f"{operation}: steps: step {deep} is on level {deep.count('.') + 1}, at most {DEPTH}")


def find(nodes: Sequence[Node], number: str) -> Node:
    """Return a step by its number."""
    steps = dict(walk(nodes))
    if number not in steps:
        there = ", ".join(list(steps)[:20])
        raise NotFound(f"the plan has no step {number!r}; there are: {there}", kind="step", id=number)
    return steps[number]


def change(nodes: Sequence[Node], wish: StepChange) -> Node:
    """Apply a change to one step and return it."""
    node = find(nodes, wish.step)
    for field in ("status", "title", "note"):
        if (value := getattr(wish, field)) is not None:
            node[field] = value
    return node


def progress(nodes: Sequence[Node]) -> tuple[int, int]:
    """Return how many of the smallest steps are behind us, and how many there are."""
    leaves = [node for _, node in walk(nodes) if not node["steps"]]
    return sum(node["status"] in ("done", "skipped") for node in leaves), len(leaves)


def wire(nodes: Sequence[Node], above: str = "") -> list[Step]:
    """Return the steps as they are shown."""
    return [
        Step(
            number=f"{above}{at}",
            title=node["title"],
            status=node["status"],
            note=node["note"],
            steps=wire(node["steps"], f"{above}{at}."),
        )
        for at, node in enumerate(nodes, 1)
    ]
