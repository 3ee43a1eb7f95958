"""The agent loop: a turn is think, act, observe until the model asks for nothing more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from aetherd_runtimes.builtin import prompt
from aetherd_runtimes.builtin.compaction import Compactor
from aetherd_runtimes.builtin.conversation import Conversation
from aetherd_runtimes.builtin.door import Door
from aetherd_runtimes.builtin.hands import Hands
from aetherd_runtimes.builtin.inbox import Hurry, Inbox, Word
from aetherd_runtimes.builtin.model import (
    Anew,
    Content,
    Cut,
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
    TooLong,
    ToolResult,
    ToolUse,
    Usage,
)
from aetherd_runtimes.builtin.protocol import Mouth

STOPPED = "stopped by new words or an interrupt before an answer came; its outcome is unknown"
NOT_CALLED = "not called: the step was stopped before"
NO_STEPS = 1_000_000_000
STEPS, SECONDS, WINDOW = "AETHER_TURN_STEPS", "AETHER_TURN_SECONDS", "AETHER_WINDOW_TOKENS"
"""What a person may set in the agent's environment."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the adapter wrote down for this incarnation; without `choice` it is the demonstration."""

    session: str | None = None
    resume: bool = False
    record: str | None = None  # the directory of conversations
    choice: dict[str, Any] | None = None
    token: str = ""  # for the gateway
    window: int = 0  # tokens; 0: what is known of the model
    steps: int = NO_STEPS  # most in one turn
    seconds: float = 0.0  # longest turn; 0: no end
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
    cut: bool = False
    partial: str = ""  # text that came in deltas and was not closed by its block


class Loop:
    """One agent: a model, its hands, what was said so far, and who listens."""

    def __init__(
        self,
        settings: Settings,
        model: Model,
        hands: Hands,
        door: Door,
        inbox: Inbox,
        mouth: Mouth,
        conversation: Conversation,
        compactor: Compactor | None,
    ) -> None:
        self._settings = settings
        self._model = model
        self._hands = hands
        self._door = door
        self._inbox = inbox
        self._emit = mouth.emit
        self._conversation = conversation
        self._compactor = compactor
        self._announced: bool | None = None
        self._text = ""  # the last text of the turn

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
        if self._announced == (connected := self._hands.connected):
            return
        self._announced = connected
        self._emit(
            "session",
            session=self._settings.session,
            model=self._model.name,
            tools_connected=connected,
            version=self._settings.version,
        )

    def _turn(self, words: Sequence[Word]) -> None:
        self._text = ""
        self._emit("turn_started")
        self._hands.turn()
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
            self._conversation.add(Message("user", (stop,)))
            self._emit("turn_ended", outcome="interrupted", text=self._text, error=None, resets_at=None)

    def _work(self) -> Stop | Interrupted | None:
        """Take steps until the model is done, or the turn has had all it may."""
        began, taken, squeezed = monotonic(), 0, False
        while True:
            step = Step()
            try:
                tools = self._hands.tools()
                if self._hands.connected:
                    self._announce()
                if self._compactor is not None and self._compactor.full(self._conversation, tools):
                    self._compact()
                self._step(step, tools)
                self._pause(step.pause)
            except Hurry:
                if self._inbox.interrupted:
                    return Interrupted()
                if step.stop:
                    return step.stop  # the model was done; the words begin the next turn
                self._tell(self._inbox.take("now", "next"))
                continue
            except TooLong as error:
                if squeezed or not self._squeeze():
                    return Stop("failed", f"the conversation does not fit the model's window: {error}")
                squeezed = True
                continue
            except Exception as error:  # the boundary to a model: the agent outlives it
                return Stop("failed", f"the step failed: {type(error).__name__}: {error}")
            if step.stop:
                return step.stop
            if not step.uses and step.pause is None and not step.cut:
                return None
            squeezed, taken = False, taken + 1
            if (over := self._over(taken, monotonic() - began)) is not None:
                return over
            if step.cut and not step.uses:
                self._conversation.add(Message("user", (Said(prompt.GO_ON),)))
            self._tell(self._inbox.take("now", "next"))

    def _step(self, step: Step, tools: Sequence[Tool]) -> None:
        """Think and act, so that every call has its result in the conversation, whatever stops it."""
        results: list[ToolResult] = []
        try:
            try:
                self._think(step, tools)
            finally:
                if step.content:  # before it acts: of a kill in a call the call is left
                    self._conversation.add(Message("assistant", tuple(step.content)))
            for use in step.uses:
                self._act(use, results)
                self._inbox.look()
        finally:
            if step.uses:
                done = {result.id for result in results}
                missing = (ToolResult(use.id, NOT_CALLED, None, True) for use in step.uses if use.id not in done)
                self._conversation.add(Message("user", (*results, *missing)))

    def _over(self, taken: int, seconds: float) -> Stop | None:
        limits = self._settings
        if taken >= limits.steps:
            return Stop("failed", prompt.STEPS_OVER.format(steps=taken, name=STEPS))
        if limits.seconds and seconds >= limits.seconds:
            return Stop("failed", prompt.TIME_OVER.format(seconds=limits.seconds, name=SECONDS))
        return None

    def _squeeze(self) -> bool:
        """Make room after the provider said that there is none; False when nothing can go."""
        before = len(self._conversation.messages)
        self._compact()
        return len(self._conversation.messages) < before

    def _compact(self) -> None:
        if self._compactor is not None:
            for usage in self._compactor.compact(self._conversation):
                self._emit("used", model=self._model.name, **_figures(usage))

    def _think(self, step: Step, tools: Sequence[Tool]) -> None:
        """Show the model's blocks as they come and keep what belongs to the conversation."""
        messages = self._conversation.messages
        blocks: Iterator[Any] = iter(self._model.respond(messages, tools))
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
                        if text:
                            self._emit("thought", text=text)
                    case ToolUse():
                        step.content.append(block)
                        step.uses.append(block)
                    case Usage():
                        self._emit("used", model=self._model.name, **_figures(block))
                        if self._compactor is not None:
                            self._compactor.note(block, len(messages))
                    case Anew(reason):
                        step.partial = ""
                        self._emit("trouble", text=reason)
                    case Pause():
                        step.pause = block
                    case Stop():
                        step.stop = block
                    case Cut():
                        step.cut = True
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
            text, result = self._hands.call(use)
        except Hurry:
            self._emit("tool_returned", id=use.id, text=STOPPED, is_error=True)
            results.append(ToolResult(use.id, STOPPED, None, True))
            raise
        self._emit("tool_returned", id=use.id, text=text, is_error=result.is_error)
        results.append(result)

    def _pause(self, pause: Pause | None) -> None:
        if pause is None:
            return
        deadline = None if pause.seconds is None else monotonic() + pause.seconds
        if not pause.until_said:
            self._inbox.wait(deadline=deadline or monotonic())
        elif self._inbox.wait_for_word(deadline, self._door.fd, self._door.serve):
            self._tell(self._inbox.take_turn())

    def _tell(self, words: Sequence[Word]) -> None:
        if words:
            self._conversation.add(Message("user", tuple(Said(self._hands.said(word.text)) for word in words)))
        for word in words:
            self._emit("told", id=word.id, text=word.text)


def _figures(usage: Usage) -> dict[str, Any]:
    return {name: getattr(usage, name) for name in Usage.__slots__}
