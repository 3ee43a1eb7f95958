"""One task of the extension SEP-2663: a tool call that runs on while its client polls, asks nothing and may be gone."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Literal

import anyio
import mcp_types as types
from mcp.server.runner import modern_error_data
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel, ValidationError

from aetherd.core.clock import Clock, stamp

logger = logging.getLogger(__name__)

TTL_S = 7200  # from creation; the longest wait an operation takes is 3600 s
POLL_MS = 1000

Status = Literal["working", "input_required", "completed", "failed", "cancelled"]
Question = types.ElicitRequest | types.CreateMessageRequest | types.ListRootsRequest
Result = types.CallToolResult | dict[str, Any]  # as a model, or written out already
Work = Callable[["Task"], Awaitable[Result]]


class Task:
    """What became of one call; only `run` ends it."""

    def __init__(self, id: str, owner: str, scope: str, created: datetime, clock: Clock) -> None:
        self.id, self.owner, self.scope, self.created = id, owner, scope, created
        self.status: Status = "working"
        self.result: Result | None = None
        self.ended = anyio.Event()
        self._clock, self._updated = clock, created
        self._message: str | None = None
        self._error: types.ErrorData | None = None
        self._questions: dict[str, Question] = {}
        self._answers: dict[str, BaseModel] = {}
        self._answered = anyio.Event()
        self._asked = 0
        self._running = anyio.CancelScope()

    @property
    def expired(self) -> bool:
        """Whether nobody may count on it any more."""
        return (self._clock.now() - self.created).total_seconds() >= TTL_S

    # The work's side --------------------------------------------------------------------------------

    async def run(self, work: Work) -> None:
        """Do the work to its end; errors are its outcome."""
        left = TTL_S - (self._clock.now() - self.created).total_seconds()
        self._running.deadline = anyio.current_time() + left
        try:
            with self._running:
                self.result = await work(self)
                self._become("completed")
        except Exception as exc:  # whoever asks for the task is told, as the caller of a tool would be
            self._error = modern_error_data(exc)
            self._become("failed", self._error.message)
        if self._running.cancelled_caught:
            self._become("cancelled")

    async def tell(self, done: float, total: float | None, text: str | None) -> None:
        """Take progress: a task has no other place for it than its status."""
        if text is not None and not self.ended.is_set():
            self._message, self._updated = text, self._clock.now()

    async def ask(self, **questions: Question) -> dict[str, BaseModel]:
        """Ask the client, and wait for all its answers; a key is never used twice in a task's life."""
        self._asked += 1
        keys = {name: f"{name}-{self._asked}" for name in questions}
        self._questions = {keys[name]: one for name, one in questions.items()}
        self._answered = anyio.Event()
        self._become("input_required")
        await self._answered.wait()
        self._become("working")
        return {name: self._answers.pop(key) for name, key in keys.items()}

    # The client's side ------------------------------------------------------------------------------

    def answer(self, responses: Mapping[str, Any]) -> None:
        """Take answers; those to no open question are ignored. Raises `MCPError` for a malformed one, taking none."""
        taken = {key: _read(self._questions[key], raw) for key, raw in responses.items() if key in self._questions}
        for key, value in taken.items():
            self._answers[key] = value
            del self._questions[key]
        if taken and not self._questions:
            self._answered.set()

    def cancel(self) -> None:
        """Stop the work; what has ended stays as it is."""
        self._running.cancel()

    def never_run(self) -> None:
        """End it as cancelled before it began."""
        self._become("cancelled")

    def seed(self) -> dict[str, Any]:
        """Return what every form of a task has on the wire."""
        wire = {
            "taskId": self.id,
            "status": self.status,
            "createdAt": stamp(self.created),
            "lastUpdatedAt": stamp(self._updated),
            "ttlMs": TTL_S * 1000,
            "pollIntervalMs": POLL_MS,
        }
        return wire if self._message is None else wire | {"statusMessage": self._message}

    def detailed(self) -> dict[str, Any]:
        """Return it with its questions, its result or its error."""
        wire = self.seed()
        if self.status == "input_required":
            wire["inputRequests"] = {key: _dump(one) for key, one in self._questions.items()}
        if self.result is not None:
            wire["result"] = self.result if isinstance(self.result, dict) else _dump(self.result)
        if self._error is not None:
            wire["error"] = _dump(self._error)
        return wire

    def _become(self, status: Status, message: str | None = None) -> None:
        self.status, self._message, self._updated = status, message, self._clock.now()
        if status in ("completed", "failed", "cancelled"):
            self._questions.clear()
            self.ended.set()


def _read(question: Question, raw: Any) -> BaseModel:
    kinds: list[type[BaseModel]] = [types.ListRootsResult]
    if isinstance(question, types.ElicitRequest):
        kinds = [types.ElicitResult]
    elif isinstance(question, types.CreateMessageRequest):
        kinds = [types.CreateMessageResult, types.CreateMessageResultWithTools]
    for kind in kinds:
        try:
            return kind.model_validate(raw, by_name=False)
        except ValidationError:
            continue
    raise MCPError(types.INVALID_PARAMS, f"the answer to {question.method} is malformed")


def _dump(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)
