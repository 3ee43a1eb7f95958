"""The real daemon on a temporary home, started, killed and watched from outside; no view into its code.

    with Daemon() as daemon:
        pid = daemon.spawn("builtin", goal="demo:\\nsay hello")["pid"]
        daemon.kill()          # -9
        daemon.start()
        daemon.call("process.wait", pid=pid)

`Stream` is a client of /v1/events that reconnects by Last-Event-ID, as a browser does.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyte

from tests.house import usual_tier

AETHERD = Path(sys.executable).parent / "aetherd"
READY_S = 60.0  # only a bound, for a starved machine
CGROUPS = Path("/sys/fs/cgroup")
PACE_S = 0.02  # between two looks at something that sends no event

Event = dict[str, Any]


class Refused(Exception):
    """Raised for an answer that is not 2xx."""

    def __init__(self, status: int, error: dict[str, Any]) -> None:
        super().__init__(f"{status} {error.get('code')}: {error.get('message')}")
        self.status, self.code, self.message = status, error.get("code"), str(error.get("message"))
        self.data: dict[str, Any] = error.get("data") or {}


class Daemon:
    """One home, and the daemon on it when it runs."""

    def __init__(self, *, settings: str = "", env: dict[str, str] | None = None) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="aether-"))
        self.log = self.home.with_suffix(".log")
        self.env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": os.environ.get("HOME", "/")}
        self.env |= {"AETHER_SANDBOX": usual_tier(), **(env or {})}
        if settings:
            (self.home / "aetherd.toml").write_text(settings)
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def __enter__(self) -> Daemon:
        """Start."""
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        """End the daemon and whatever it left, and remove the home."""
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(Refused, OSError):
                self.call("system.shutdown", agents=True)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        self.kill()
        for os_pid in self.tree():
            with contextlib.suppress(ProcessLookupError):
                os.kill(os_pid, signal.SIGKILL)
        until(lambda: not self.tree(), 10, "everything of the test to be gone")
        until(self._ungrouped, 10, "its control groups to be gone")
        shutil.rmtree(self.home, ignore_errors=True)
        self.log.unlink(missing_ok=True)

    def _ungrouped(self) -> bool:
        """Remove its control groups; a killed process leaves its group a moment after it is dead."""
        found = [*CGROUPS.glob(f"aetherd-{self.key}"), *CGROUPS.glob(f"*/aetherd-{self.key}")]
        for group in found:
            for place, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(place)
        return not any(group.exists() for group in found)

    # Its life -------------------------------------------------------------------------------------------

    def popen(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Run the command `aetherd` on this home."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [str(AETHERD), "--home", str(self.home), "--port", str(self.port), *arguments],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start(self) -> Daemon:
        """Start it and return when it answers; the second time on the same port, as a service would."""
        self.begin()
        until(self._ready, READY_S, "the daemon to be ready", lambda: self.log.read_text()[-3000:])
        return self

    def revive(self) -> Daemon:
        """Start it unless it runs."""
        return self.start() if self.process is None or self.process.poll() is not None else self

    def clear(self) -> None:
        """End every process; their questions close with them."""

        def none_is_left() -> bool:
            found = self.call("process.list", state="live", limit=500)["processes"]
            for one in found:
                with contextlib.suppress(Refused):  # it has just ended by itself
                    self.call("process.kill", pid=one["pid"])
            return not found

        until(none_is_left, READY_S, "every process to end")

    def begin(self) -> None:
        """Start it and do not wait."""
        (self.home / "run" / "address").unlink(missing_ok=True)
        self.process = self.popen()

    def live(self, seconds: float) -> None:
        """Let it run for a while; it must not end by itself."""
        assert self.process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            raise AssertionError(f"it ended with {self.process.wait(seconds)}: {self.log.read_text()[-3000:]}")

    def _ready(self) -> bool:
        assert self.process is not None
        if (code := self.process.poll()) is not None:
            raise AssertionError(f"the daemon ended with {code}: {self.log.read_text()[-3000:]}")
        try:
            text = (self.home / "run" / "address").read_text()
        except OSError:
            return False
        if not text.endswith("\n"):
            return False
        self.port = int(text.rstrip().rpartition(":")[2])
        return True

    def kill(self) -> None:
        """Kill it with -9."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def restart(self) -> Daemon:
        """Kill it with -9 and start it again."""
        self.kill()
        return self.start()

    def terminate(self, timeout: float = 20) -> int:
        """End it by SIGTERM and return the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout)

    # Calling it -----------------------------------------------------------------------------------------

    @property
    def token(self) -> str:
        """The owner's."""
        return (self.home / "secrets" / "owner.token").read_text().strip()

    def connect(self, timeout: float = 90) -> http.client.HTTPConnection:
        """Return a connection to its port."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def headers(self, **more: str) -> dict[str, str]:
        """Return the owner's."""
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **more}

    def call(self, operation: str, /, **input: Any) -> Any:
        """Run one operation; `Refused` for an error."""
        connection = self.connect()
        try:
            connection.request("POST", f"/v1/{operation}", json.dumps(input), self.headers())
            with connection.getresponse() as answer:
                body = json.loads(answer.read() or b"{}")
        finally:
            connection.close()
        if answer.status >= 300:
            raise Refused(answer.status, body.get("error", body))
        return body

    def spawn(self, runtime: str, **input: Any) -> dict[str, Any]:
        """Start an agent."""
        found: dict[str, Any] = self.call("process.spawn", runtime=runtime, **input)
        return found

    def demo(self, *lines: str, **input: Any) -> dict[str, Any]:
        """Start a builtin agent on a script of directives."""
        return self.spawn("builtin", goal="\n".join(("demo:", *lines)), **input)

    def get(self, pid: int) -> dict[str, Any]:
        """Return a process."""
        found: dict[str, Any] = self.call("process.get", pid=pid)
        return found

    def wait(self, pid: int, until: str = "result", timeout_s: float = 60) -> dict[str, Any]:
        """Wait for a process's result, or its exit."""
        found: dict[str, Any] = self.call("process.wait", pid=pid, until=until, timeout_s=timeout_s)
        return found

    def ended(self, pid: int) -> dict[str, Any]:
        """Wait for its exit and return the process."""
        self.wait(pid, "exit")
        return self.get(pid)

    def events(self, **query: Any) -> list[Event]:
        """Return the whole log so far."""
        words = "".join(f"&{name}={value}" for name, value in query.items())
        connection = self.connect()
        try:
            connection.request("GET", f"/v1/events?since=0&follow=false{words}", headers=self.headers())
            with connection.getresponse() as answer:
                return [event for _, event in _sse(answer) if event is not None]
        finally:
            connection.close()

    def stream(self, **query: Any) -> Stream:
        """Follow the log from its beginning, over restarts."""
        return Stream(self, **query)

    def screen(self, pid: int, rows: int = 30, cols: int = 110) -> str:
        """Return what the process's terminal shows."""
        screen = pyte.Screen(cols, rows)
        feed = pyte.Stream(screen)
        offset = 0
        while True:
            part = self.call("process.output", pid=pid, offset=offset, limit=1 << 20)
            feed.feed(part["text"])
            if part["next_offset"] == offset:
                return "\n".join(line.rstrip() for line in screen.display)
            offset = part["next_offset"]

    def shows(self, pid: int, text: str, timeout: float = 30) -> str:
        """Wait until the process's terminal shows a text and return the screen."""
        seen = ""

        def look() -> bool:
            nonlocal seen
            with contextlib.suppress(Refused):
                seen = self.screen(pid)
            return text in seen

        until(look, timeout, f"{text!r} on the screen", lambda: seen)
        return seen

    def approval(self, pid: int, timeout: float = 30) -> dict[str, Any]:
        """Wait for the one question of a process that waits for a person."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found[:] = self.call("approval.list", pid=pid, state="pending")["approvals"]
            return bool(found)

        until(look, timeout, f"a question of process {pid}", lambda: self.get(pid))
        assert len(found) == 1, found
        return found[0]

    # What the kernel shows ------------------------------------------------------------------------------

    @property
    def key(self) -> str:
        """What marks the processes of this home."""
        return hashlib.sha256(str(self.home).encode()).hexdigest()[:8]

    def shim_dir(self, pid: int, incarnation: int = 1) -> Path:
        """Where the shim of an incarnation keeps its files."""
        return self.home / "shim" / f"p{pid}-{incarnation}"

    def shim_pid(self, pid: int, incarnation: int = 1) -> int:
        """Return the shim's own os pid."""
        return int(json.loads((self.shim_dir(pid, incarnation) / "shim.json").read_text())["shim_pid"])

    def tree(self, pid: int | None = None) -> list[int]:
        """Return the os pids marked as of this home, or as of one process; found without the daemon's help."""
        marker = f"AETHER_PROCESS={self.key}-" + ("" if pid is None else f"p{pid}\0")
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with contextlib.suppress(OSError):
                    if marker.encode() in (entry / "environ").read_bytes() + b"\0" and not dead(int(entry.name)):
                        found.append(int(entry.name))
        return sorted(found)


