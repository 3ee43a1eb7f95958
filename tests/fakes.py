"""Stand-ins for the rooms' tests: a clock moved by hand, a scripted runtime, and a house full of processes."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.to_thread
import pytest

from aetherd.core.clock import SystemClock
from aetherd.core.config import Settings, load
from aetherd.daemon.kernel import Kernel
from aetherd.daemon.rooms import ROOMS
from aetherd.events import EventLog
from aetherd.events.log import Logged
from aetherd.runtime import (
    Answer,
    Capabilities,
    Decoder,
    Delta,
    Ended,
    Hints,
    Input,
    Interrupt,
    Launch,
    Output,
    PermissionAsked,
    PermissionClosed,
    Report,
    SessionStarted,
    Spawn,
    Text,
    Thought,
    Told,
    ToolCalled,
    ToolReturned,
    Trouble,
    TurnEnded,
    TurnStarted,
    Unread,
    Used,
    Verdict,
)
from aetherd_runtimes.builtin_runtime import Builtin, needs
from aetherd_runtimes.command import Command, judge_exit
from house import Running, clear, forget_environment, seed_database

PATIENCE_S = 20.0  # only a bound, for a starved machine


class HandClock(SystemClock):
    """The system's clock, which a test sets forward; whoever sleeps by it wakes only then."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._moved = anyio.Event()

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self._ahead)

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead

    async def sleep(self, seconds: float) -> None:
        until = self._ahead + seconds
        while self._ahead < until:
            await self._moved.wait()

    def advance(self, seconds: float) -> None:
        """Let time pass at once."""
        self._ahead += seconds
        moved, self._moved = self._moved, anyio.Event()
        moved.set()


# The puppet ------------------------------------------------------------------------------------------

PUPPET = r"""
import json, sys
def tell(**line): print(json.dumps(line), flush=True)
heard, asked = open("heard", "a"), None
tell(type="session", session=sys.argv[1], model="puppet-1", permission_mode="ask", tools_connected=True)
for line in sys.stdin:
    heard.write(line); heard.flush()
    told = json.loads(line)
    if told["type"] == "answer":
        tell(type="returned", id="t1", text=("ran " if told["allow"] else "refused: ") + (told["reason"] or asked),
             is_error=not told["allow"])
        tell(type="ended", outcome="completed", text="allowed" if told["allow"] else "denied")
    if told["type"] == "interrupt":
        tell(type="ended", outcome="interrupted", text="cut off")
    if told["type"] != "say":
        continue
    tell(type="told", id=told["id"], text=told["text"])
    tell(type="turn")
    for step in told["text"].split(" ;; "):
        verb, _, rest = step.partition(" ")
        if verb == "ask":
            tool, _, asked = rest.partition(" ")
            tell(type="called", id="t1", tool=tool, input={"command": asked})
            tell(type="asked", request=told["id"], tool=tool, input={"command": asked}, title="Run " + asked)
        elif verb == "withdraw":
            tell(type="closed", request=told["id"])
        elif verb == "print":
            print(rest, flush=True)
        elif verb == "tail":
            sys.stdout.write(rest); sys.stdout.flush()
        elif verb == "pour":
            for _ in range(int(rest)): tell(type="delta", kind="text", text="." * 1000)
        elif verb == "long":
            print("x" * int(rest), flush=True)
        elif verb == "complain":
            print(rest, file=sys.stderr, flush=True)
        elif verb == "fifo":
            open(rest).read()
        elif verb == "exit":
            sys.exit(int(rest))
        elif verb == "say":
            tell(type="text", text=rest)
            tell(type="ended", outcome="completed", text=rest)
        elif verb != "work":
            tell(type="ended", outcome="completed", text="heard " + step)
"""

WORDS: dict[str, Callable[..., Output]] = {
    "session": SessionStarted,
    "turn": TurnStarted,
    "thought": Thought,
    "text": Text,
    "delta": Delta,
    "told": Told,
    "called": ToolCalled,
    "returned": ToolReturned,
    "asked": PermissionAsked,
    "closed": PermissionClosed,
    "used": Used,
    "ended": TurnEnded,
    "trouble": Trouble,
}


