"""What happens to tasks; never their text or result."""

from __future__ import annotations

from typing import Literal

from aetherd.events import Event


class TaskCreated(Event):
    """A task is durable; `agent` is who made it."""

    type: Literal["task.created"] = "task.created"
    task: str
    queue: str
    title: str
    state: str
    parent: str | None


class TaskQueued(Event):
    """It can be claimed now: what it waited for is done, or it is time to try again; `agent` is who made it."""

    type: Literal["task.queued"] = "task.queued"
    task: str
    queue: str
    attempt: int


class TaskClaimed(Event):
    """Somebody works on it until the lease ends; `agent` is who."""

    type: Literal["task.claimed"] = "task.claimed"
    task: str
    queue: str
    title: str
    attempt: int
    until: str


class TaskCompleted(Event):
    """It is done; `agent` is who did it."""

    type: Literal["task.completed"] = "task.completed"
    task: str
    queue: str
    attempt: int


class TaskFailed(Event):
    """An attempt went wrong; `state` says whether it is tried again, `agent` is who tried."""

    type: Literal["task.failed"] = "task.failed"
    task: str
    queue: str
    attempt: int
    state: str
    due: str | None


class TaskExpired(Event):
    """The lease ended, or the process did, before the task was done; `agent` is who had it."""

    type: Literal["task.expired"] = "task.expired"
    task: str
    queue: str
    attempt: int
    state: str
    reason: str


class TaskDelegated(Event):
    """It was given to one agent; `agent` is that one."""

    type: Literal["task.delegated"] = "task.delegated"
    task: str
    queue: str
    title: str
    by: str


class TaskCancelled(Event):
    """Nobody shall do it any more; `agent` is who made it."""

    type: Literal["task.cancelled"] = "task.cancelled"
    task: str
    queue: str
    reason: str


EVENTS = (
    TaskCreated,
    TaskQueued,
    TaskClaimed,
    TaskCompleted,
    TaskFailed,
    TaskExpired,
    TaskDelegated,
    TaskCancelled,
)
