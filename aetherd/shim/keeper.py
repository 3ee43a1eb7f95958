"""The keeper: one process per sandbox, which makes it, holds it together, and is its way to the daemon.

It owns the sandbox's network namespace, where nothing but `lo` is, listens there, and joins each port to a unix
socket of the door's directory outside. It lives as long as the sandbox's first process, and that one as long as
it; the daemon may come and go.
"""

from __future__ import annotations

import _socket  # not socket: its enums and wrappers cost a tenth of a megabyte
import fcntl
import json
import os
import resource
import signal
import struct

from aetherd.shim import child, syscalls
from aetherd.shim.errors import SpawnFailed
from aetherd.shim.frames import READY_FD, STATUS_FD
from aetherd.shim.loop import IN, Loop
from aetherd.shim.pipes import Ports
from aetherd.shim.proc import boot_id, start_time_of
from aetherd.shim.store import write_json

TYPE_CHECKING = False  # the module typing is not worth its memory
if TYPE_CHECKING:
    from typing import Any, NoReturn

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


class Keeper:
    """Keep one sandbox. `request` is the JSON form of `records.HoldRequest`, checked by the zygote."""

    def __init__(self, request: dict[str, Any]) -> None:
        """Make the sandbox, or go into its network, and listen. Raises SpawnFailed or OSError; then nothing is left."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # the zygote has it ignored
        directory = os.open(request["directory"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        door = os.open(request["door"], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096) if most > 0 else 4096, most))
        self._loop = Loop()
        self._over = False
        self._ports = Ports(self._loop, door)
        adopt = request["adopt"]
        if adopt is not None:
            first, start_time = adopt["pid"], adopt["start_time"]
            watched = os.pidfd_open(first)  # before the look at its start time: from here on it is exactly this one
            _go_into_network(adopt)
        else:
            _make_network()
        for port, name in request["doors"].items():
            self._listen(int(port), name)
        if adopt is None:
            monitor, first = _run(request)
            watched, start_time = os.pidfd_open(monitor), start_time_of(first) or 0
        self.held = {
            "keeper_pid": os.getpid(),
            "keeper_start_time": start_time_of(os.getpid()),
            "boot_id": boot_id(),
            "init_pid": first,
            "init_start_time": start_time,
            "adopted": adopt is not None,
        }
        write_json(directory, "holder.json", self.held, durable=False)
        self._loop.want(watched, IN, self._on_end)

    def run(self) -> None:
        """Pass bytes on until the sandbox ends."""
        while not self._over:
            self._loop.turn(self._ports.timeout())
            self._ports.tick()

    def _on_end(self, mask: int) -> None:
        self._over = True

    def _listen(self, port: int, name: str) -> None:
        try:
            self._ports.listen(port, name)
        except OSError as error:
            raise SpawnFailed("listen", error.errno or 0, f"cannot listen on port {port} inside: {error}") from None


def _make_network() -> None:
    """Leave this machine's network for an empty one with `lo` alone; without root, by a user namespace of our own."""
    try:
        if os.geteuid() == 0:
            syscalls.unshare("net")
        else:
            uid, gid = os.geteuid(), os.getegid()
            syscalls.unshare("user", "net")
            for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
                with open(f"/proc/self/{name}", "w") as file:
                    file.write(text)
        sock = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
        asked = fcntl.ioctl(sock.fileno(), _SIOCGIFFLAGS, struct.pack("16sh22x", b"lo", 0))
        (flags,) = struct.unpack("16xh22x", asked)
        fcntl.ioctl(sock.fileno(), _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))
        sock.close()
    except OSError as error:
        raise SpawnFailed("network", error.errno or 0, f"cannot make a network of its own: {error}") from None


def _go_into_network(adopt: dict[str, int]) -> None:
    if start_time_of(adopt["pid"]) != adopt["start_time"]:
        raise SpawnFailed("network", 3, f"the sandbox of process {adopt['pid']} is gone")
    place = os.open(f"/proc/{adopt['pid']}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.join(place, "net")
    except OSError as error:
        raise SpawnFailed("network", error.errno or 0, f"cannot enter the sandbox's network: {error}") from None
    finally:
        os.close(place)


def _run(request: dict[str, Any]) -> tuple[int, int]:
    """Run bwrap's command line; returns its own pid and that of the sandbox's first process, all being mounted."""
    status, says = os.pipe2(os.O_CLOEXEC)
    errors, complains = os.pipe2(os.O_CLOEXEC)
    report, write = os.pipe2(os.O_CLOEXEC)
    keeper = os.getpid()
    monitor, groups = child.divide(request["cgroups"])
    if monitor == 0:
        try:
            _execute({**request, "cgroups": groups}, write, keeper, says, complains)
        except BaseException as error:
            child.tell(write, "files", "", error)
        finally:
            os._exit(127)
    for descriptor in (says, complains, write):
        os.close(descriptor)
    with open(report, "rb") as file:
        said = file.read(65536)
    if said:
        failure = json.loads(said)
        raise SpawnFailed(failure["step"], failure["errno"], failure["message"])
    lines = b""
    while b"ready\n" not in lines:
        data = os.read(status, 4096)
        if not data:
            _, ended = os.waitpid(monitor, 0)  # it holds its end of `errors` no longer: what is to be read is there
            words = os.read(errors, 4096).decode("utf-8", "replace").strip()
            why = words or f"bwrap ended with {os.waitstatus_to_exitcode(ended)}"
            raise SpawnFailed("bwrap", 0, f"cannot make the sandbox: {why}")
        lines += data
    os.close(status)
    os.close(errors)
    return monitor, json.loads(lines.partition(b"\n")[0])["child-pid"]


def _execute(request: dict[str, Any], report: int, keeper: int, says: int, complains: int) -> NoReturn:
    """Turn this fresh fork into the command, its descriptors in place."""
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    places = {0: null, 1: null, 2: complains, READY_FD: says, STATUS_FD: says}
    for number, path in request["files"].items():
        places[int(number)] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    # Out of the way first, so that no dup2 overwrites what a later one needs.
    high = {number: fcntl.fcntl(end, fcntl.F_DUPFD, 100) for number, end in places.items()}
    report = fcntl.fcntl(report, fcntl.F_DUPFD_CLOEXEC, 100)
    for number, end in high.items():
        os.dup2(end, number)
    before = 3
    for number in (*sorted(places.keys() - {0, 1, 2}), report):
        os.closerange(before, number)
        before = number + 1
    os.closerange(before, 1 << 20)
    child.become({**request, "cwd": "/", "stdio": "pipes", "rlimits": {}, "umask": 0o022}, report, keeper)