@dataclass
class Puppet:
    """A runtime double with every capability: each step of a text it is told (`a ;; b`) says what it does.

    `ask Bash ls` waits for leave, `work` never ends its turn, `say x` answers, `fifo x` waits until the test
    opens it, `exit 3` exits; see PUPPET.
    """

    name = "puppet"
    capabilities = Capabilities(*[True] * len(fields(Capabilities)))
    hints = Hints(title="Puppet", summary="A double for tests.", needs=("PUPPET_KEY",))
    screen: tuple[str, ...] = ("/bin/sh", "-c", "echo the screen of $SESSION; exec cat")
    moved_to: str | None = None  # the conversation the person leaves its TUI in
    typed: tuple[Output, ...] = ()  # what is in the transcript after its TUI
    launched: list[Spawn] = field(default_factory=list)

    def check(self) -> Report:
        return Report(available=False, missing="buy strings")

    def launch(self, spawn: Spawn) -> Launch:
        self.launched.append(spawn)
        session = self._session(spawn)
        argv = (sys.executable, "-I", "-S", "-c", PUPPET, session)
        env = {"PATH": "/usr/bin:/bin", "HOME": str(spawn.home), "SESSION": session, **spawn.env, **spawn.door.env}
        if spawn.mode == "tui":
            return Launch(self.screen, env, spawn.cwd, "pty", session=session)
        return Launch(argv, env, spawn.cwd, "pipes", session=session, needs=needs())

    def decoder(self, spawn: Spawn, state: dict[str, Any] | None = None) -> Decoder:
        return PuppetDecoder(state)

    def transcript(self, spawn: Spawn, since: float) -> Iterable[Output]:
        return self.typed

    def ended_in(self, spawn: Spawn, since: float) -> str | None:
        return self.moved_to

    def _session(self, spawn: Spawn) -> str:
        return spawn.session or f"conversation-{spawn.pid}"


class PuppetDecoder:
    """One JSON object per line; it counts the lines, so that a test sees whether it was restored."""

    def __init__(self, state: dict[str, Any] | None) -> None:
        self._lines = (state or {}).get("lines", 0)

    def decode(self, line: bytes) -> Iterable[Output]:
        self._lines += 1
        if line == b"how many":
            return (Text(f"{self._lines} lines"),)
        try:
            said = json.loads(line)
            return (WORDS[said.pop("type")](**said),)
        except (ValueError, KeyError, TypeError, AttributeError):
            return (Unread(line.decode("utf-8", "replace")),)

    def encode(self, message: Input) -> bytes | None:
        kind = {Interrupt: "interrupt", Answer: "answer"}.get(type(message), "say")
        return json.dumps({"type": kind, **asdict(message)}).encode() + b"\n"

    def close(self) -> bytes | None:
        return None

    def rest(self) -> Iterable[Output]:
        return ()

    def judge(self, ended: Ended) -> Verdict:
        return judge_exit(ended)

    def state(self) -> dict[str, Any]:
        return {"lines": self._lines}


# The house -------------------------------------------------------------------------------------------


@dataclass
class Lab:
    """A house with real processes, and short ways to start, tell and watch them."""

    running: Running
    clock: HandClock
    puppet: Puppet
    log: dict[int, dict[str, Any]] = field(default_factory=dict)
    _news: anyio.Event = field(default_factory=anyio.Event)

    @property
    def home(self) -> Path:
        return self.running.house.settings.home

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every event of the log, oldest first."""
        return [self.log[key] for key in sorted(self.log)]

    @property
    def kernel(self) -> Kernel:
        return self.running.kernel

    async def __call__(self, name: str, call: Any = None, /, **raw: Any) -> Any:
        """Run an operation as the owner, or as `call`; of a stream, the last part."""
        with anyio.fail_after(PATIENCE_S):
            found = await self.running.invoke(name, raw, call)
            if hasattr(found, "__aiter__"):
                parts = [part async for part in found]
                found = parts[-1]
        return found

    async def spawn(self, runtime: str = "puppet", **raw: Any) -> Any:
        return await self("process.spawn", runtime=runtime, **raw)

    async def sh(self, script: str, **raw: Any) -> Any:
        """Start a shell script on a terminal."""
        return await self.spawn("command", argv=["/bin/sh", "-c", script], **raw)

    async def ended(self, pid: int) -> Any:
        """Return a process once it has ended."""
        await self("process.wait", pid=pid, until="exit")
        return await self("process.get", pid=pid)

    async def result(self, pid: int) -> Any:
        return await self("process.wait", pid=pid)

    def agent_of(self, process: Any, **changes: Any) -> Any:
        """Return a call of a process's own."""
        return self.running.agent_call(process.agent, pid=process.pid, **changes)

    async def event(self, kind: str, /, *, pid: int | None = None, **data: Any) -> dict[str, Any]:
        """Return the first event like this, once there is one."""
        with anyio.fail_after(PATIENCE_S):
            while True:
                news = self._news
                for one in self.events:
                    if one["type"] == kind and pid in (None, one["pid"]) and data.items() <= one["data"].items():
                        return one
                await news.wait()

    def of(self, pid: int, kind: str) -> list[dict[str, Any]]:
        """Return the data of a process's events of a type."""
        return [one["data"] for one in self.events if one["pid"] == pid and one["type"] == kind]

    async def printed(self, pid: int, text: str) -> str:
        """Return what a process printed once that holds the text."""
        seen = ""
        with anyio.fail_after(PATIENCE_S):
            parts = await self.running.invoke("process.output", {"pid": pid, "follow": True})
            async for part in parts:
                seen += part.text
                if text in seen:
                    break
            await parts.aclose()
        assert text in seen
        return seen

    async def ready(self, process: Any) -> Any:
        """Return a puppet once it has said its conversation."""
        await self.event("agent.session_started", pid=process.pid)
        return process

    def heard(self, process: Any) -> list[dict[str, Any]]:
        """Return what a puppet was really told, over all its incarnations."""
        place = self.home / "agents" / process.agent / "home" / "work" / "heard"
        return [json.loads(line) for line in place.read_text().splitlines()]

    def said(self, process: Any) -> list[str]:
        """Return the texts a puppet was really told."""
        return [line["text"] for line in self.heard(process) if line["type"] == "say"]

    def publish(self, logged: list[Any]) -> None:
        self.log |= {one.id: json.loads(one.json) for one in logged}
        news, self._news = self._news, anyio.Event()
        news.set()


