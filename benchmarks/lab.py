"""What the benchmarks share: a real daemon on a temporary home, an event stream, memory, one form of table.

No figure is asserted: a benchmark prints and exits 0. `--json` prints the rows for `all.py`.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import http.client
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
AETHERD = Path(sys.executable).parent / "aetherd"
READY_S = 90.0
Event = dict[str, Any]


# --- what is shown ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: ours, what it is compared with, and the target of the README if there is one."""

    what: str
    ours: float
    unit: str
    bare: float | None = None
    bare_name: str = ""
    target: float | None = None
    at_least: bool = False  # the target is a lower bound
    note: str = ""

    @property
    def met(self) -> str:
        """Whether the target is met."""
        if self.target is None:
            return ""
        return "yes" if (self.ours >= self.target if self.at_least else self.ours <= self.target) else "NO"

    @property
    def ratio(self) -> str:
        """Ours to the other, first of all figures."""
        if not self.bare:
            return ""
        return f"{self.ours / self.bare:.2f} x" if self.ours < 100 * self.bare else f"{self.ours / self.bare:,.0f} x"

    @property
    def aim(self) -> str:
        """The target in words."""
        return "" if self.target is None else f"{'>=' if self.at_least else '<='} {number(self.target)} {self.unit}"


def number(value: float) -> str:
    """Return a figure with as many digits as mean something."""
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def conditions(*packages: str) -> str:
    """Return where this ran, in one line."""
    found = []
    for name in packages:
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    load = " ".join(f"{one:.1f}" for one in os.getloadavg()[:2])
    system = f"{platform.system()} {platform.release().partition('-')[0]}"
    who = "root" if os.geteuid() == 0 else "not root"
    return ", ".join(
        (f"{os.cpu_count()} cores", f"load {load}", f"Python {platform.python_version()}", system, who, *found)
    )


def report(
    title: str, rows: list[Row], options: argparse.Namespace, *notes: str, packages: tuple[str, ...] = ()
) -> None:
    """Print one table, ratios first; or the rows as JSON."""
    where = conditions(*packages)
    if options.json:
        print(
            json.dumps({"title": title, "conditions": where, "rows": [asdict(row) | {"met": row.met} for row in rows]})
        )
        return
    print(f"{title}\n{where}\n")
    head = ("what", "ratio", "ours", "compared with", "target", "met")
    lines = [head]
    for row in rows:
        other = "" if row.bare is None else f"{number(row.bare)} {row.unit} {row.bare_name}".rstrip()
        lines.append((row.what, row.ratio, f"{number(row.ours)} {row.unit}", other or row.note, row.aim, row.met))
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    for note in notes:
        print(f"\n{note}" if note == notes[0] else note)


