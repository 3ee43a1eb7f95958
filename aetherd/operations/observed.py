"""What the conformance bench saw of runtimes: handed to the room that answers for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One thing the conformance bench tried on a runtime."""

    behaviour: str
    summary: str
    holds: bool | None  # None: it does not apply, or was not tried
    note: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a runtime was seen to do, in a version of it."""

    version: str | None
    behaviours: tuple[Behaviour, ...]


class Observations(dict[str, Seen]):
    """What the conformance bench saw, by runtime."""
