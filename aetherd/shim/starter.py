"""The daemon's handle on the zygote: find a living one or start it, hold its lease, ask it for processes."""

import asyncio
import fcntl
import hashlib
import itertools
import json
import os
import resource
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from aetherd.shim import frames
from aetherd.shim.disk import read_json
from aetherd.shim.errors import ShimError, SpawnFailed
from aetherd.shim.holding import find_held
from aetherd.shim.proc import alive
from aetherd.shim.records import Held, HoldRequest, Spawned, SpawnRequest

_Found = TypeVar("_Found", Spawned, Held)

PROGRAM = Path(__file__).resolve().with_name("zygote.py")
FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[0]  # before the daemon raised its own: agents keep what is usual
LEASE = 30.0
"""Seconds a zygote lives on with nobody connected."""


class _Line(asyncio.Protocol):
    """Demultiplex one connection to the zygote: answers find their questions by id."""

    def __init__(self) -> None:
        self.hello: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.answers: dict[int, asyncio.Future[dict[str, Any] | None]] = {}
        self.transport: asyncio.Transport | None = None
        self.lost = False
        self._reader = frames.FrameReader(frames.FROM_SHIM)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        if not self.hello.done():
            self.hello.cancel()
        for answer in self.answers.values():
            if not answer.done():
                answer.set_result(None)
        self.answers.clear()

    def data_received(self, data: bytes) -> None:
        try:
            for kind, payload in self._reader.feed(data):
                if kind == frames.HELLO and not self.hello.done():
                    self.hello.set_result(json.loads(payload)["pid"])
                elif kind == frames.SPAWNED:
                    fields = json.loads(payload)
                    answer = self.answers.pop(fields["id"], None)
                    if answer is not None and not answer.done():
                        answer.set_result(fields)
        except (ValueError, KeyError, TypeError):
            assert self.transport is not None
            self.transport.abort()


class Zygote:
    """Start processes through a warm forking server; make one with `Zygote.start`."""

    def __init__(self, run_dir: Path, name: str, lease: float) -> None:
        self._run_dir = run_dir
        self._lease = lease
        self._name = f"{name}-{_fingerprint()}"
        self._line: _Line | None = None
        self._connecting = asyncio.Lock()
        self._ids = itertools.count(1)
        self._closed = False

    @classmethod
    async def start(cls, run_dir: Path, *, name: str, deadline: float = 5.0, lease: float = LEASE) -> "Zygote":
        """Connect to the living zygote of this name in `run_dir` (0700), or start it.

        A zygote of other code or another interpreter counts as another name, so an upgrade gets a new one and
        the old one ends when its lease does: `lease` seconds after the last connection. Raises ShimError when
        none answers in `deadline` seconds.
        """
        zygote = cls(run_dir, name, lease)
        await zygote._connected(deadline)
        return zygote

    @property
    def os_pid(self) -> int | None:
        """The pid of the zygote that holds our lease now, None when it is being replaced."""
        return None if self._line is None or self._line.lost else self._line.hello.result()

    async def spawn(self, request: SpawnRequest, *, deadline: float = 5.0) -> Spawned:
        """Start a process under a new shim; a zygote that died is replaced first.

        Raises SpawnFailed when the process cannot start (nothing is left of it), ShimError when there is no
        answer in time. The shim gives up before `deadline` seconds, so a late process does not appear.
        """
        found = await self._obtain(frames.SPAWN, request, deadline, _spawned_in)
        return found if isinstance(found, Spawned) else Spawned(**_only(Spawned, found))

    async def hold(self, request: HoldRequest, *, deadline: float = 10.0) -> Held:
        """Have a keeper hold a sandbox; it and the sandbox outlive the zygote and us.

        Raises SpawnFailed when the sandbox cannot be made (nothing is left of it), ShimError as `spawn` does.
        """
        found = await self._obtain(frames.HOLD, request, deadline, find_held)
        return found if isinstance(found, Held) else Held(**_only(Held, found))

    async def _obtain(
        self, kind: int, request: SpawnRequest | HoldRequest, deadline: float, left: Callable[[Path], _Found | None]
    ) -> _Found | dict[str, Any]:
        """Ask until there is an answer, or what `left` finds in the request's directory."""
        give_up = time.monotonic() + deadline
        for _ in range(2):
            line = await self._connected(max(0.1, give_up - time.monotonic()))
            fields = await self._ask(line, kind, request, give_up)
            if fields is not None:
                return _succeeded(fields)
            # The zygote died with the question open. What it had already forked is on its own and says so
            # on disk; what it had not forked cannot appear any more.
            stop = min(give_up, time.monotonic() + 0.5)
            while True:
                found = await asyncio.to_thread(left, Path(request.directory))
                if found is not None:
                    return found
                if time.monotonic() >= stop:
                    break
                await asyncio.sleep(0.02)
        raise ShimError("the zygote died twice while starting a process")

    async def aclose(self) -> None:
        """Give the lease back; shims live on."""
        self._closed = True
        if self._line is not None and self._line.transport is not None:
            self._line.transport.close()

    async def _ask(
        self, line: _Line, kind: int, request: SpawnRequest | HoldRequest, give_up: float
    ) -> dict[str, Any] | None:
        id = next(self._ids)
        answer: asyncio.Future[dict[str, Any] | None] = asyncio.get_running_loop().create_future()
        left = max(0.1, give_up - time.monotonic())
        payload = _encoded(request, id, left * 0.9)
        if len(payload) > frames.TO_ZYGOTE:
            raise SpawnFailed("request", 0, f"{len(payload)} bytes of argv and environment are too many")
        assert line.transport is not None
        line.answers[id] = answer
        line.transport.write(frames.frame(kind, payload))
        try:
            await asyncio.wait([answer], timeout=left)
        finally:
            line.answers.pop(id, None)
        if not answer.done():
            raise ShimError(f"the zygote did not answer in {left:.1f} s")
        return answer.result()

    async def _connected(self, deadline: float) -> _Line:
        if self._closed:
            raise ShimError("the zygote's handle is closed")
        async with self._connecting:
            if self._line is not None and not self._line.lost:
                return self._line
            give_up = time.monotonic() + deadline
            while time.monotonic() < give_up:
                left = give_up - time.monotonic()
                connection = await asyncio.to_thread(_connect_or_launch, self._run_dir, self._name, self._lease, left)
                line = await _greeted(connection, give_up)
                if line is not None:
                    self._line = line
                    return line
            raise ShimError(f"no zygote answered within {deadline:g} s")