def arguments(
    doc: str | None, rounds: int, quick: int
) -> tuple[argparse.ArgumentParser, Callable[[], argparse.Namespace]]:
    """Return the parser every benchmark has, and what reads it: `rounds` is `quick` with --quick."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, help=f"default {rounds}, with --quick {quick}")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)

    def read() -> argparse.Namespace:
        options = parser.parse_args()
        options.rounds = options.rounds or (quick if options.quick else rounds)
        return options

    return parser, read


def median(values: list[float]) -> float:
    """Return the middle, 0 when there is nothing."""
    return statistics.median(values) if values else 0.0


def p99(values: list[float]) -> float:
    """Return the value that 99 of 100 do not pass."""
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))] if values else 0.0


def until(met: Callable[[], object], timeout: float, what: str, pace: float = 0.002) -> float:
    """Look until it holds; return the seconds it took."""
    begun = time.perf_counter()
    while not met():
        if time.perf_counter() - begun > timeout:
            raise TimeoutError(f"waited {timeout:g} s for {what}")
        time.sleep(pace)  # noqa: TID251 - files and /proc send no events
    return time.perf_counter() - begun


def rest(seconds: float) -> None:
    """Let things be for a while."""
    time.sleep(seconds)  # noqa: TID251 - to come to rest is no event


# --- memory ----------------------------------------------------------------------------------------------


def memory(os_pid: int, kind: str = "Pss") -> float:
    """Return the MB of a process by smaps_rollup; 0 when it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{os_pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(f"{kind}:"):
                return int(line.split()[1]) / 1024
    return 0.0


def cpu(os_pid: int) -> float:
    """Return the seconds a process has computed: what a load from others does not change much."""
    try:
        fields = Path(f"/proc/{os_pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def words(os_pid: int) -> list[str]:
    """Return a process's argv."""
    try:
        return Path(f"/proc/{os_pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


# --- the daemon ------------------------------------------------------------------------------------------


class Refused(Exception):
    """Raised for an answer that is not 2xx."""


class Daemon:
    """A home that goes away at the end, with everything that was started in it."""

    def __init__(self, settings: str = "") -> None:
        self.home = Path(tempfile.mkdtemp(prefix="aether-bench-"))
        self.log = self.home.with_suffix(".log")
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._line: http.client.HTTPConnection | None = None
        if settings:
            (self.home / "aetherd.toml").write_text(settings)

    def __enter__(self) -> Daemon:
        """Start."""
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End it, its agents, its zygote; remove the home."""
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(Refused, OSError, http.client.HTTPException):
                self.call("system.shutdown", agents=True)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(15)
        self.kill()
        for _ in range(100):
            left = [*self.tree(), *self.zygotes()]
            for os_pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(os_pid, signal.SIGKILL)
            if not left:
                break
            time.sleep(0.02)  # noqa: TID251
        shutil.rmtree(self.home, ignore_errors=True)
        self.log.unlink(missing_ok=True)

    def begin(self) -> float:
        """Start it and do not wait; return the moment of the exec."""
        (self.home / "run" / "address").unlink(missing_ok=True)
        self._line = None
        env = {name: value for name, value in os.environ.items() if not name.startswith(("AETHER_", "ANTHROPIC_"))}
        command = [str(AETHERD), "--home", str(self.home), "--port", str(self.port)]
        with self.log.open("ab") as log:
            begun = time.perf_counter()
            self.process = subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        return begun

    def start(self) -> float:
        """Start it; return the seconds from exec to ready."""
        begun = self.begin()
        until(self._ready, READY_S, "the daemon to be ready")
        return time.perf_counter() - begun

    def _ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"the daemon ended: {self.log.read_text()[-2000:]}")
        try:
            text = (self.home / "run" / "address").read_text()
        except OSError:
            return False
        if text.endswith("\n"):
            self.port = int(text.rstrip().rpartition(":")[2])
        return text.endswith("\n")

    def kill(self) -> None:
        """Kill it with -9."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def os_pid(self) -> int:
        """The kernel's pid of the daemon."""
        assert self.process is not None
        return self.process.pid

    @property
    def token(self) -> str:
        """The owner's."""
        return (self.home / "secrets" / "owner.token").read_text().strip()

    def headers(self) -> dict[str, str]:
        """Return the owner's."""
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection of its own."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def call(self, operation: str, **input: Any) -> Any:
        """Run one operation on a kept-alive connection."""
        body = json.dumps(input)
        for fresh in (False, True):
            if self._line is None or fresh:
                self._line = self.connect()
            try:
                self._line.request("POST", f"/v1/{operation}", body, self.headers())
                answer = self._line.getresponse()
                break
            except (OSError, http.client.HTTPException):
                if fresh:
                    raise
        found = json.loads(answer.read() or b"{}")
        if answer.status >= 300:
            raise Refused(f"{operation}: {answer.status} {found}")
        return found

    def kill_agent(self, pid: int) -> None:
        """Kill one process; fine when it has ended."""
        with contextlib.suppress(Refused):
            self.call("process.kill", pid=pid)

    @property
    def key(self) -> str:
        """What marks the processes of this home."""
        return hashlib.sha256(str(self.home).encode()).hexdigest()[:8]

    def shim(self, pid: int, incarnation: int = 1) -> int:
        """Return the os pid of a process's shim."""
        place = self.home / "shim" / f"p{pid}-{incarnation}" / "shim.json"
        return int(json.loads(place.read_text())["shim_pid"])

    def tree(self, pid: int | None = None) -> list[int]:
        """Return the os pids marked as of this home, or as of one process."""
        marker = f"AETHER_PROCESS={self.key}-" + ("" if pid is None else f"p{pid}\0")
        return [one for one in _os_pids() if marker.encode() in _read(f"/proc/{one}/environ") + b"\0"]

    def zygotes(self) -> list[int]:
        """Return the os pids of this home's zygote; the shims it forked have its argv and another name."""
        return [
            one
            for one in _os_pids()
            if f"zygote.py {self.home / 'run'}" in " ".join(words(one)).replace("--socket ", "")
            and b"aether-shim" not in _read(f"/proc/{one}/comm")
        ]


def _os_pids() -> Iterator[int]:
    for entry in os.listdir("/proc"):
        if entry.isdecimal() and " Z " not in _read(f"/proc/{entry}/stat").decode(errors="replace"):
            yield int(entry)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


class Stream:
    """Follows /v1/events in a thread and reconnects with Last-Event-ID; stamps what arrives with both clocks."""

    def __init__(self, daemon: Daemon, query: str = "") -> None:
        self._daemon, self._query = daemon, query
        self.received: list[tuple[float, float, Event]] = []  # perf_counter, wall clock, event
        self.resyncs = self.connections = 0
        self._changed = threading.Condition()
        self._over = False
        self._line: http.client.HTTPConnection | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Stream:
        """Follow; returns when connected."""
        self._thread.start()
        with self._changed:
            if not self._changed.wait_for(lambda: self.connections > 0, 30):
                raise TimeoutError("no event stream")
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._over = True
        if self._line is not None and self._line.sock is not None:
            with contextlib.suppress(OSError):
                self._line.sock.shutdown(2)
        self._thread.join(10)

    def first(self, met: Callable[[Event], bool], begin: int = 0, timeout: float = 30) -> tuple[float, float, Event]:
        """Wait for an event that came at or after place `begin`, and return its first arrival."""
        place = begin
        limit = time.monotonic() + timeout
        with self._changed:
            while True:
                for place in range(begin, len(self.received)):
                    if met(self.received[place][2]):
                        return self.received[place]
                begin = len(self.received)
                if not self._changed.wait(max(0.0, limit - time.monotonic())) and time.monotonic() >= limit:
                    raise TimeoutError(f"no such event in {timeout:g} s")

    def _run(self) -> None:
        while not self._over:
            try:
                self._follow()
            except (OSError, http.client.HTTPException, AttributeError, ValueError):
                time.sleep(0.02)  # noqa: TID251 - the daemon is away

    def _follow(self) -> None:
        headers = self._daemon.headers()
        since = f"since={self.received[-1][2]['id']}" if self.received else "since=0"
        if self.received:
            headers["Last-Event-ID"] = str(self.received[-1][2]["id"])
        self._line = line = self._daemon.connect()
        try:
            line.request("GET", f"/v1/events?{since}{self._query}", headers=headers)
            answer = line.getresponse()
            if answer.status != 200:
                time.sleep(0.02)  # noqa: TID251
                return
            with self._changed:
                self.connections += 1
                self._changed.notify_all()
            kind, data = "", ""
            while raw := answer.readline():
                text = raw.decode().rstrip("\n")
                if text.startswith("event: "):
                    kind = text[7:]
                elif text.startswith("data: "):
                    data = text[6:]
                elif not text:
                    self._arrived(kind, data)
                    kind, data = "", ""
        finally:
            line.close()

    def _arrived(self, kind: str, data: str) -> None:
        now = (time.perf_counter(), time.time())
        with self._changed:
            if kind == "resync":
                self.resyncs += 1
            elif data:
                self.received.append((*now, json.loads(data)))
            self._changed.notify_all()
