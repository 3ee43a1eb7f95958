"""What the task room takes and gives."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from aetherd.core.model import Model, Page

TEXT, DATA = 50_000, 50_000  # characters of a text or result, and of data as JSON
PARTS = 50

State = Literal["waiting", "queued", "delayed", "claimed", "done", "dead", "cancelled"]


def _short(value: str) -> str:
    if len(value) > TEXT:
        raise ValueError(
            f"{len(value):,} characters, at most {TEXT:,}: keep it in a file and say here where, and what is in it"
        )
    return value


def _small(value: dict[str, Any]) -> dict[str, Any]:
    if (size := len(json.dumps(value, ensure_ascii=False))) > DATA:
        raise ValueError(f"{size:,} characters of JSON, at most {DATA:,}: keep it in a file and name that")
    return value


Long = Annotated[str, AfterValidator(_short), Field(json_schema_extra={"maxLength": TEXT})]
Data = Annotated[dict[str, Any], AfterValidator(_small)]
Title = Annotated[str, Field(min_length=1, max_length=300)]
Queue = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Needs = Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=PARTS)]
Lease = Annotated[str | None, Field(max_length=100)]


class Part(Model):
    """A piece of a larger task, for others to do."""

    key: str = Field(pattern=r"^[\w-]{1,64}$", description="short name, for `depends_on` of the other parts")
    title: Title = Field(description="what it is, in a line")
    text: Long = Field(default="", repr=False, description="what is to be done, and how one sees that it is done")
    depends_on: Needs = Field(default=[], description="keys of other parts, or ids of tasks, that come first")
    queue: Queue | None = Field(default=None, description="default: the queue of the whole")
    to: str | None = Field(default=None, max_length=100, description="only this agent (id or name) may do it")


class TaskCreate(Model):
    """Work for whoever takes it; `title` is enough."""

    title: Title = Field(description="what it is, in a line")
    text: Long = Field(default="", repr=False, description="what is to be done, and how one sees that it is done")
    queue: Queue = Field(default="default", description="where workers look for it")
    priority: int = Field(default=0, ge=-10, le=10, description="higher is taken first")
    depends_on: Needs = Field(default=[], description="ids of tasks that must be done first")
    to: str | None = Field(
        default=None,
        max_length=100,
        description="only this agent (id or name) may do it; it is told, and you how it goes",
    )
    data: Data | None = Field(default=None, repr=False, description="anything structured that goes with it")
    max_attempts: int = Field(default=3, ge=1, le=20, description="tries before it becomes a dead letter")
    backoff_s: float = Field(default=30, ge=0, le=3600, description="pause after the first failure; doubles each time")
    parts: list[Part] = Field(
        default=[], max_length=PARTS, description="pieces it consists of; it can be claimed when all are done"
    )


class TaskRef(Model):
    """Names one task."""

    id: str = Field(max_length=100, description="task id")


class Task(Model):
    """One task."""

    id: str
    title: str
    text: str
    truncated: bool = Field(description="text or result is only the beginning; task.get has it all")
    queue: str
    priority: int
    state: State = Field(
        description="waiting for others, queued, delayed until tried again, claimed, done, dead after too many "
        "attempts, or cancelled"
    )
    agent: str | None = Field(description="who made it; null for a person")
    to: str | None = Field(description="the only agent that may do it")
    holder: str | None = Field(description="who works on it")
    attempt: int
    max_attempts: int
    due: str | None = Field(description="when the lease of its holder ends, or when it is tried again")
    parent: str | None = Field(description="the task it is a part of")
    depends_on: list[str]
    result: str | None
    reason: str | None = Field(description="why the last attempt failed, or why it was cancelled")
    data: dict[str, Any] | None
    created_at: str
    claimed_at: str | None
    ended_at: str | None


class TaskCreated(Task):
    """The task, and its parts by their keys."""

    parts: dict[str, str] = Field(description="key -> task id")


class TaskList(Page):
    """Which tasks; newest first."""

    states: list[State] = Field(default=[], max_length=7, description="only in these states; default all")
    queue: Queue | None = Field(default=None, description="only this queue")
    parent: str | None = Field(default=None, max_length=100, description="only the parts of this task")
    mine: bool = Field(default=False, description="only what you made, hold or were given")


class Tasks(Model):
    """A page of tasks; long texts are cut."""

    tasks: list[Task]
    cursor: str | None = None


class TaskClaim(Model):
    """Which task; without an id the next of the queue."""

    id: str | None = Field(default=None, max_length=100, description="this task; one you hold gets a longer lease")
    queue: Queue = Field(default="default", description="without an id: where to look")
    lease_s: float = Field(
        default=900, ge=10, le=86_400, description="how long you keep it; claim it again by id to keep it longer"
    )
    lease: Lease = Field(default=None, description="to renew: the lease you have; only needed when you share a token")
    wait_s: float = Field(default=0, ge=0, le=60, description="without an id: how long to wait when there is nothing")


class Needed(Model):
    """What came of a task that had to be done first."""

    id: str
    title: str
    result: str | None


class Claimed(Model):
    """What you work on now; null when there is nothing to do."""

    task: Task | None
    lease: str | None = Field(description="proves that you hold it; only needed when you share a token with others")
    inputs: list[Needed] = Field(description="results of what had to be done first; long ones are cut")


class TaskComplete(Model):
    """What came of it."""

    id: str = Field(max_length=100, description="task id")
    result: Long = Field(default="", repr=False, description="what came of it, for whoever goes on from here")
    lease: Lease = Field(default=None, description="the lease you have; only needed when you share a token")


class TaskFail(Model):
    """Why it did not work."""

    id: str = Field(max_length=100, description="task id")
    reason: str = Field(min_length=1, max_length=4000, repr=False, description="what went wrong, for who tries next")
    retry: bool = Field(default=True, description="false: trying again is of no use; it becomes a dead letter")
    lease: Lease = Field(default=None, description="the lease you have; only needed when you share a token")


class TaskCancel(Model):
    """Which task, and why."""

    id: str = Field(max_length=100, description="task id")
    reason: str = Field(default="", max_length=1000, repr=False, description="why, for whoever works on it")


class Cancelled(Model):
    """What will not be done."""

    ids: list[str] = Field(description="the task, its parts, and all that waited for one of them")


class TaskDelegate(Model):
    """Whom to give it to: an agent that exists, or a new one."""

    id: str = Field(max_length=100, description="task id")
    to: str | None = Field(default=None, max_length=100, description="an agent (id or name); it gets a message")
    runtime: str | None = Field(default=None, max_length=64, description="or start a new agent in this runtime for it")
    name: str | None = Field(
        default=None, max_length=64, pattern=r"^[\w][\w .@+-]*$", description="name of the new agent"
    )
    model: str | None = Field(default=None, max_length=200, description="model of the new agent")

    @model_validator(mode="after")
    def _somebody(self) -> TaskDelegate:
        if (self.to is None) == (self.runtime is None):
            raise ValueError("give `to` for an agent that exists, or `runtime` to start a new one")
        if self.to is not None and (self.name or self.model):
            raise ValueError("`name` and `model` are for a new agent; leave them out with `to`")
        return self


class Delegated(Model):
    """The task, and who has it now."""

    task: Task
    agent: str = Field(description="agent id")
    pid: int | None = Field(description="the process that was started for it")
