"""The agent loop: a turn is think, act, observe until the model asks for nothing more."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from aetherd_runtimes.builtin.demo import Demo
from aetherd_runtimes.builtin.door import Door
from aetherd_runtimes.builtin.inbox import Hurry, Inbox, Word
from aetherd_runtimes.builtin.model import (
    Content,
    Delta,
    Interrupted,
    Message,
    Model,
    Pause,
    Said,
    Stop,
    Text,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
    Usage,
)
from aetherd_runtimes.builtin.protocol import Mouth, bounded

STOPPED = "stopped by new words or an interrupt before an answer came; its outcome is unknown"
NOT_CALLED = "not called: the step was stopped before"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the adapter wrote down for this incarnation."""

    session: str | None = None
    model: str | None = None
    context: str = ""
    idle_exit_s: float = 0.0
    version: str = "0"


@dataclass(slots=True)
class Step:
    """What one response of the model came to."""

    content: list[Content] = field(default_factory=list)
    uses: list[ToolUse] = field(default_factory=list)
    pause: Pause | None = None
    stop: Stop | None = None
    partial: str = ""  # text that came in deltas and was not closed by its block


class Loop:
    """One agent: a model, a door to the tools, and who listens."""

    def __init__(self, settings: Settings, model: Model, door: Door, inbox: Inbox, mouth: Mouth) -> None:
        self._settings = settings
        self._model = model
        self._door = door
        self._inbox = inbox
        self._emit = mouth.emit
        self._session = settings.session or os.urandom(16).hex()
        self._announced: bool | None = None
        self._messages: list[Message] = []
        self._text = ""  # the last text of the turn
        if settings.context:
            self._messages.append(Message("context", (Said(settings.context),)))

    def run(self) -> int:
        """Work until stdin is closed and everything said is done, or nothing was said for too long."""
        self._door.connect()
        self._announce()
        while True:
            idle = self._settings.idle_exit_s
            deadline = monotonic() + idle if idle else None
            if not self._inbox.wait_for_word(deadline, self._door.fd, self._door.serve):
                return 0
            self._turn(self._inbox.take_turn())

    def _announce(self) -> None:
        """Say who this is; again when the tools have come."""
        if self._announced == (connected := self._door.connected):
            return
        self._announced = connected
        self._emit(
            "session",
            session=self._session,
            model=self._model.name,
            tools_connected=connected,
            version=self._settings.version,
        )

    def _turn(self, words: Sequence[Word]) -> None:
        self._text = ""
        self._emit("turn_started")
        self._tell(words)
        self._inbox.in_turn = True
        try:
            stop = self._work()
        finally:
            self._inbox.in_turn = False
            self._inbox.interrupted = False
        if stop is None:
            self._emit("turn_ended", outcome="completed", text=self._text, error=None, resets_at=None)
        elif isinstance(stop, Stop):
            self._emit(
                "turn_ended",
                outcome=stop.outcome,
                text=self._text,
                error=stop.error,
                resets_at=stop.resets_at,
            )
        else:
            self._messages.append(Message("user", (stop,)))
            self._emit("turn_ended", outcome="interrupted", text=self._text, error=None, resets_at=None)

    def _work(self) -> Stop | Interrupted | None:
        """Take steps until the model is done."""
        while True:
            step = Step()
            results: list[ToolResult] = []
            try:
                try:
                    tools = self._door.tools()
                    if self._door.connected:
                        self._announce()
                    self._think(step, tools)
                    for use in step.uses:
                        self._act(use, results)
                        self._inbox.look()
                    self._pause(step.pause)
                finally:
                    self._remember(step, results)
            except Hurry:
                if self._inbox.interrupted:
                    return Interrupted()
                if step.stop:
                    return step.stop  # the model was done; the words begin the next turn
                self._tell(self._inbox.take("now", "next"))
                continue
            except Exception as error:  # the boundary to a model: the agent outlives it
                return Stop("failed", f"the step failed: {type(error).__name__}: {error}")
            if step.stop:
                return step.stop
            if not step.uses and step.pause is None:
                return None
            self._tell(self._inbox.take("now", "next"))

    def _think(self, step: Step, tools: Sequence[Tool]) -> None:
        """Show the model's blocks as they come and keep what belongs to the conversation."""
        blocks: Iterator[Any] = iter(self._model.respond(self._messages, tools))
        try:
            for block in blocks:
                match block:
                    case Delta(kind, text):
                        step.partial += text if kind == "text" else ""
                        if text:
                            self._emit("delta", kind=kind, text=text)
                    case Text(text):
                        step.content.append(block)
                        step.partial = ""
                        self._text = text
                        self._emit("text", text=text, interrupted=False)
                    case Thought(text):
                        step.content.append(block)
                        self._emit("thought", text=text)
                    case ToolUse():
                        step.content.append(block)
                        step.uses.append(block)
                    case Usage():
                        self._emit("used", model=self._model.name, **_figures(block))
                    case Pause():
                        step.pause = block
                    case Stop():
                        step.stop = block
                self._inbox.look()
        except Hurry:
            if step.partial:
                step.content.append(Text(step.partial))
                self._text = step.partial
                self._emit("text", text=step.partial, interrupted=True)
            raise
        finally:
            close = getattr(blocks, "close", None)
            if close is not None:
                close()

    def _act(self, use: ToolUse, results: list[ToolResult]) -> None:
        self._emit("tool_called", id=use.id, tool=use.name, input=dict(use.input))
        try:
            answer = self._door.call(use.name, use.input)
        except Hurry:
            self._emit("tool_returned", id=use.id, text=STOPPED, is_error=True)
            results.append(ToolResult(use.id, STOPPED, None, True))
            raise
        text = bounded(answer.text)
        self._emit("tool_returned", id=use.id, text=text, is_error=answer.is_error)
        results.append(ToolResult(use.id, text, answer.data, answer.is_error))

    def _pause(self, pause: Pause | None) -> None:
        if pause is None:
            return
        deadline = None if pause.seconds is None else monotonic() + pause.seconds
        if not pause.until_said:
            self._inbox.wait(deadline=deadline or monotonic())
        elif self._inbox.wait_for_word(deadline, self._door.fd, self._door.serve):
            self._tell(self._inbox.take_turn())

    def _remember(self, step: Step, results: Sequence[ToolResult]) -> None:
        """Append the step so that every tool use has its result, whatever stopped it."""
        if step.content:
            self._messages.append(Message("assistant", tuple(step.content)))
        if step.uses:
            done = {result.id for result in results}
            missing = (ToolResult(use.id, NOT_CALLED, None, True) for use in step.uses if use.id not in done)
            self._messages.append(Message("user", (*results, *missing)))

    def _tell(self, words: Sequence[Word]) -> None:
        if words:
            self._messages.append(Message("user", tuple(Said(word.text) for word in words)))
        for word in words:
            self._emit("told", id=word.id, text=word.text)


def _figures(usage: Usage) -> dict[str, Any]:
    return {name: getattr(usage, name) for name in Usage.__slots__}


def choose_model(wanted: str | None) -> Model:
    """Return the model to run: the providers are still to come, so there is only the demonstration."""
    return Demo(wanted)


def main(arguments: Sequence[str]) -> int:
    """Run the agent on stdin and stdout; return the exit status."""
    settings = Settings()
    if arguments:
        with open(arguments[0], encoding="utf-8") as file:
            settings = Settings(**json.load(file))
    mouth = Mouth()

    def trouble(text: str) -> None:
        mouth.emit("trouble", text=text)

    inbox = Inbox(trouble)
    door = Door(
        os.environ.get("AETHER_SOCKET") or None,
        os.environ.get("AETHER_TOKEN", ""),
        inbox.wait,
        trouble,
        settings.version,
    )
    try:
        return Loop(settings, choose_model(settings.model), door, inbox, mouth).run()
    except BrokenPipeError:
        return 1  # nobody listens any more
