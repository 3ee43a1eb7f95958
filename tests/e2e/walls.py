"""What each tier blocks, found out by trying: a program that attempts it all, and the table that comes of it.

    python -m tests.e2e.walls          print the table of this machine
    python -m tests.e2e.walls --write  and put it into docs/sandboxes.md

Nothing is sent anywhere but to this machine's loopback: what would leave it is tried only where there is no way out.
"""

from __future__ import annotations

import datetime
import inspect
import json
import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

from tests.docker_engine import DockerEngine, running_engine
from tests.e2e.daemon_lab import Daemon

TIERS = ("host", "bwrap", "docker")
DOC = Path(__file__).parents[2] / "docs" / "sandboxes.md"
MEMORY_MB, PIDS, FULL_MB = 256, 64, 192
LIMITS = {"memory_mb": MEMORY_MB, "pids": PIDS}
BEGIN, END = "<!-- table: make by `python -m tests.e2e.walls --write` -->", "<!-- end of table -->"
TRIES = {
    "other home": "read another agent's home",
    "other door": "connect to another agent's door",
    "database": "read the daemon's database",
    "secrets": "read the owner's token",
    "daemon port": "connect to the daemon's port",
    "other services": "connect to a service of this machine on loopback",
    "raw socket": "open a raw socket",
    "metadata": "reach the cloud's metadata address",
    "dns": "send a UDP packet to a name server",
    "root": "become root",
    "mount": "mount a file system",
    "namespaces": "make a user namespace, to have more rights in it",
    "ptrace": "trace a process outside",
    "see outside": "see processes outside",
    "signal outside": "send a signal to a process outside",
    "system files": "write to /usr and /etc",
    "fork bomb": f"start more than {PIDS} processes (limits.pids)",
    "memory hog": f"use more than {MEMORY_MB} MB (limits.memory_mb)",
    "disk fill": f"put {FULL_MB} MB into /tmp",
}