async def _greeted(connection: socket.socket, give_up: float) -> _Line | None:
    """Return the line once the zygote said hello; None when it was just ending, and let the caller repeat."""
    transport, line = await asyncio.get_running_loop().create_unix_connection(_Line, sock=connection)
    try:
        await asyncio.wait([line.hello], timeout=max(0.0, give_up - time.monotonic()))
    finally:
        greeted = line.hello.done() and not line.hello.cancelled()
        if not greeted:
            transport.abort()
    return line if greeted else None


def _encoded(request: SpawnRequest | HoldRequest, id: int, deadline: float) -> bytes:
    """Return the payload of a frame. A request may hold any mapping or sequence, JSON wants its own."""
    fields: dict[str, Any] = {name: _plain(getattr(request, name)) for name in request.__dataclass_fields__}
    return json.dumps({**fields, "id": id, "deadline": deadline}).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _succeeded(fields: dict[str, Any]) -> dict[str, Any]:
    error = fields.get("error")
    if error is not None:
        raise SpawnFailed(error["step"], error["errno"], error["message"])
    return fields


def _only(kind: type[_Found], fields: dict[str, Any]) -> dict[str, Any]:
    return {name: fields[name] for name in kind.__dataclass_fields__}


def _spawned_in(directory: Path) -> Spawned | None:
    fields = read_json(directory, "shim.json")
    if fields is None or not alive(fields["shim_pid"], fields["shim_start_time"], fields["boot_id"]):
        return None
    return Spawned(**_only(Spawned, fields))


def _fingerprint() -> str:
    """Return a short name for this code and interpreter: a zygote keeps the code it was started with."""
    digest = hashlib.sha256(f"{sys.executable} {sys.version} {frames.PROTOCOL}".encode())
    for source in sorted(PROGRAM.parent.glob("*.py")):
        status = source.stat()
        digest.update(f"{source} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()[:8]


def _connect_or_launch(run_dir: Path, name: str, lease: float, deadline: float) -> socket.socket:
    """Return a connection, starting the zygote under a lock when nobody listens. Blocks up to `deadline`."""
    give_up = time.monotonic() + deadline
    lock = os.open(run_dir / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    handle = os.open(run_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= give_up:
                    raise ShimError("another start of the zygote does not finish") from None
                select.select((), (), (), 0.01)
        connection = _connect(handle, name)
        if connection is None:
            _launch(run_dir, name, lease, max(0.5, give_up - time.monotonic()))
            connection = _connect(handle, name)
        if connection is None:
            raise ShimError("the zygote started and does not listen")
        return connection
    finally:
        os.close(handle)
        os.close(lock)


def _connect(handle: int, name: str) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    connection.setblocking(False)  # a zygote that accepts nobody must not hold this thread
    try:
        # A socket address holds 107 bytes; through the directory's descriptor any path will do.
        connection.connect(f"/proc/self/fd/{handle}/{name}.sock")
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except OSError as error:
        connection.close()
        raise ShimError(f"the zygote accepts nobody: {error.strerror}") from None
    return connection


def _launch(run_dir: Path, name: str, lease: float, deadline: float) -> None:
    """Run the zygote's program, which returns once its background self listens."""
    arguments = (str(run_dir / f"{name}.sock"), str(lease), str(FILES))
    command = [sys.executable, "-I", "-S", "-E", str(PROGRAM), *arguments]
    with open(run_dir / f"{name}.log", "wb") as log:
        try:
            # An empty environment: what the daemon knows is for no agent, nor for anyone who reads /proc.
            subprocess.run(
                command, env={}, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                timeout=deadline, check=True, start_new_session=True,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise ShimError(f"the zygote did not start in {deadline:.1f} s") from None
        except subprocess.CalledProcessError as error:
            said = (run_dir / f"{name}.log").read_text("utf-8", "replace").strip().splitlines()
            raise ShimError(f"the zygote ended with {error.returncode}: {said[-1] if said else 'no text'}") from None