class Stream:
    """Follows /v1/events in a thread; keeps every event in the order of arrival."""

    def __init__(self, daemon: Daemon, *, watch: Callable[[Event], None] | None = None, **query: Any) -> None:
        self._daemon, self._query, self._watch = daemon, query, watch
        self.received: list[Event] = []
        self.resyncs = 0
        self.connections = 0
        self._changed = threading.Condition()
        self._over = False
        self._socket: http.client.HTTPConnection | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Stream:
        """Follow; returns when it is connected."""
        self._thread.start()
        with self._changed:
            assert self._changed.wait_for(lambda: self.connections > 0, 30), "no event stream"
        return self

    def __exit__(self, *_: object) -> None:
        """Stop following."""
        self._over = True
        connection = self._socket
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(2)
        self._thread.join(10)

    def of(self, *types: str, pid: int | None = None) -> list[Event]:
        """Return the received events of these types."""
        with self._changed:
            return [
                event
                for event in self.received
                if (not types or event["type"] in types) and pid in (None, event.get("pid"))
            ]

    def wait(self, met: Callable[[Event], bool], timeout: float = 30, what: str = "the event") -> Event:
        """Wait until an event has come for which it holds, and return the first."""
        found: list[Event] = []
        seen = 0

        def look() -> bool:
            nonlocal seen
            found.extend(event for event in self.received[seen:] if met(event))
            seen = len(self.received)
            return bool(found)

        with self._changed:
            if not self._changed.wait_for(look, timeout):
                last = [f"{e['id']} {e['type']} {e.get('pid')} {str(e.get('data'))[:150]}" for e in self.received[-12:]]
                raise AssertionError("\n".join((f"{what} did not come in {timeout:g} s; the last were", *last)))
        return found[0]

    def until_newest(self, timeout: float = 30) -> None:
        """Wait until everything that is in the log now has come."""
        newest = self._daemon.events()[-1]["id"]
        self.wait(lambda event: event["id"] >= newest, timeout, f"event {newest}")

    def _run(self) -> None:
        while not self._over:
            try:
                self._follow()
            except (OSError, http.client.HTTPException, AttributeError):
                time.sleep(PACE_S)  # noqa: TID251 - the daemon is away; try again

    def _follow(self) -> None:
        words = "".join(f"&{name}={value}" for name, value in self._query.items())
        more = {"Last-Event-ID": str(self.received[-1]["id"])} if self.received else {}
        self._socket = connection = self._daemon.connect()
        answer: http.client.HTTPResponse | None = None
        try:
            connection.request("GET", f"/v1/events?since=0{words}", headers=self._daemon.headers(**more))
            answer = connection.getresponse()
            if answer.status != 200:
                time.sleep(PACE_S)  # noqa: TID251
                return
            with self._changed:
                self.connections += 1
                self._changed.notify_all()
            for kind, event in _sse(answer):
                with self._changed:
                    if kind == "resync":
                        self.resyncs += 1
                    elif event is not None:
                        self.received.append(event)
                    self._changed.notify_all()
                if event is not None and self._watch is not None:
                    self._watch(event)
        finally:
            if answer is not None:
                answer.close()
            connection.close()


