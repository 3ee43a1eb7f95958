"""What the gpu room needs from its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aetherd.operations.bounds import Bounds


class Agent(Protocol):
    """An agent as the agent room keeps it."""

    id: str
    user: str
    org: str


class Place(Protocol):
    """Where a process stands."""

    @property
    def pid(self) -> int:
        """The process."""
        ...


class Sandbox(Protocol):
    """What is wished of a sandbox."""

    @property
    def gpu(self) -> bool | int:
        """Whether it gets one, or how many."""
        ...

    @property
    def gpu_devices(self) -> Sequence[str]:
        """Which it gets, by uuid or index."""
        ...


class Wish(Protocol):
    """What is spawned."""

    @property
    def sandbox(self) -> Sandbox:
        """Where it shall run."""
        ...


class Processes(Protocol):
    """The process room."""

    bounds: Bounds