class Estate:
    """A home on which houses are opened one after the other; processes outlive them, as they do the daemon."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.clock, self.puppet = settings, HandClock(), Puppet()

    @asynccontextmanager
    async def open(self, **changes: Any) -> AsyncIterator[Lab]:
        """Bring a house up; keywords change its settings."""
        settings = self.settings.model_copy(update=changes)
        runtimes = {"command": Command(), "builtin": Builtin(), "puppet": self.puppet}
        kernel = Kernel(settings, ROOMS, runtimes, self.clock)
        async with kernel.running() as house:
            lab = Lab(Running(kernel, house), self.clock, self.puppet)

            def publish(logged: list[Logged]) -> None:
                kernel.hub.publish(logged)
                lab.publish(logged)

            kernel.store.on_commit(publish)
            lab.publish(
                await kernel.store.read(lambda session: EventLog.page(session, after=0, until=2**62, limit=10**6))
            )
            yield lab


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def estate(settings: Settings, anyio_backend: str) -> AsyncIterator[Estate]:
    """Give a home without a house, for tests that bring it up and down."""
    made = Estate(settings)
    yield made
    await anyio.to_thread.run_sync(clear, settings)


@pytest.fixture(scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str, walls: Any) -> AsyncIterator[Lab]:
    """Give a house that is up, the same for all tests of a file."""
    with pytest.MonkeyPatch.context() as patch:
        forget_environment(patch)
        home = tmp_path_factory.mktemp("lab") / "aether"
        settings = load(home=home, port=0, approval_wait_s=0.05, max_running=500, docker_host="", sandbox=walls)
    seed_database(settings, tmp_path_factory.getbasetemp() / "template.db")
    made = Estate(settings)
    async with made.open() as opened:
        yield opened
    await anyio.to_thread.run_sync(clear, settings)


# A machine with GPUs ---------------------------------------------------------------------------------


class FakeNvml:
    """A double of `pynvml` with so many GPUs; each is called by its number and has 80 GiB."""

    NVML_TEMPERATURE_GPU = 0

    class NVMLError(Exception):
        """As the real one."""

    class NVMLError_LibraryNotFound(NVMLError):
        """As the real one."""

    def __init__(self, count: int, *, driver: bool = True) -> None:
        self.count, self.driver, self.opened = count, driver, 0
        self.silent: set[str] = set()  # what this model of GPU does not tell

    def nvmlInit(self) -> None:
        if not self.driver:
            raise self.NVMLError_LibraryNotFound("no library")
        self.opened += 1

    def nvmlShutdown(self) -> None:
        self.opened -= 1

    def nvmlSystemGetDriverVersion(self) -> str:
        return "550.1"

    def nvmlDeviceGetCount(self) -> int:
        return self.count

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> int:
        return int(uuid.rpartition("-")[2])

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        return f"GPU-{handle}"

    def nvmlDeviceGetName(self, handle: int) -> str:
        return "Double H1"

    def nvmlDeviceGetMinorNumber(self, handle: int) -> int:
        return handle

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        return SimpleNamespace(total=80 << 30, used=handle << 30)

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:
        return SimpleNamespace(gpu=self._told("utilisation", 40 + handle))

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> int:
        return self._told("temperature", 50 + handle)

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        return self._told("power", 123_400)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[Any]:
        return [None] * handle

    def _told(self, what: str, value: int) -> int:
        if what in self.silent:
            raise self.NVMLError("Not Supported")
        return value
