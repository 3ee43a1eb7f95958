"""The headless bridge: what the daemon says goes to the gateway, what the gateway tells goes to the daemon."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from time import monotonic
from typing import Any

from aetherd_runtimes.bridge.hearing import Answer, Ears, Heard, Interrupt, Say
from aetherd_runtimes.bridge.life import leave_on_signals
from aetherd_runtimes.builtin.protocol import Mouth
from aetherd_runtimes.openclaw.approvals import Approvals
from aetherd_runtimes.openclaw.gateway import BAD_CONFIG, Gateway, adopt_orphans
from aetherd_runtimes.openclaw.settings import Settings
from aetherd_runtimes.openclaw.turns import NOTE, Turns
from aetherd_runtimes.openclaw.wire import Gone, Refused, Wire

RESTARTS = 3  # of a gateway that died
WINDOW_S = 600.0  # within so long
STUCK_S = 60.0  # a text that was taken is told within so long, unless a run goes on
HISTORY = 200  # messages that are looked through for texts that were told before
QUEUES = {"now": "interrupt", "next": "steer", "queue": "followup"}


def serve(settings: Settings) -> int:
    """Run until the daemon closes our input; return the exit status."""
    bridge = Bridge(settings, Mouth())
    adopt_orphans()
    leave_on_signals(bridge.kill)
    code = 1
    try:
        code = asyncio.run(bridge.run())
    except* BrokenPipeError:
        pass  # nobody listens any more
    return code


class Bridge:
    """One conversation of one agent."""

    def __init__(self, settings: Settings, mouth: Mouth) -> None:
        self._settings = settings
        self._emit = mouth.emit
        self._turns = Turns(mouth.emit, settings.key)
        self._approvals = Approvals(mouth.emit)
        self._gateway: Gateway | None = None
        self._deaths: deque[float] = deque(maxlen=RESTARTS + 1)
        self._todo: deque[Heard] = deque()
        self._sent: dict[str, Say] = {}  # and not known to have been told
        self._closed = False
        self._wake = asyncio.Event()

    def kill(self) -> None:
        """Kill the gateway, at once."""
        if self._gateway is not None:
            self._gateway.kill()

    async def run(self) -> int:
        """Keep a gateway running, within bounds, until all is said and done."""
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(self._listen())
            try:
                while (code := await self._live()) is None:
                    pass
                return code
            finally:
                listening.cancel()

    async def _listen(self) -> None:
        async for heard in Ears(lambda text: self._emit("trouble", text=text)).listen():
            self._todo.append(heard)
            self._wake.set()
        self._closed = True
        self._wake.set()

    async def _live(self) -> int | None:
        """Run one gateway; None when another shall follow."""
        gateway = self._gateway = Gateway(self._settings)
        try:
            async with gateway.running():
                while True:
                    wire = await gateway.connect()
                    if await self._connected(wire):
                        await gateway.end()
                        return None if self._turns.worn else 0
                    if await _dead(gateway):
                        raise Gone(gateway.how or "the OpenClaw gateway is gone")
                    self._emit("trouble", text="the connection to the OpenClaw gateway was lost; connecting again")
        except BrokenPipeError:
            raise
        except (Gone, Refused, OSError) as exc:
            return self._died(gateway, gateway.how or str(exc))

    def _died(self, gateway: Gateway, how: str) -> int | None:
        self._approvals.lost()
        self._turns.lost(how)
        self._deaths.append(monotonic())
        often = len(self._deaths) > RESTARTS and self._deaths[-1] - self._deaths[0] < WINDOW_S
        code = gateway.child.exit_code if gateway.child and gateway.how else 1
        if often or code == BAD_CONFIG or self._closed:
            times = f" {len(self._deaths)} times in {WINDOW_S:g} s" if often else ""
            self._emit("trouble", text=f"{how}{times}; it is not started again")
            return code or 1
        self._emit("trouble", text=f"{how}; it is started again, the conversation is kept")
        return None

    # One connection ------------------------------------------------------------------------------------

    async def _connected(self, wire: Wire) -> bool:
        """Work on one connection: True when there is nothing more to do, False when it was lost."""
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(wire.run(self._hear))
            talking = group.create_task(self._talk(wire))
            await asyncio.wait((reading, talking), return_when=asyncio.FIRST_COMPLETED)
            done = talking.done() and talking.result()
            talking.cancel()
            await wire.close()
        return done

    async def _talk(self, wire: Wire) -> bool:
        try:
            await self._resume(wire)
            while True:
                self._wake.clear()
                while (heard := self._next()) is not None:
                    await self._do(wire, heard)
                await self._approvals.settle(wire)
                if self._turns.worn and not self._turns.busy and any(isinstance(one, Say) for one in self._todo):
                    return True  # with a gateway that has not shut the key out
                if self._closed and not self._todo and not self._turns.busy:
                    self._turns.worn = False
                    return True
                idle = None if self._turns.busy else self._settings.idle_exit_s or None
                try:
                    async with asyncio.timeout(STUCK_S if self._turns.stuck else idle):
                        await self._wake.wait()
                except TimeoutError:
                    if self._turns.stuck:
                        self._turns.give_up()
                    else:
                        self._closed = True
        except Gone:
            return False

    async def _resume(self, wire: Wire) -> None:
        """Subscribe, and learn what is in the conversation already."""
        await wire.request("sessions.messages.subscribe", key=self._settings.key)
        kept = await wire.request("chat.history", sessionKey=self._settings.key, limit=HISTORY)
        messages = kept.get("messages")
        self._turns.recall(messages if isinstance(messages, list) else [])
        self._turns.worn = False
        about = kept.get("sessionInfo")
        going = about.get("activeRunIds") if isinstance(about, dict) else None
        if isinstance(going, list):
            self._turns.reconcile([str(run) for run in going])
        self._emit(
            "session",
            session=self._settings.session,
            model=self._settings.model or None,
            tools_connected=None,
            version=wire.version or self._settings.version,
        )
        self._todo.extendleft(reversed([say for say in self._sent.values() if say not in self._todo]))
        self._sent.clear()

    def _next(self) -> Heard | None:
        """Take what can be done now: texts for later wait for the end of the turn, but hold nothing else up."""
        for heard in self._todo:
            if isinstance(heard, Say) and self._turns.busy and heard.priority == "queue":
                continue
            if isinstance(heard, Say) and self._turns.worn:
                continue
            self._todo.remove(heard)
            return heard
        return None

    async def _do(self, wire: Wire, heard: Heard) -> None:
        try:
            match heard:
                case Say():
                    await self._say(wire, heard)
                case Interrupt() if self._turns.busy:
                    await wire.request("chat.abort", sessionKey=self._settings.key)
                case Answer():
                    if reason := self._approvals.reason(heard):  # the run waits, so it is told before it goes on
                        await self._note(wire, f"{NOTE}{heard.request}", reason)
                    await self._approvals.answer(wire, heard)
        except Refused as exc:
            self._emit("trouble", text=f"the OpenClaw gateway refused: {exc}")

    async def _say(self, wire: Wire, say: Say) -> None:
        if self._turns.knows(say.id):  # told to an earlier incarnation that did not live to say so
            self._emit("told", id=say.id, text=say.text)
            return
        self._sent[say.id] = say
        self._turns.sent(say.id)
        try:
            await self._send(wire, say.id, say.text, say.priority)
        except Refused as exc:
            if exc.retry:  # a suspended or restarting gateway
                self._turns.withdraw(say.id)
                raise Gone(str(exc)) from exc
            del self._sent[say.id]
            self._turns.failed(say.id, f"the OpenClaw gateway refused the text: {exc}")

    async def _note(self, wire: Wire, identity: str, text: str) -> None:
        """Tell the run that goes on something of our own, which the daemon knows."""
        self._turns.sent(identity)
        try:
            await self._send(wire, identity, text, "next")
        except Refused as exc:
            self._turns.withdraw(identity)
            self._emit("trouble", text=f"the OpenClaw gateway refused a text: {exc}")

    async def _send(self, wire: Wire, identity: str, text: str, priority: str) -> None:
        await wire.request(
            "chat.send",
            sessionKey=self._settings.key,
            idempotencyKey=identity,
            message=text,
            queueMode=QUEUES[priority],
            timeoutMs=0,  # the daemon bounds the time of a run
            # else "/exec security=full" in anybody's message would open what asks
            suppressCommandInterpretation=True,
        )

    def _hear(self, event: str, payload: Mapping[str, Any]) -> None:
        self._approvals.hear(event, payload)
        self._turns.hear(event, payload)
        if event == "session.message":
            for told in [known for known in self._sent if self._turns.knows(known)]:
                del self._sent[told]
        self._wake.set()


async def _dead(gateway: Gateway) -> bool:
    """Give a gateway that hung up a moment to die of what it hung up for."""
    try:
        async with asyncio.timeout(1):
            assert gateway.child is not None
            await gateway.child.wait()
    except TimeoutError:
        return False
    return True