def attack(given: dict[str, Any]) -> dict[str, str]:
    """Try everything; returns for each what stopped it, or "open". Runs inside, by itself: it needs nothing of ours."""
    import ctypes
    import errno
    import os
    import signal
    import socket

    libc = ctypes.CDLL(None, use_errno=True)
    found: dict[str, str] = {}

    def code(number: int) -> str:
        return errno.errorcode.get(number, str(number))

    def attempt(name: str, work: Any) -> None:
        try:
            found[name] = work() or "open"
        except OSError as exc:
            found[name] = code(exc.errno or 0) if exc.errno else str(exc)

    def call(result: int) -> str | None:
        return None if result >= 0 else code(ctypes.get_errno())

    def connect(address: Any, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> None:
        with socket.socket(family, kind) as line:
            line.settimeout(5)
            line.connect(address)
            if kind == socket.SOCK_DGRAM:
                line.send(b"x")

    def in_child(work: Any) -> str | None:
        """Run in a child; tell how it ended, unless well."""
        child = os.fork()
        if child == 0:
            end = 1
            try:
                end = work() or 0
            finally:
                os._exit(end)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            return signal.Signals(os.WTERMSIG(status)).name
        return code(os.WEXITSTATUS(status)) if os.WEXITSTATUS(status) else None

    def away(address: Any, kind: int) -> str | None:
        with open("/proc/net/dev") as file:
            others = [line for line in file.read().splitlines()[2:] if line.split(":")[0].strip() != "lo"]
        if others:
            return "not tried"  # it would leave this machine
        return connect(address, kind=kind)

    def fork_bomb() -> str | None:
        children, stopped = [], None
        for _ in range(given["pids"] + 20):
            try:
                child = os.fork()
            except OSError as exc:
                stopped = f"{code(exc.errno or 0)} at {len(children) + 1}" if len(children) < given["pids"] else None
                break
            if child == 0:
                signal.pause()
            children.append(child)
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        return stopped

    def hog() -> int:
        kept = bytearray()
        while len(kept) < 2 * given["memory"] << 20:
            kept += b"x" * (8 << 20)
        return 0

    def fill() -> str | None:
        path = f"/tmp/fill-{os.getpid()}"

        def write() -> int:
            with open(path, "wb", buffering=0) as file:
                try:
                    for _ in range(given["full"]):
                        if file.write(b"x" * (1 << 20)) < 1 << 20:
                            return errno.ENOSPC
                except OSError as exc:
                    return exc.errno or 1
            return 0

        try:
            return in_child(write)
        finally:
            os.unlink(path)

    def outside() -> str | None:
        mine = os.getuid()
        for entry in os.listdir("/proc"):
            if entry.isdecimal() and os.stat(f"/proc/{entry}").st_uid not in (mine, 65534):
                return None
        return "not seen"

    attempt("other home", lambda: open(given["other"] + "/secret.txt").close())
    attempt("other door", lambda: connect(given["door"], socket.AF_UNIX))
    attempt("database", lambda: open(given["home"] + "/aether.db").close())
    attempt("secrets", lambda: open(given["home"] + "/secrets/owner.token").close())
    attempt("daemon port", lambda: connect(("127.0.0.1", given["port"])))
    attempt("other services", lambda: connect(("127.0.0.1", given["service"])))
    attempt("raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close())
    attempt("metadata", lambda: away(("169.254.169.254", 80), socket.SOCK_STREAM))
    attempt("dns", lambda: away(("192.0.2.53", 53), socket.SOCK_DGRAM))
    attempt("root", lambda: os.setuid(0))
    attempt("mount", lambda: call(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)))
    attempt("namespaces", lambda: in_child(lambda: 0 if libc.unshare(0x10000000) == 0 else ctypes.get_errno()))
    attempt("ptrace", lambda: call(libc.ptrace(16, given["os_pid"], 0, 0)))
    attempt("see outside", outside)
    attempt("signal outside", lambda: os.kill(given["os_pid"], 0))
    for place in ("/usr/x", "/etc/x"):
        attempt("system files", lambda place=place: open(place, "w").close())
    attempt("fork bomb", fork_bomb)
    attempt("memory hog", lambda: in_child(hog))
    attempt("disk fill", fill)
    return found


def program(given: dict[str, Any]) -> list[str]:
    """Return the attack as a command line."""
    text = f"from typing import Any\nimport json\n{inspect.getsource(attack)}"
    text = (
        "from __future__ import annotations\n" + text + f"print(json.dumps(attack(json.loads({json.dumps(given)!r}))))"
    )
    return ["/usr/bin/python3", "-I", "-c", text]


def tried(daemon: Daemon, tier: str, victim: dict[str, Any], service: int) -> dict[str, str]:
    """Attack from inside a tier; returns what stopped each try."""
    process = daemon.spawn("command", argv=["sleep", "1000"], sandbox={"tier": tier}, limits=LIMITS)
    given = {
        "other": str(daemon.home / "agents" / victim["agent"] / "home"),
        "door": str(daemon.home / "run" / "p" / str(victim["pid"]) / "s"),
        "home": str(daemon.home),
        "port": daemon.port,
        "service": service,
        "os_pid": victim["os_pid"],
        "pids": PIDS,
        "memory": MEMORY_MB,
        "full": FULL_MB,
    }
    done = daemon.call("sandbox.exec", pid=process["pid"], argv=program(given), timeout_s=60)
    assert done["code"] == 0, done
    daemon.call("process.kill", pid=process["pid"])
    found: dict[str, str] = json.loads(done["stdout"])
    return found


def victim_of(daemon: Daemon) -> dict[str, Any]:
    """Start an agent with something to steal."""
    victim = daemon.spawn("command", argv=["sleep", "1000"], sandbox={"tier": "host"})
    daemon.call("fs.write", agent=victim["agent"], path="secret.txt", content="mine")
    return daemon.get(victim["pid"])


def table(found: dict[str, dict[str, str]]) -> str:
    """Return the table as Markdown: "stopped" says by what, "**open**" that nothing did."""
    lines = ["| it tries to | " + " | ".join(found) + " |", "|---|" + "---|" * len(found)]
    for name, words in TRIES.items():
        cells = [_cell(found[tier][name]) for tier in found]
        lines.append(f"| {words} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(said: str) -> str:
    return {"open": "**open**", "not tried": "not tried here"}.get(said, f"stopped: {said}")


def blocked(found: dict[str, str]) -> dict[str, bool]:
    """Return for each try whether it was stopped; without those that were not tried."""
    return {name: said != "open" for name, said in found.items() if said != "not tried"}


def written() -> str:
    """Return the table of the documentation."""
    text = DOC.read_text()
    return text[text.index(BEGIN) + len(BEGIN) : text.index(END)].strip()


def main() -> None:
    """Print the table, or write it down with where and when it was found."""
    with running_engine() as engine, served(engine) as (daemon, service):
        victim = victim_of(daemon)
        text = table({tier: tried(daemon, tier, victim, service) for tier in TIERS})
    print(text)  # noqa: T201 - a program
    if "--write" in sys.argv:
        system = f"{platform.system()} {platform.release().partition('-')[0]}"
        who = "root" if os.geteuid() == 0 else "not root"
        date = datetime.datetime.now(datetime.UTC).date()
        said = f"{text}\n\nFound on {date}, {system}, the daemon as {who}."
        DOC.write_text(re.sub(f"(?s){re.escape(BEGIN)}.*{re.escape(END)}", f"{BEGIN}\n{said}\n{END}", DOC.read_text()))


def served(engine: DockerEngine) -> Any:
    """Return a daemon on the engine, and a service on loopback that is not ours."""
    import contextlib
    import socket

    @contextlib.contextmanager
    def both() -> Any:
        engine.have("base")
        settings = f'docker_host = "{engine.host}"\napproval_wait_s = 1\n'
        with socket.create_server(("127.0.0.1", 0)) as other, Daemon(settings=settings) as daemon:
            yield daemon, other.getsockname()[1]

    return both()


if __name__ == "__main__":
    main()