def _sse(answer: http.client.HTTPResponse) -> Iterator[tuple[str, Event | None]]:
    kind, data = "message", ""
    while line := answer.readline():
        text = line.decode().rstrip("\n")
        if text.startswith("event: "):
            kind = text[7:]
        elif text.startswith("data: "):
            data += text[6:]
        elif not text:
            if kind == "resync":
                yield kind, None
            elif data:
                yield kind, json.loads(data)
            kind, data = "message", ""


def until(met: Callable[[], object], timeout: float, what: str, show: Callable[[], object] | None = None) -> float:
    """Look until it holds, with a deadline; returns how long it took."""
    begun = time.monotonic()
    while not met():
        if time.monotonic() - begun > timeout:
            raise AssertionError(f"waited {timeout:g} s for {what}" + (f"; there is {show()}" if show else ""))
        time.sleep(PACE_S)  # noqa: TID251 - /proc and files send no events
    return time.monotonic() - begun


def stat(os_pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the name: state, parent, ...; empty when it is gone."""
    try:
        return Path(f"/proc/{os_pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def dead(os_pid: int) -> bool:
    """Whether there is no such process, or only its remains."""
    return (stat(os_pid) or ["Z"])[0] in "ZX"


def ticks(os_pids: Sequence[int]) -> dict[int, int]:
    """Return the processor time each has used, in clock ticks."""
    return {one: int(fields[11]) + int(fields[12]) for one in os_pids if (fields := stat(one))}


def words(os_pid: int) -> list[str]:
    """Return a process's argv."""
    try:
        return Path(f"/proc/{os_pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def children(os_pid: int) -> list[int]:
    """Return a process's children."""
    try:
        return [int(one) for one in Path(f"/proc/{os_pid}/task/{os_pid}/children").read_text().split()]
    except OSError:
        return []


def phases(events: Sequence[Event]) -> list[str]:
    """Return the phases a process went through."""
    return [event["data"]["to"] for event in events if event["type"] == "process.phase_changed"]


def states(events: Sequence[Event]) -> list[str]:
    """Return the states a process went through."""
    return [event["data"]["to"] for event in events if event["type"] == "process.state_changed"]
