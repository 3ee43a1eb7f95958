"""The kinds of messages: what the data of each must hold, and which kind answers which."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, ValidationError

from aetherd.core.errors import Invalid
from aetherd.core.model import Model

DATA = 50_000  # bytes of data as JSON

Kind = Literal[
    "text",
    "review_request",
    "review_response",
    "task_delegate",
    "task_accepted",
    "task_rejected",
    "task_completed",
    "status_update",
    "knowledge_share",
]
Short = Annotated[str, Field(min_length=1, max_length=200)]
Long = Annotated[str, Field(min_length=1, max_length=4_000)]
Many = Annotated[list[Long], Field(max_length=100)]
TaskId = Annotated[str, Field(min_length=1, max_length=100)]


class Payload(Model):
    """The data of one kind."""

    example: ClassVar[Mapping[str, Any]]


class ReviewRequest(Payload):
    """What shall be looked at: a path, a commit, a link; and what the asker wants to know."""

    example = {"subject": "src/door.py", "questions": ["can two open it at once?"]}
    subject: Long
    questions: Many = []


class ReviewResponse(Payload):
    """What came of the look."""

    example = {"verdict": "changes", "comments": ["line 7: close it first"]}
    verdict: Literal["approve", "changes", "reject"]
    comments: Many = []


class TaskDelegate(Payload):
    """Work for the recipient; `task` when it is one of the queue, which then must be free or the recipient's."""

    example = {"task": "task_01", "done_when": "the tests pass"}
    task: TaskId | None = None
    done_when: Long | None = None


class TaskAccepted(Payload):
    """The recipient of a task has begun with it."""

    example = {"task": "task_01"}
    task: TaskId | None = None


class TaskRejected(Payload):
    """The recipient of a task will not do it."""

    example = {"reason": "i have no key to the cellar"}
    task: TaskId | None = None
    reason: Long


class TaskCompleted(Payload):
    """The recipient of a task has done it; the text says what came of it."""

    example = {"task": "task_01", "files": ["report.md"]}
    task: TaskId | None = None
    files: Many = []


class StatusUpdate(Payload):
    """How it goes; any further fields are facts."""

    model_config = ConfigDict(extra="allow")

    example = {"status": "blocked", "progress": 0.4}
    status: Short
    progress: float | None = Field(default=None, ge=0, le=1)


class KnowledgeShare(Payload):
    """Something worth knowing, kept as a memory that all agents of the user recall; by default the text itself."""

    example = {"content": "the cellar door sticks in winter", "tags": ["door"], "importance": 0.7}
    content: str | None = Field(default=None, min_length=1, max_length=DATA)
    tags: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=20)] = []
    importance: float = Field(default=0.5, ge=0, le=1)


SHAPES: Mapping[str, type[Payload]] = {
    "review_request": ReviewRequest,
    "review_response": ReviewResponse,
    "task_delegate": TaskDelegate,
    "task_accepted": TaskAccepted,
    "task_rejected": TaskRejected,
    "task_completed": TaskCompleted,
    "status_update": StatusUpdate,
    "knowledge_share": KnowledgeShare,
}
ANSWERS: Mapping[str, tuple[str, ...]] = {
    "review_request": ("review_response",),
    "task_delegate": ("task_accepted", "task_rejected", "task_completed"),
}
REQUEST_OF = {answer: request for request, answers in ANSWERS.items() for answer in answers}


def checked(operation: str, kind: str, data: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the data as the kind wants it, or say field by field what is wrong and show how it is right."""
    try:
        size = len(json.dumps(data, ensure_ascii=False, allow_nan=False).encode())
    except (ValueError, RecursionError) as exc:
        raise Invalid(f"{operation}: data: not to be written as JSON: {exc}") from exc
    if size > DATA:
        raise Invalid(f"{operation}: data: {size:,} bytes of JSON, at most {DATA:,}: keep it in a file and name that")
    shape = SHAPES.get(kind)
    if shape is None:
        return None if data is None else dict(data)
    try:
        found = shape.model_validate(data or {}).model_dump(exclude_unset=True)
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_input=False, include_context=False)
        told = "; ".join(dict.fromkeys(_told(one, shape) for one in errors))
        raise Invalid(
            f"{operation}: data of a {kind}: {told}; for example {shown(kind)}",
            kind=kind,
            errors=errors,
            example=dict(shape.example),
        ) from exc
    return found or None


def shown(kind: str) -> str:
    """Return an example of a kind's data as JSON."""
    return json.dumps(dict(SHAPES[kind].example), ensure_ascii=False)


def _told(error: Mapping[str, Any], shape: type[Payload]) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "missing":
        return f"{where} is missing"
    if error["type"] == "extra_forbidden":
        return f"{where} is none of its fields, which are {', '.join(shape.model_fields)}"
    return f"{where}: {str(error['msg']).lower()}"
