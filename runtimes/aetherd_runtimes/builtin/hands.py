"""What the agent acts with: aetherd's tools through the door, and a shell that a person has to allow."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from aetherd_runtimes.builtin import guard, shell
from aetherd_runtimes.builtin.door import Answer, Door
from aetherd_runtimes.builtin.inbox import Hurry, Inbox
from aetherd_runtimes.builtin.model import Tool, ToolResult, ToolUse
from aetherd_runtimes.builtin.protocol import bounded

REFUSED = "a person did not allow it"
NOBODY = "nobody is there any more who could allow it"


class Hands:
    """The tools on offer, and one call at a time; `real` when a model is at work and not a demonstration."""

    def __init__(self, door: Door, inbox: Inbox, emit: Callable[..., None], real: bool) -> None:
        self._door, self._inbox, self._emit, self._real = door, inbox, emit, real
        self._allowed = False  # the shell, for the rest of this run
        self._wary = False  # something read in this turn gave orders: then every command is asked for

    @property
    def connected(self) -> bool:
        """Whether aetherd's tools are there."""
        return self._door.connected

    def turn(self) -> None:
        """Begin a turn."""
        self._wary = False

    def tools(self) -> tuple[Tool, ...]:
        """Return the tools on offer, after waiting for aetherd if it is away."""
        own = (shell.TOOL,) if self._real else ()
        return (*self._door.tools(), *own)

    def call(self, use: ToolUse) -> tuple[str, ToolResult]:
        """Call a tool; returns what it gave, and that as the model is told it. Raises nothing but `Hurry`."""
        if use.wrong:
            answer = Answer(f"{use.name} was not called: {use.wrong}", is_error=True)
        elif self._real and use.name == shell.NAME:
            answer = self._shell(use)
        else:
            answer = self._door.call(use.name, use.input)
        text = bounded(answer.text)
        told = self.heard(f"what {use.name} gave", guard.result(_inner(use), text)) if self._real else text
        return text, ToolResult(use.id, told, answer.data, answer.is_error, answer.images)

    def said(self, text: str) -> str:
        """Return a text said to the agent as the model is told it."""
        return self.heard("a message", guard.said(text)) if self._real else text

    def heard(self, what: str, marked: guard.Marked) -> str:
        """Leave a trace of what reads like an order, and be wary from now on."""
        if marked.order is not None:
            self._wary = True
            told = f"{what} holds words that read like an instruction to the agent ({marked.order!r})"
            self._emit("trouble", text=f"{told}: the model was told that it is data, and is asked before each command")
        return marked.text

    def _shell(self, use: ToolUse) -> Answer:
        if (wrong := shell.wrong(use.input)) is not None:
            return Answer(wrong, is_error=True)
        if not self._allowed or self._wary:
            refused = self._ask(use)
            if refused is not None:
                return Answer(refused, is_error=True)
        return shell.run(use.input, self._inbox.wait)

    def _ask(self, use: ToolUse) -> str | None:
        """Ask a person; returns why it is not to be done, None when it is allowed."""
        request = f"ask_{os.urandom(8).hex()}"
        self._emit(
            "permission_asked",
            request=request,
            tool=use.name,
            input=dict(use.input),
            title=shell.title(use.input),
            tool_call=use.id,
        )
        try:
            permit = self._inbox.wait_for_answer(request)
        except Hurry:
            self._emit("permission_closed", request=request)
            raise
        if permit is None:
            self._emit("permission_closed", request=request)
            return NOBODY
        if not permit.allow:
            return f"{REFUSED}: {permit.reason}" if permit.reason else REFUSED
        self._allowed |= permit.for_run
        return None


def _inner(use: ToolUse) -> str:
    """Return the tool that is really meant: `aether_tool_call` calls another."""
    wanted: Mapping[str, Any] = use.input
    if use.name == "aether_tool_call" and isinstance(name := wanted.get("name"), str):
        return name if name.startswith("aether_") else f"aether_{name.replace('.', '_')}"
    return use.name
