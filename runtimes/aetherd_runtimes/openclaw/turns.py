"""What a gateway's events mean in the daemon's lines.

Three kinds of event tell one story, each in its own time: `chat` opens and ends runs, `agent` streams what is being
written, `session.message` is the conversation as it was kept. Blocks, tokens and what was told come from the last,
because `agent` blanks out arguments that look like secrets and counts only output tokens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from aetherd_runtimes.builtin.protocol import bounded
from aetherd_runtimes.openclaw.history import Said, Used, called, read, text_of

Emit = Callable[..., None]

REMEMBERED = 500
NOTE = "aether-note-"  # begins the id of a text of the bridge's own, which the daemon is not told of
LIMITED = ("rate_limit", "overloaded")
# After these the gateway refuses its key for minutes, also when the budget was raised or the limit has lifted.
WORN = (*LIMITED, "billing", "auth", "auth_permanent")


class Turns:
    """Follows one conversation; says each thing once."""

    def __init__(self, emit: Emit, key: str) -> None:
        self._emit = emit
        self._key = key
        self._open: dict[str, None] = {}  # runs that go on, and texts that were sent and have not become one
        self._closed: deque[str] = deque(maxlen=REMEMBERED)
        self._told: set[str] = set()
        self._called: deque[str] = deque(maxlen=REMEMBERED)
        self._running: dict[str, None] = {}  # calls without a result
        self._held: dict[str, None] = {}  # open ones that were taken in, for this run or a later one, and not told yet
        self._text = ""  # the last of this turn
        self._partial = ""
        self._outcome: tuple[str, str | None] = ("completed", None)
        self.worn = False

    @property
    def busy(self) -> bool:
        """Whether a turn goes on."""
        return bool(self._open)

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs that go on."""
        return tuple(self._open)

    @property
    def stuck(self) -> bool:
        """Whether nothing goes on but texts that the gateway holds back."""
        return bool(self._open) and all(run in self._held for run in self._open)

    def give_up(self) -> None:
        """End a turn that waits for texts the gateway never told."""
        for run in self.runs:
            if run.startswith(NOTE):
                self._end(run)
                continue
            self.failed(run, "the OpenClaw gateway took the text and never told it to the model; send it again")

    def knows(self, text: str) -> bool:
        """Tell whether a text of ours, by its id, is in the conversation already."""
        return text in self._told

    def recall(self, messages: list[Any]) -> None:
        """Learn from the kept conversation what was told before, silently."""
        for message in messages:
            match read(message):
                case Said(id=str(identity)):
                    self._told.add(identity)

    def began(self, run: str) -> None:
        """Note that a run goes on, or is about to; one that has ended stays so."""
        if run in self._open or run in self._closed:
            return
        if not self._open:
            self._text, self._partial, self._outcome = "", "", ("completed", None)
            self._emit("turn_started")
        self._open[run] = None

    def sent(self, run: str) -> None:
        """Note that a text is about to be sent, perhaps again."""
        if run in self._closed:
            self._closed.remove(run)
        self.began(run)

    def withdraw(self, run: str) -> None:
        """Note that a text was not taken and will be sent again; the turn it began goes on."""
        if len(self._open) > 1:
            del self._open[run]

    def reconcile(self, going: list[str]) -> None:
        """End what has ended while nobody listened, and join what goes on."""
        for run in going:
            self.sent(run)
        for run in self.runs:
            if run not in going:
                self._cut()
                self._end(run)

    def failed(self, run: str, error: str) -> None:
        """End a run that the gateway would not have."""
        self._outcome = ("failed", error)
        self._end(run)

    def lost(self, error: str) -> None:
        """End all that was under way: the gateway is gone."""
        self._cut()
        for run in self.runs:
            self._outcome = ("failed", error)
            self._end(run)

    def hear(self, event: str, payload: Mapping[str, Any]) -> None:
        """Translate one event of this conversation."""
        if payload.get("sessionKey") != self._key:
            return
        if event == "chat":
            self._chat(payload)
        elif event == "agent":
            data = payload.get("data")
            self._agent(str(payload.get("runId")), str(payload.get("stream")), data if isinstance(data, dict) else {})
        elif event == "session.message":
            self._message(payload.get("message"))

    # Runs ----------------------------------------------------------------------------------------------

    def _chat(self, payload: Mapping[str, Any]) -> None:
        run, state = str(payload.get("runId")), payload.get("state")
        if state == "status":
            self.began(run)
        if state not in ("final", "aborted", "error") or run not in self._open:
            return  # a run that fails tells so twice; an injected note is a run that never began
        last = text_of(payload.get("message"))
        match state:
            case "final" if payload.get("message") is None:
                if run not in self._told:
                    self._held[run] = None  # a later run tells it, under another name
                    return
            case "final":
                if last and last != self._text:
                    self._say(last)
                self._outcome = ("completed", None)
            case "aborted":
                if last and last != self._text:
                    self._say(last, interrupted=True)
                self._outcome = ("interrupted", None)
                for held in tuple(self._held):  # an abort takes them along
                    self._end(held)
            case "error":
                self._cut()
                self._outcome = self._judge(payload)
        self._end(run)

    def _judge(self, payload: Mapping[str, Any]) -> tuple[str, str | None]:
        """Say how a failed run ended, in the provider's own words: the gateway's speak of keys we do not have."""
        detail = payload.get("errorDetail")
        detail = detail if isinstance(detail, dict) else {}
        reason, status = detail.get("failoverReason"), detail.get("httpStatus")
        self.worn |= reason in WORN or payload.get("errorKind") in WORN
        said = str(detail.get("providerErrorMessagePreview") or payload.get("errorMessage") or "no reason given")
        text = f"{said} (HTTP {status})" if isinstance(status, int) else said
        limited = reason in LIMITED or status in (429, 529) or payload.get("errorKind") in LIMITED
        return ("limited" if limited else "failed"), bounded(text, 1000)

    def _end(self, run: str) -> None:
        self._closed.append(run)
        self._held.pop(run, None)
        if self._open.pop(run, ...) is ... or self._open:
            return
        for call in tuple(self._running):
            self._returned(call, "it was stopped before it returned; its outcome is unknown", is_error=True)
        outcome, error = self._outcome
        self._emit("turn_ended", outcome=outcome, text=self._text, error=error, resets_at=None)

    # What is written -----------------------------------------------------------------------------------

    def _agent(self, run: str, stream: str, data: Mapping[str, Any]) -> None:
        match stream:
            case "lifecycle" if data.get("phase") == "start":
                self.began(run)
            case "assistant" if run in self._open and isinstance(text := data.get("delta"), str) and text:
                self._partial += text
                self._emit("delta", kind="text", text=text)
            case "thinking" if run in self._open and isinstance(text := data.get("delta"), str) and text:
                self._emit("delta", kind="thought", text=text)
            case "tool" if data.get("phase") == "start":
                arguments = data.get("args")
                self._call(str(data.get("toolCallId")), str(data.get("name")), arguments)
            case "tool" if data.get("phase") == "result":
                result = data.get("result")
                text = text_of(result) if isinstance(result, dict) else str(result or "")
                self._returned(str(data.get("toolCallId")), text, is_error=data.get("isError") is True)

    def _message(self, message: Any) -> None:
        match read(message):
            case Said(id=identity, text=text):
                if identity is None or identity not in self._told:
                    if identity is not None:
                        self._told.add(identity)
                    if not (identity or "").startswith(NOTE):
                        self._emit("told", id=identity, text=text)
                if identity in self._held and len(self._open) > 1:
                    self._end(identity)
            case Used() as used:
                self._blocks(message)
                if used.any:
                    self._emit("used", **used.facts)

    def _blocks(self, message: Mapping[str, Any]) -> None:
        if not self._open or message.get("provider") == "openclaw" or message.get("stopReason") in ("error", "aborted"):
            return  # a note the gateway made, or what the end of the run has told already
        for block in message.get("content") or ():
            if not isinstance(block, dict):
                continue
            match block.get("type"):
                case "thinking" if block.get("thinking"):
                    self._emit("thought", text=str(block["thinking"]))
                case "text" if block.get("text"):
                    self._say(str(block["text"]))
                case "toolCall":
                    self._call(*called(block))

    def _say(self, text: str, *, interrupted: bool = False) -> None:
        self._text, self._partial = text, ""
        self._emit("text", text=text, interrupted=interrupted)

    def _cut(self) -> None:
        if self._partial:
            self._say(self._partial, interrupted=True)

    def _call(self, call: str, tool: str, arguments: Any) -> None:
        if call not in self._called:
            self._called.append(call)
            self._running[call] = None
            self._emit("tool_called", id=call, tool=tool, input=arguments if isinstance(arguments, dict) else {})

    def _returned(self, call: str, text: str, *, is_error: bool) -> None:
        if self._running.pop(call, ...) is None:
            self._emit("tool_returned", id=call, text=bounded(text), is_error=is_error)
