"""States and phases of a process, and the one table of legal transitions."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal


class State(StrEnum):
    """Where a process is in its life."""

    CREATED = "created"
    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    EXITED = "exited"
    LOST = "lost"  # proven dead without an exit record
    UNKNOWN = "unknown"  # neither alive nor proven dead


class Phase(StrEnum):
    """What a running agent is doing."""

    BOOTING = "booting"
    THINKING = "thinking"
    EXECUTING = "executing"
    OBSERVING = "observing"
    WAITING_APPROVAL = "waiting_approval"
    WAITING_INPUT = "waiting_input"
    LIMITED = "limited"
    CONTROLLED = "controlled"
    IDLE = "idle"
    COMPLETED = "completed"
    FAILED = "failed"


Source = Literal["protocol", "process", "screen", "user"]

ENDED = frozenset({State.EXITED, State.LOST})
LIVE = frozenset({State.STARTING, State.RUNNING, State.PAUSED, State.STOPPING, State.UNKNOWN})

TRANSITIONS: dict[State, frozenset[State]] = {
    State.CREATED: frozenset({State.QUEUED, State.STARTING, State.EXITED}),
    State.QUEUED: frozenset({State.STARTING, State.EXITED}),
    State.STARTING: frozenset({State.RUNNING, State.STOPPING, State.EXITED, State.LOST, State.UNKNOWN}),
    # Back to queued: its runtime was let go of while it waits for a usage limit.
    State.RUNNING: frozenset({State.QUEUED, State.PAUSED, State.STOPPING, State.EXITED, State.LOST, State.UNKNOWN}),
    State.PAUSED: frozenset({State.RUNNING, State.STOPPING, State.EXITED, State.LOST, State.UNKNOWN}),
    State.STOPPING: frozenset({State.EXITED, State.LOST, State.UNKNOWN}),
    State.UNKNOWN: frozenset({State.QUEUED, State.RUNNING, State.PAUSED, State.STOPPING, State.EXITED, State.LOST}),
    State.EXITED: frozenset(),
    State.LOST: frozenset(),
}


def legal(before: State, after: State) -> bool:
    """Tell whether a process may go from one state to the other."""
    return after in TRANSITIONS[before]
