"""One runtime on the bench: a real daemon, a scripted model, and the agent that is put through its paces."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conformance_runtimes.kinds import KEY, Kind
from tests.conformance_runtimes.truth import DEAD, IDLE, PAUSED, STARTING, WAITING, WORKING, Score, Watch
from tests.conformance_runtimes.watching import Heard, Watcher
from tests.e2e.daemon_lab import Daemon, Refused, dead, until, words
from tests.installed import PLACE
from tests.model_api import ModelApi, Request

SOON_S = 20.0  # most that anything takes once an agent runs
READY = "Ready."
_names = itertools.count(1)


class Lacks(Exception):
    """Raised for a behaviour that does not apply; says why."""


def says(*reply: Any, **step: Any) -> dict[str, Any]:
    """Script one answer: texts, texts with pauses (lists) and tool calls."""
    return {"reply": [one if isinstance(one, dict) else {"text": one} for one in reply], **step}


def aether(name: str, /, **input: Any) -> dict[str, Any]:
    """Script a call of one of aetherd's tools, whatever the runtime calls it."""
    return {"tool_use": {"name": f"*aether_{name}", "input": input}}


@contextmanager
def bench(kind: Kind) -> Iterator[Bench]:
    """Start a daemon and a model for one runtime."""
    with ModelApi({"side": says("a title")}) as api:
        settings = "approval_wait_s = 1\nmax_running = 20\n"
        daemon = Daemon(settings=settings, env=_providers(api))
        _shelve(daemon)
        with daemon, Watcher(daemon) as watcher:
            found = Bench(kind, daemon, api, watcher)
            try:
                yield found
            finally:
                found.leave()


def _providers(api: ModelApi) -> dict[str, str]:
    """Return the environment from which the daemon takes its keys, and where the providers are."""
    return {
        "ANTHROPIC_API_KEY": KEY,
        "ANTHROPIC_BASE_URL": api.url,
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": f"{api.url}/v1",
        "GEMINI_API_KEY": KEY,
        "GOOGLE_GEMINI_BASE_URL": api.url,
    }


def _shelve(daemon: Daemon) -> None:
    """Give the daemon the installs that tests share."""
    shelf = daemon.home / "runtimes"
    for place in PLACE.glob("*/current"):
        shelf.mkdir(mode=0o755, exist_ok=True)
        (shelf / place.parent.name).symlink_to(place.parent)


class Agent:
    """One process, watched."""

    def __init__(self, daemon: Daemon, spawned: dict[str, Any], first: int) -> None:
        self.pid: int = spawned["pid"]
        self.name: str = spawned["name"]
        self.place: Path = daemon.home / "agents" / spawned["agent"] / "home" / "work"
        self.first = first  # the number of its first request
        self.watch = Watch(daemon, self.pid)


