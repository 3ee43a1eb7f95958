"""What a behaviour is, and the list of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.conformance_runtimes.bench import Bench

HALF, REST = "Half a sentence that ", "is whole at last."


@dataclass(frozen=True)
class Behaviour:
    """Something a runtime does under aetherd, or does not."""

    name: str
    summary: str
    run: Callable[[Bench], str | None]


BEHAVIOURS: list[Behaviour] = []


def behaviour(run: Callable[[Bench], str | None]) -> Callable[[Bench], str | None]:
    """Put a function on the list, by its name and the first line of its text."""
    BEHAVIOURS.append(Behaviour(run.__name__, (run.__doc__ or "").partition("\n")[0].rstrip("."), run))
    return run
