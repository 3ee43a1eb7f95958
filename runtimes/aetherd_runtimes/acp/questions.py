"""What the agent asks a person: permission for a tool call, until it is answered, withdrawn or the turn ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aetherd_runtimes.acp.peer import INVALID, Params, Refused
from aetherd_runtimes.acp.updates import ToolCall, Updates, refusal
from aetherd_runtimes.bridge.hearing import Answer

ALLOW, DENY = ("allow_once", "allow_always"), ("reject_once", "reject_always")
REFUSED = 20  # refusals that are remembered, to be told
NOBODY = {"outcome": {"outcome": "cancelled"}}


class Questions:
    """Those that are open, by our own number; a tool allowed for the run is not asked for again."""

    def __init__(self, emit: Callable[..., None], updates: Updates) -> None:
        self._emit, self._updates = emit, updates
        self._number = 0
        self._open: dict[str, asyncio.Future[Answer | None]] = {}
        self._allowed: set[str] = set()
        self._refused: list[tuple[str, bool]] = []  # and the model was not told by us; whether with a reason

    async def ask(self, params: Params) -> dict[str, Any]:
        """Return the option for a request of the agent's."""
        asked, options = params.get("toolCall"), params.get("options")
        if not isinstance(asked, dict) or not isinstance(options, list):
            raise Refused(INVALID, "toolCall and options are needed")
        call = self._updates.call(asked, asked=True)
        if call.ours or call.tool in self._allowed:
            return _pick(options, ALLOW)
        answer = await self._person(call)
        if answer is None:
            return NOBODY
        if not answer.allow:
            self._refused = [*self._refused, (refusal(call, answer.reason), bool(answer.reason))][-REFUSED:]
            self._updates.refused(call, answer.reason)
            return _pick(options, DENY)
        if answer.for_run:  # kept here: an agent may take "always" for longer than this run
            self._allowed.add(call.tool)
        return _pick(options, ALLOW)

    def refusals(self, *, reasons: bool = False) -> list[str]:
        """Return and forget what was refused; with `reasons` only what a person gave one for.

        The agent itself tells its model that it was refused, but ACP has no place for the reason.
        """
        told = [text for text, reason in self._refused if reason or not reasons]
        self._refused.clear()
        return told

    def answer(self, answer: Answer) -> None:
        """Take a person's answer; one that comes too late is left out."""
        future = self._open.get(answer.request)
        if future is not None and not future.done():
            future.set_result(answer)

    def withdraw(self) -> None:
        """Answer everything that is open with nobody's answer."""
        for future in self._open.values():
            if not future.done():
                future.set_result(None)

    async def _person(self, call: ToolCall) -> Answer | None:
        self._number += 1
        request = f"q{self._number}"
        future = self._open[request] = asyncio.get_running_loop().create_future()
        self._emit(
            "permission_asked", request=request, tool=call.tool, input=call.input, title=call.title, tool_call=call.id
        )
        answer: Answer | None = None
        try:
            answer = await future
        finally:
            del self._open[request]
            if answer is None:
                self._emit("permission_closed", request=request)
        return answer


def _pick(options: list[Any], kinds: tuple[str, ...]) -> dict[str, Any]:
    """Return an option of the first kind there is, else nobody's answer.

    Of two that refuse, Codex calls the one `cancel` that ends the turn as well.
    """
    for kind in kinds:
        fit = [
            str(option.get("optionId")) for option in options if isinstance(option, dict) and option.get("kind") == kind
        ]
        if fit:
            return {"outcome": {"outcome": "selected", "optionId": sorted(fit, key="cancel".__eq__)[0]}}
    return NOBODY
