"""The bridge itself: one agent, one conversation, a turn for each thing that is said."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from aetherd_runtimes.acp import verdicts
from aetherd_runtimes.acp.callbacks import Callbacks
from aetherd_runtimes.acp.opening import Opened, Unable, open_conversation, put_aside
from aetherd_runtimes.acp.peer import Gone, Params, Peer, Refused
from aetherd_runtimes.acp.questions import Questions
from aetherd_runtimes.acp.settings import Settings
from aetherd_runtimes.acp.updates import Updates, used
from aetherd_runtimes.bridge.child import Child, Stuck
from aetherd_runtimes.bridge.desk import Desk
from aetherd_runtimes.bridge.hearing import Answer, Ears, Interrupt, Say
from aetherd_runtimes.bridge.life import leave_on_signals
from aetherd_runtimes.builtin.protocol import Mouth, bounded

STEER_S = 30.0
LAST_WORDS_S = 1.0
QUIET_S = 0.3


class Client:
    """Everything of one run: the agent's lines, its errors, the daemon's words, and the turns."""

    def __init__(self, settings: Settings, mouth: Mouth) -> None:
        self._settings = settings
        self._emit = mouth.emit
        self._desk = Desk()
        self._updates = Updates(mouth.emit, settings.naming)
        self._updates.notices_are_loose = settings.loose_notices
        self._questions = Questions(mouth.emit, self._updates)
        self._interrupted = False
        self._running = False
        self._gone = False  # the agent has ended
        self._announced: dict[str, Any] | None = None
        self._context = "" if settings.session else settings.context

    async def run(self) -> int:
        """Start the agent, hold the conversation, end the agent; returns our exit code."""
        env = {name: value for name, value in os.environ.items() if name not in self._settings.hidden}
        try:
            child = await Child.start(self._settings.argv, env=env, cwd=os.getcwd(), name=self._settings.name)
        except OSError as error:
            return _fail(f"{self._settings.name} cannot be run: {error}")
        put_aside(self._settings)
        code, reason = 1, ""
        async with asyncio.TaskGroup() as group:
            self._callbacks = Callbacks(group, env, os.getcwd())
            leave_on_signals(child.kill, self._callbacks.kill)
            self._peer = Peer(group, child.write, self._serve, self._note, self._trouble)
            errors = group.create_task(child.pass_errors())
            tasks = [errors, group.create_task(self._listen()), group.create_task(self._read(child))]
            try:
                code, reason = await self._live(child)
            finally:
                await child.end()
                self._callbacks.kill()
                await asyncio.wait([errors], timeout=LAST_WORDS_S)  # ours come after the agent's
                for task in tasks:
                    task.cancel()
        return _fail(reason, code) if code else 0

    async def _live(self, child: Child) -> tuple[int, str]:
        """Hold the conversation; return our exit code, and the reason unless it is 0."""
        try:
            self._opened = await self._open()
            self._announce()
            while says := await self._desk.turn():
                await self._turn(says, child)
        except Unable as error:
            return 1, str(error)
        except Stuck as error:
            child.kill()
            return 1, str(error)
        except Gone:
            await child.wait()
        if self._gone:
            return child.exit_code or 1, child.how
        return 0, ""

    async def _open(self) -> Opened:
        self._updates.muted = True  # an old conversation is told again while it is loaded
        try:
            async with asyncio.timeout(self._settings.startup_s):
                opened = await open_conversation(self._peer, self._settings, self._trouble)
                if opened.replayed:  # Gemini CLI answers before it has told all
                    await self._updates.quiet(QUIET_S)
                return opened
        except TimeoutError as error:
            raise Unable(f"{self._settings.name} was not ready within {self._settings.startup_s:g} s") from error
        finally:
            self._updates.muted = False

    def _announce(self) -> None:
        """Say who this is; again once it is seen that the agent has our tools."""
        session = {
            "session": self._opened.session,
            "model": self._opened.model or self._settings.shown_model,
            "tools_connected": True if self._updates.reached else None,
            "permission_mode": self._opened.mode,
            "version": self._opened.version,
        }
        if session != self._announced:
            self._announced = session
            self._emit("session", **session)

    # Turns -----------------------------------------------------------------------------------------------

    async def _turn(self, says: list[Say], child: Child) -> None:
        self._emit("turn_started")
        self._running, self._interrupted = True, False
        self._updates.begin()
        try:
            outcome, error, resets_at = await self._work(says, child)
        except (Gone, Stuck) as failure:
            if isinstance(failure, Gone):
                await child.wait()
            self._end_turn("failed", str(failure) or child.how, None)
            raise
        self._end_turn(outcome, error, resets_at)

    def _end_turn(self, outcome: str, error: str | None, resets_at: str | None) -> None:
        self._running = False
        self._questions.withdraw()
        self._updates.end(interrupted=outcome == "interrupted")
        self._announce()
        self._emit("turn_ended", outcome=outcome, text=self._updates.last, error=error, resets_at=resets_at)

    async def _work(self, says: list[Say], child: Child) -> tuple[str, str | None, str | None]:
        """Prompt, and again with what was so urgent that the agent was stopped for it."""
        while True:
            try:
                answer = await self._prompt(says, child)
            except Refused as error:
                if self._interrupted:
                    return "interrupted", None, None
                if not (says := self._desk.take("now")):
                    return verdicts.of_error(error)
                continue
            self._updates.flush(interrupted=self._interrupted)
            if tokens := used(answer):
                self._emit("used", **tokens, model=self._opened.model or self._settings.shown_model)
            if self._interrupted:
                return "interrupted", None, None
            if says := self._desk.take("now"):
                continue
            if answer.get("stopReason") == "cancelled" and (refused := self._questions.refusals()):
                # it stops where others are told no and go on
                says = [Say("", f"{'. '.join(refused)}. Go on without it.", "now")]
                continue
            if (notice := self._updates.notice) and tokens is None:  # Codex ends a failed turn as if it were a good one
                return verdicts.of_error(Refused(0, notice))
            return (*verdicts.of_stop(answer.get("stopReason")), None)

    async def _prompt(self, says: list[Say], child: Child) -> Mapping[str, Any]:
        """Send a prompt and wait for its answer; meanwhile steer, or stop it."""
        stopped: float | None = None
        patience = self._settings.cancel_s
        reasons = [Say("", reason, "next") for reason in self._questions.refusals(reasons=True)]
        future = await self._peer.send("session/prompt", self._spoken([*reasons, *says]))
        self._told(says)
        future.add_done_callback(lambda _: self._desk.wake())
        clock = asyncio.get_running_loop().time
        while not future.done():
            if stopped is None and (self._interrupted or self._desk.urgent):
                stopped = clock()
                self._questions.withdraw()
                await self._peer.tell("session/cancel", {"sessionId": self._opened.session})
            elif stopped is None and self._opened.steering and (says := self._desk.take("next")):
                await self._steer(says)
                continue
            try:
                async with asyncio.timeout(None if stopped is None else max(0.0, stopped + patience - clock())):
                    await self._desk.changed()
            except TimeoutError as error:
                raise Stuck(f"{self._settings.name} did not stop within {patience:g} s") from error
        answer = await future
        return answer if isinstance(answer, dict) else {}

    async def _steer(self, says: list[Say]) -> None:
        """Tell a running turn something; what comes too late begins the next one."""
        params = {**self._spoken(says), "_meta": {"steering": {"idleBehavior": "promptRequired"}}}
        try:
            answer = await self._peer.ask("_session/steering", params, STEER_S)
            taken = isinstance(answer, dict) and answer.get("outcome") == "injected"
        except (Refused, TimeoutError):
            taken = False
        if taken:
            self._told(says)
        else:
            self._desk.put_back(says)

    def _spoken(self, says: list[Say]) -> dict[str, Any]:
        texts = [say.text for say in says]
        if self._context:
            texts.insert(0, self._context)
            self._context = ""
        blocks = [{"type": "text", "text": text} for text in texts]
        return {"sessionId": self._opened.session, "prompt": blocks}

    def _told(self, says: list[Say]) -> None:
        for say in says:
            if say.id:
                self._emit("told", id=say.id, text=say.text)

    # The agent and the daemon ----------------------------------------------------------------------------

    async def _read(self, child: Child) -> None:
        async for line in child.lines():
            if isinstance(line, int):
                self._trouble(f"a line of {line} bytes of {self._settings.name} is too long and was left out")
            elif line.strip():
                self._peer.hear(line)
        try:
            async with asyncio.timeout(1):
                await child.wait()
        except TimeoutError:  # it can say nothing any more
            child.kill()
        self._gone = True
        self._peer.gone()
        self._desk.close(at_once=True)

    async def _listen(self) -> None:
        async for heard in Ears(self._trouble).listen():
            match heard:
                case Say():
                    self._desk.put(heard)
                case Interrupt() if self._running:
                    self._interrupted = True
                    self._desk.wake()
                case Answer():
                    self._questions.answer(heard)
        self._desk.close()

    async def _serve(self, method: str, params: Params) -> Any:
        if method == "session/request_permission":
            return await self._questions.ask(params)
        return await self._callbacks.serve(method, params)

    def _note(self, method: str, params: Params) -> None:
        update = params.get("update")
        if method == "session/update" and isinstance(update, dict):
            self._updates.hear(update)

    def _trouble(self, text: str) -> None:
        self._emit("trouble", text=bounded(text))


def _fail(text: str, code: int = 1) -> int:
    """Say on standard error why we leave: it becomes the reason of the process's end."""
    os.write(2, f"{text}\n".encode())
    return code


def main(argv: list[str]) -> int:
    """Read the settings and live."""
    if len(argv) != 1:
        return _fail(f"usage: {sys.argv[0]} settings.json", 2)
    with open(argv[0], encoding="utf-8") as file:
        settings = Settings(**json.load(file))
    return asyncio.run(Client(settings, Mouth()).run())
