"""The zygote: a warm interpreter that forks one shim per spawn request.

Started as a program with a bare interpreter (`-I -S -E`), it listens on a 0600 socket, answers its own user
only, and puts itself into the background once it listens. Shims share nothing with it but its memory: killing
the zygote hurts none. A connection is a lease; without one the zygote ends after a while.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import select
import signal
import sys
import time

if __name__ == "__main__":
    # Nothing but the standard library is importable here, and the parent package must not run: it belongs to
    # the daemon. So an empty stand-in carries its name, and this package is found below it.
    _stand_in = type(sys)("aetherd")
    _stand_in.__path__ = [os.path.dirname(os.path.dirname(os.path.realpath(__file__)))]
    sys.modules["aetherd"] = _stand_in

from aetherd.shim import frames, peer, syscalls
from aetherd.shim.entry import failure, keep, live
from aetherd.shim.proc import boot_id

TYPE_CHECKING = False  # the module typing is not worth its memory in every shim
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

BACKLOG = 64
MAX_CLIENTS = 16


class Line:
    """One connection of a daemon: requests in, answers out."""

    __slots__ = ("pending", "reader", "sock")

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        self.reader = frames.FrameReader(frames.TO_ZYGOTE)
        self.pending = bytearray()


class Zygote:
    """Fork shims on request until the lease runs out."""

    def __init__(self, directory: int, name: str, lease: float) -> None:
        self.directory = directory
        self.name = name
        self.lease = lease
        self.listener = peer.listen(directory, name, BACKLOG)
        self.identity = os.stat(name, dir_fd=directory).st_ino
        self.epoll = select.epoll()
        self.epoll.register(self.listener.fileno(), select.EPOLLIN)
        self.lines: dict[int, Line] = {}
        self.births: dict[int, tuple[Line, int]] = {}  # pipe of a shim being born -> who asked, with what id
        self.ends_at = time.monotonic() + lease

    def run(self) -> None:
        """Serve until nobody held the lease for `lease` seconds."""
        while True:
            timeout = -1.0 if self.lines else max(0.0, self.ends_at - time.monotonic())
            for descriptor, mask in self.epoll.poll(timeout):
                if descriptor == self.listener.fileno():
                    self._accept()
                elif descriptor in self.births:
                    self._born(descriptor)
                elif descriptor in self.lines:
                    self._serve(self.lines[descriptor], mask)
            if not self.lines and time.monotonic() >= self.ends_at:
                return

    def remove_socket(self) -> None:
        """Remove our socket, unless another zygote has replaced it meanwhile."""
        try:
            if os.stat(self.name, dir_fd=self.directory).st_ino == self.identity:
                os.unlink(self.name, dir_fd=self.directory)
        except FileNotFoundError:
            pass

    def _accept(self) -> None:
        sock = peer.accept(self.listener)
        if sock is None:
            return
        if len(self.lines) >= MAX_CLIENTS:
            sock.close()
            return
        line = Line(sock)
        self.lines[sock.fileno()] = line
        self.epoll.register(sock.fileno(), select.EPOLLIN)
        self._say(line, frames.HELLO, {"protocol": frames.PROTOCOL, "pid": os.getpid()})

    def _serve(self, line: Line, mask: int) -> None:
        if mask & select.EPOLLOUT:
            self._flush(line)
        if not mask & ~select.EPOLLOUT:
            return
        try:
            data = line.sock.recv(frames.CHUNK)
            arrived = line.reader.feed(data)
        except BlockingIOError:
            return
        except (OSError, frames.FrameError):
            data, arrived = b"", []
        for kind, payload in arrived:
            if kind in (frames.SPAWN, frames.HOLD):
                self._spawn(line, payload, hold=kind == frames.HOLD)
        if not data:
            self._hang_up(line)

    def _spawn(self, line: Line, payload: bytes, *, hold: bool) -> None:
        """Fork the shim, or the keeper, of a request; its answer comes through a pipe."""
        id = 0
        try:
            request = json.loads(payload)
            id = request["id"] if isinstance(request, dict) else 0
            (check_hold if hold else check)(request)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            self._say(line, frames.SPAWNED, failure(id, "request", 0, f"not a request: {error}"))
            return
        try:
            read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            self._say(line, frames.SPAWNED, failure(id, "fork", error.errno or 0, str(error)))
            return
        try:
            shim = os.fork()
        except OSError as error:
            os.close(read)
            os.close(write)
            self._say(line, frames.SPAWNED, failure(id, "fork", error.errno or 0, str(error)))
            return
        if shim == 0:
            self._leave(request, read, write, keep if hold else live)
        os.close(write)
        self.births[read] = (line, id)
        self.epoll.register(read, select.EPOLLIN)

    def _leave(self, request: dict[str, Any], read: int, write: int, life: Callable[[Any, int], int]) -> NoReturn:
        """Be a shim or a keeper, and nothing of the zygote any more; init adopts it when the zygote ends."""
        code = 70
        try:
            self._let_go()
            os.close(read)
            code = life(request, write)
        finally:
            os._exit(code)

    def _let_go(self) -> None:
        """Close what belongs to the zygote."""
        self.epoll.close()
        self.listener.close()
        for line in self.lines.values():
            line.sock.close()
        for descriptor in self.births:
            os.close(descriptor)
        os.close(self.directory)
        os.dup2(0, 1)  # standard input is /dev/null, and open for both
        os.dup2(0, 2)

    def _born(self, descriptor: int) -> None:
        """Pass the answer of a shim on; one that died without a word failed."""
        line, id = self.births.pop(descriptor)
        self.epoll.unregister(descriptor)
        with open(descriptor, "rb", buffering=0) as pipe:
            said = pipe.read(frames.CHUNK)
        if said:
            answer = {**json.loads(said), "id": id}
        else:
            answer = failure(id, "shim", 0, "the shim ended before its process ran; was a step too slow?")
        self._say(line, frames.SPAWNED, answer)

    def _say(self, line: Line, kind: int, value: dict[str, Any]) -> None:
        line.pending += frames.frame(kind, json.dumps(value).encode())
        self._flush(line)

    def _flush(self, line: Line) -> None:
        if line.sock.fileno() not in self.lines:
            return  # it hung up; the shim runs and says so on disk
        try:
            del line.pending[: line.sock.send(line.pending)]
        except BlockingIOError:
            pass
        except OSError:
            return  # the reading side sees the end
        mask = select.EPOLLIN | (select.EPOLLOUT if line.pending else 0)
        self.epoll.modify(line.sock.fileno(), mask)

    def _hang_up(self, line: Line) -> None:
        descriptor = line.sock.fileno()
        self.epoll.unregister(descriptor)
        del self.lines[descriptor]
        line.sock.close()
        self.ends_at = time.monotonic() + self.lease


def check(request: dict[str, Any]) -> None:
    """Raise ValueError, KeyError or TypeError when a request is not one a shim can work with.

    The daemon is trusted, its mistakes are not: what is wrong is said here, before anything is forked.
    """
    if request["stdio"] not in ("pty", "pipes"):
        raise ValueError(f"stdio is {request['stdio']!r}, not 'pty' or 'pipes'")
    if not request["argv"] or not all(isinstance(word, str) for word in request["argv"]):
        raise ValueError("argv is not a list of words")
    for text in (*request["argv"], *request["env"], *request["env"].values(), request["cwd"]):
        if "\0" in text:
            raise ValueError("a NUL byte in argv, env or cwd")
    for name in ("rows", "cols"):
        if not 0 < request[name] < 65536:
            raise ValueError(f"{name} is {request[name]}")
    for name in ("lossless_cap", "ring", "stderr_ring"):
        if request[name] < frames.CHUNK:
            raise ValueError(f"{name} is {request[name]}, at least {frames.CHUNK}")
    if request["enter"] is not None and request["windows"] is not None:
        raise ValueError("windows are for a process outside, and this one enters a sandbox")
    _check_deadline(request)


def check_hold(request: dict[str, Any]) -> None:
    """Raise as `check` does for what a keeper cannot work with."""
    if (request["argv"] is None) == (request["adopt"] is None):
        raise ValueError("a keeper runs argv or adopts a process, one of them")
    for port, name in request["doors"].items():
        if not 0 < int(port) < 65536 or "/" in name:
            raise ValueError(f"no door {port}: {name!r}")
    _check_deadline(request)


def _check_deadline(request: dict[str, Any]) -> None:
    if not 0 < float(request["deadline"]) < 3600:
        raise ValueError(f"deadline is {request['deadline']}")


def main() -> None:
    """Listen, go into the background, serve.

    Arguments: the path of the socket, seconds to live without a connection, how many files each may have open. What
    is imported here is in every shim, and the less of it the fewer pages a shim copies: so there is no argparse.
    """
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[3]), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    place, name = os.path.split(os.path.abspath(sys.argv[1]))
    directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with contextlib.suppress(FileNotFoundError):  # left by one that was killed; the starter holds a lock
        os.unlink(name, dir_fd=directory)
    zygote = Zygote(directory, name, lease=float(sys.argv[2]))
    if os.fork() != 0:
        os._exit(0)  # the starter waits for exactly this: somebody listens
    os.setsid()
    syscalls.set_name("aether-zygote")
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGCHLD):  # the kernel buries shims that ended
        signal.signal(number, signal.SIG_IGN)
    boot_id()  # every shim tells it
    gc.collect()
    gc.freeze()  # what is loaded now stays shared: a collection in a shim would touch, and so copy, all of it
    zygote.run()
    zygote.remove_socket()


if __name__ == "__main__":
    main()
