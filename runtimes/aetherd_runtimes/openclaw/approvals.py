"""Commands that wait for a person: the gateway's questions and the daemon's answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aetherd_runtimes.bridge.hearing import Answer
from aetherd_runtimes.openclaw.wire import Refused, Wire

TOOL = "exec"
TITLE_LIMIT = 300


class Approvals:
    """Questions of one gateway; each is open until it is answered, withdrawn or lost."""

    def __init__(self, emit: Callable[..., None]) -> None:
        self._emit = emit
        self._open: dict[str, str] = {}  # and what each asks for
        self._allowed = False  # for the rest of this run: the gateway's own "allow always" is not offered when it asks
        self._granted: list[str] = []  # by that, and still to be told

    def hear(self, event: str, payload: Mapping[str, Any]) -> None:
        """Ask for what is new, close what has been settled without us."""
        identity, request = payload.get("id"), payload.get("request")
        if not isinstance(identity, str) or not isinstance(request, dict):
            return
        if event == "exec.approval.requested":
            self._ask(identity, request)
        elif event == "exec.approval.resolved":
            self._close(identity)

    def _ask(self, identity: str, request: Mapping[str, Any]) -> None:
        if identity in self._open:
            return
        if self._allowed:
            self._granted.append(identity)
            return
        command, call = str(request.get("command") or ""), request.get("toolCallId")
        title = self._open[identity] = f"run {command[:TITLE_LIMIT]}"
        self._emit(
            "permission_asked",
            request=identity,
            tool=TOOL,
            input={"command": command, "cwd": str(request.get("cwd") or "")},
            title=title,
            tool_call=call if isinstance(call, str) else None,
        )

    def reason(self, answer: Answer) -> str | None:
        """Return what the model is to be told of a refusal, which has no place in the gateway's answer to it."""
        title = self._open.get(answer.request)
        if title is None or answer.allow or not answer.reason:
            return None
        return f"A person refused this: {title} ({answer.reason})"

    async def answer(self, wire: Wire, answer: Answer) -> None:
        """Pass a person's answer on; one that comes too late is left out."""
        if self._open.pop(answer.request, None) is None:
            return
        self._allowed |= answer.allow and answer.for_run
        await self._resolve(wire, answer.request, allow=answer.allow)

    async def settle(self, wire: Wire) -> None:
        """Grant what a person has allowed for the rest of the run."""
        while self._granted:
            await self._resolve(wire, self._granted.pop(), allow=True)
        if self._allowed:
            for identity in tuple(self._open):
                self._close(identity)
                await self._resolve(wire, identity, allow=True)

    def lost(self) -> None:
        """Close all: the gateway that asked is gone."""
        self._granted.clear()
        for identity in tuple(self._open):
            self._close(identity)

    async def _resolve(self, wire: Wire, identity: str, *, allow: bool) -> None:
        try:
            await wire.request("exec.approval.resolve", id=identity, decision="allow-once" if allow else "deny")
        except Refused as exc:
            self._emit("trouble", text=f"the answer came too late: {exc}")

    def _close(self, identity: str) -> None:
        if self._open.pop(identity, None) is not None:
            self._emit("permission_closed", request=identity)