class Bench:
    """What behaviours are written in."""

    def __init__(self, kind: Kind, daemon: Daemon, api: ModelApi, watcher: Watcher) -> None:
        self.kind, self.daemon, self.api, self.watcher = kind, daemon, api, watcher
        self.score = Score()
        self.kept: dict[str, Any] = {}  # what one behaviour saw for another
        self._agent: Agent | None = None
        self._first = self._mark = 0
        self._begun = 0.0
        self._asks: set[int] = set()
        self._used: list[tuple[dict[str, Any], ...]] = []

    # Agents -----------------------------------------------------------------------------------------------

    @property
    def agent(self) -> Agent:
        """The one at work."""
        assert self._agent is not None
        return self._agent

    @property
    def capabilities(self) -> dict[str, bool]:
        """What the adapter says it can."""
        if "capabilities" not in self.kept:
            listed = self.daemon.call("runtime.get", runtime=self.kind.name)
            self.kept["capabilities"] = listed["capabilities"]
        found: dict[str, bool] = self.kept["capabilities"]
        return found

    def demand(self, capability: str) -> None:
        """Leave a behaviour out that the adapter does not promise."""
        if not self.capabilities.get(capability):
            raise Lacks(f"the adapter does not promise `{capability}`")

    def spawn(self, goal: str | None, *steps: dict[str, Any], **input: Any) -> Agent:
        """Leave the agent there is and start another on this script."""
        self.leave()
        self.begin(*steps)
        wish = {"name": f"bench-{next(_names)}", "model": self.kind.model} | input
        wish = {key: value for key, value in wish.items() if value}
        begun = time.time()
        agent = Agent(self.daemon, self.daemon.spawn(self.kind.name, goal=goal, **wish), self._first)
        agent.watch.know("the spawn", STARTING, WORKING, at=begun)
        agent.watch.start()
        self._agent = agent
        return agent

    def idle(self) -> Agent:
        """Return an agent that has nothing to do: the one there is, or a new one that has said it is ready."""
        if self._agent is not None:
            process = self.process()
            if process["state"] == "running" and process["phase"] in ("completed", "waiting_input", "idle"):
                return self._agent
        agent = self.spawn("Say that you are ready.", says(READY))
        self.turn(self.kind.start_s)
        return agent

    def leave(self, *, lost: bool = False) -> None:
        """End the agent at work and count what was shown of it; `lost`: since `begin` nothing is known of it."""
        agent, self._agent = self._agent, None
        if agent is None:
            return
        if lost:
            agent.watch.lose(self._begun)
        if self.daemon.get(agent.pid)["state"] not in ("exited", "lost"):
            agent.watch.know("the end", DEAD, IDLE, WORKING, PAUSED, WAITING)
            with contextlib.suppress(Refused):
                self.daemon.call("process.kill", pid=agent.pid)
        self.score.add(agent.watch.stop(self.api.requests[agent.first :], frozenset(self._asks)))

    # What is done -----------------------------------------------------------------------------------------

    def begin(self, *steps: dict[str, Any], **script: Any) -> None:
        """Go over to these answers."""
        self.api.use({"steps": list(steps), "side": says("a title"), **script})
        self._used.append(steps)  # kept, so that no other step gets the id of one of these
        self._first, self._mark, self._begun = len(self.api.requests), self.watcher.mark, time.time()

    def say(self, text: str, *steps: dict[str, Any]) -> None:
        """Begin a turn of an idle agent."""
        self.begin(*steps)
        self.agent.watch.know("a text for it", IDLE, WORKING)
        self.tell(text)

    def tell(self, text: str, priority: str = "next") -> None:
        """Tell it something, whatever it is doing."""
        self.daemon.call("process.send", pid=self.agent.pid, text=text, priority=priority)

    def command(self, line: str) -> dict[str, Any]:
        """Script a command with the tool it has for that; a person is asked."""
        self.demand("permissions")
        found = self.kind.command(line, self.api.requests[self.agent.first :])
        if found is None:
            raise Lacks("it has no tool that runs a command")
        step = says("I will.", found)
        self._asks.add(id(step))
        return step

    def allow(self) -> None:
        """Allow what it asks for now."""
        for asked in self.daemon.call("approval.list", pid=self.agent.pid, state="pending")["approvals"]:
            self.daemon.call("approval.decide", id=asked["id"], decision="allow_once")

    def allow_until(self, number: int) -> None:
        """Allow whatever it asks for until the model is asked for the number-th time."""

        def look() -> bool:
            self.allow()
            return len(self.requests()) >= number

        until(look, SOON_S, f"the {number}. request", self._about)

    def decide(self, decision: str, **input: Any) -> dict[str, Any]:
        """Wait for its question and answer it."""
        asked = self.daemon.approval(self.agent.pid, SOON_S)
        self.agent.watch.know("the question", WAITING)
        self.daemon.call("approval.decide", id=asked["id"], decision=decision, **input)
        self.agent.watch.know("the decision", WORKING, WAITING)
        return asked

    def decide_when_unrun(self, file: str, decision: str, **input: Any) -> dict[str, Any]:
        """Answer its question, after a look that the command did not run before."""
        self.daemon.approval(self.agent.pid, SOON_S)
        assert not (self.agent.place / file).exists(), "it ran before a person had answered"
        return self.decide(decision, **input)

    def call(self, operation: str) -> Any:
        """Run an operation on the agent."""
        return self.daemon.call(operation, pid=self.agent.pid)

    def crash(self) -> None:
        """Kill the runtime's own process, as a crash would; what aetherd put around it stays."""
        found = self.runtimes()
        assert found, "its process is not among the processes aetherd shows"
        self.agent.watch.know("the crash", DEAD)
        for one in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)

    # What is seen -----------------------------------------------------------------------------------------

    def process(self) -> dict[str, Any]:
        """Return the process."""
        return self.daemon.get(self.agent.pid)

    def runtimes(self) -> list[int]:
        """Return the os pids of the runtime itself."""
        tree = self.daemon.call("process.tree", pid=self.agent.pid)["os_pids"]
        return [one for one in tree if any(word in " ".join(words(one)[:6]) for word in self.kind.program)]

    def requests(self) -> list[Request]:
        """Return the requests since `begin`."""
        return self.api.requests[self._first :]

    def request(self, number: int, timeout: float = SOON_S) -> Request:
        """Wait for the number-th request (from 1) since `begin`."""
        try:
            return self.api.wait_for(lambda all: len(all) >= self._first + number, timeout)[self._first + number - 1]
        except TimeoutError:
            raise AssertionError(f"the model was not asked for the {number}. time: {self._about()}") from None

    def answered(self, number: int) -> Request:
        """Wait until the number-th request is answered."""
        request = self.request(number)
        self.api.wait_for(lambda _: request.ended_at is not None)
        return request

    def heard(self, what: str, met: Callable[[Heard], bool], timeout: float = SOON_S) -> Heard:
        """Wait for something of this agent since `begin`."""
        pid = self.agent.pid
        try:
            return self.watcher.wait(self._mark, lambda one: one.get("pid") == pid and met(one), timeout, what)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self._about()}") from None

    def turn(self, timeout: float = SOON_S) -> dict[str, Any]:
        """Wait for the end of the turn since `begin` and return how it ended."""
        heard = self.heard("the end of the turn", lambda e: e["type"] == "agent.turn_ended", timeout)
        found: dict[str, Any] = heard["data"]
        return found

    def turns(self) -> list[dict[str, Any]]:
        """Return how the turns since `begin` ended."""
        return [e["data"] for e in self.watcher.since(self._mark, "agent.turn_ended", pid=self.agent.pid)]

    def events(self, *types: str) -> list[Heard]:
        """Return what came of the agent since `begin`."""
        return self.watcher.since(self._mark, *types, pid=self.agent.pid)

    def until(self, what: str, met: Callable[[dict[str, Any]], object], timeout: float = SOON_S) -> dict[str, Any]:
        """Wait until it is shown as wanted."""
        seen: dict[str, Any] = {}

        def look() -> bool:
            seen.update(self.process())
            return bool(met(seen))

        until(look, timeout, what, self._about)
        return seen

    def gone(self, os_pids: list[int], timeout: float = 5) -> None:
        """Wait until none of these lives."""
        until(lambda: all(dead(one) for one in os_pids), timeout, f"the processes {os_pids} to be dead")

    def _about(self) -> str:
        process = self.process()
        trouble = [e["data"]["text"][:160] for e in self.events("agent.trouble")][-2:]
        asked = self.daemon.call("approval.list", pid=self.agent.pid, state="pending")["approvals"]
        waits = [one["tool"] for one in asked]
        told = (
            f"{process['state']}/{process['phase']}",
            process["reason"],
            *trouble,
            f"asks for {waits}" * bool(waits),
        )
        return "; ".join(str(one) for one in told if one)
