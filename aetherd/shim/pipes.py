"""Bytes between connections that come in on TCP ports and unix sockets that come and go."""

from __future__ import annotations

import _socket  # not socket: its enums and wrappers cost a tenth of a megabyte
import time

from aetherd.shim.loop import IN, OUT

TYPE_CHECKING = False  # the module typing is not worth its memory
if TYPE_CHECKING:
    from collections.abc import Callable

    from aetherd.shim.loop import Loop

PATIENCE = 30.0
"""Seconds somebody who connected waits for the other side to be there: a restart of the daemon takes less."""
MOST = 512
"""Connections at once; more wait in the kernel's queue."""
BACKLOG = 128
_CHUNK = 256 * 1024
_TURNS = 8
"""Chunks passed on for one connection before the others get their turn."""
_FIRST_WAIT, _LONGEST_WAIT = 0.01, 0.5


class Ports:
    """Listen on ports and join what comes to the unix socket of each, in one loop."""

    def __init__(self, loop: Loop, door: int) -> None:
        """`door` is an open directory; the sockets are names in it."""
        self._loop = loop
        self._door = door
        self._listeners: dict[_socket.socket, str] = {}
        self._joints: set[Joint] = set()
        self._buffer = memoryview(bytearray(_CHUNK))

    def listen(self, port: int, name: str) -> None:
        """Take connections to 127.0.0.1:port for the socket `name`. Raises OSError."""
        kind = _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
        listener = _socket.socket(_socket.AF_INET, kind)
        listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(BACKLOG)
        self._listeners[listener] = name
        self._loop.want(listener.fileno(), IN, lambda mask: self._accept(listener))

    def timeout(self) -> float:
        """Return how long nothing is due, in seconds; -1 for ever."""
        due = [joint.due for joint in self._joints if joint.due]
        return max(0.0, min(due) - time.monotonic()) if due else -1

    def tick(self) -> None:
        """Try again what is due."""
        now = time.monotonic()
        for joint in [joint for joint in self._joints if joint.due and joint.due <= now]:
            joint.reach()

    def _accept(self, listener: _socket.socket) -> None:
        try:
            descriptor, _ = listener._accept()  # type: ignore[attr-defined]  # the stubs leave it out
        except OSError:  # gone again, or no descriptor free
            return
        near = _socket.socket(fileno=descriptor)
        near.setblocking(False)
        near.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        path = f"/proc/self/fd/{self._door}/{self._listeners[listener]}"  # a socket address holds 107 bytes
        joint = Joint(self._loop, near, path, self._buffer, self._left)
        self._joints.add(joint)
        self._listening()
        joint.reach()

    def _left(self, joint: Joint) -> None:
        self._joints.discard(joint)
        self._listening()

    def _listening(self) -> None:
        for listener in self._listeners:
            self._loop.want(listener.fileno(), IN if len(self._joints) < MOST else 0)


class Joint:
    """One connection and its other side. `due` is when that is tried again, 0 when it is there."""

    def __init__(
        self, loop: Loop, near: _socket.socket, path: str, buffer: memoryview, left: Callable[[Joint], None]
    ) -> None:
        self._loop, self._path, self._buffer, self._left = loop, path, buffer, left
        self._near = near
        self._far: _socket.socket | None = None
        self._flows: tuple[Flow, ...] = ()
        self._wait = _FIRST_WAIT
        self.due = self._give_up = time.monotonic() + PATIENCE

    def reach(self) -> None:
        """Connect to the socket as it is now; later again when nobody is there, until patience ends."""
        far = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC)
        try:
            far.connect(self._path)
        except OSError:
            far.close()
            now = time.monotonic()
            if now >= self._give_up:
                self._close()
                return
            self.due = now + self._wait
            self._wait = min(self._wait * 2, _LONGEST_WAIT)
            return
        self.due = 0.0
        self._far = far
        self._flows = (Flow(self._near, far), Flow(far, self._near))
        self._loop.want(self._near.fileno(), IN, lambda mask: self._on_event())
        self._loop.want(far.fileno(), IN, lambda mask: self._on_event())

    def _on_event(self) -> None:
        try:
            for flow in self._flows:
                flow.move(self._buffer)
        except OSError:  # reset by one side: the other learns it
            self._close()
            return
        if all(flow.done for flow in self._flows):
            self._close()
            return
        out, back = self._flows
        for sock, coming, going in ((out.source, out, back), (back.source, back, out)):
            mask = (IN if coming.wants_more else 0) | (OUT if going.pending else 0)
            self._loop.want(sock.fileno(), mask)

    def _close(self) -> None:
        for sock in (self._near, self._far):
            if sock is not None:
                self._loop.forget(sock.fileno())
                sock.close()
        self._left(self)


class Flow:
    """One direction: what is read here is written there, and the end of it as well."""

    __slots__ = ("done", "ended", "pending", "source", "target")

    def __init__(self, source: _socket.socket, target: _socket.socket) -> None:
        self.source = source
        self.target = target
        self.pending = b""  # read, and not taken yet; at most one chunk
        self.ended = False
        self.done = False

    @property
    def wants_more(self) -> bool:
        """Tell whether something may be read now."""
        return not self.ended and not self.pending

    def move(self, buffer: memoryview) -> None:
        """Pass on what can be passed without waiting. Raises OSError when a side is gone."""
        for _ in range(_TURNS):
            if self.pending:
                self.pending = self.pending[self._send(self.pending) :]
                if self.pending:
                    return
            if self.ended:
                break
            try:
                size = self.source.recv_into(buffer)
            except BlockingIOError:
                return
            if size == 0:
                self.ended = True
                break
            sent = self._send(buffer[:size])
            if sent < size:
                self.pending = bytes(buffer[sent:size])
        if self.ended and not self.done and not self.pending:
            self.done = True
            self.target.shutdown(_socket.SHUT_WR)

    def _send(self, data: memoryview | bytes) -> int:
        try:
            return self.target.send(data)
        except BlockingIOError:
            return 0
