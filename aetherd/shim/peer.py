"""One client of a shim, seen from the shim: what it asked for, and bytes on their way to it."""

import _socket  # not socket: its enums and wrappers cost every shim a tenth of a megabyte
import mmap
import os
import struct

from aetherd.shim import frames
from aetherd.shim.store import OutputFile

_PENDING = 512 * 1024
"""Most bytes of answers held for a client that does not read them; beyond, it is cut off."""
_BURST = 8
"""Frames sent to one client before the others get their turn."""


class Tail:
    """The newest output, still in memory: a client that keeps up is served without reading the file."""

    __slots__ = ("offset", "view")

    def __init__(self) -> None:
        # A mapping takes memory as it is used; most processes never say 64 KB at once.
        self.view = memoryview(mmap.mmap(-1, frames.CHUNK, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        self.offset = frames.FOREVER  # the absolute offset of view[0]; FOREVER when it is not on disk as is


class Peer:
    """Serve one client over a non-blocking socket. Memory is bounded: output waits in the file."""

    __slots__ = ("credit", "exit_sent", "limit", "pending", "position", "reader", "sock")

    def __init__(self, sock: _socket.socket) -> None:
        self.sock = sock
        self.reader = frames.FrameReader(frames.TO_SHIM)
        self.pending = bytearray()
        self.position: int | None = None
        self.credit = 0
        self.limit: int | None = None
        self.exit_sent = False

    def attach(self, offset: int, credit: int, output: OutputFile) -> None:
        """Stream from `offset`, moved into what is kept."""
        self.position = min(max(offset, output.first), output.end)
        self.credit = credit

    def receive(self) -> list[tuple[int, bytes]] | None:
        """Return the frames that arrived, or None when the client is gone or breaks the protocol."""
        try:
            data = self.sock.recv(frames.CHUNK)
            return self.reader.feed(data) if data else None
        except BlockingIOError:
            return []
        except (OSError, frames.FrameError):
            return None

    def say(self, message: bytes) -> None:
        """Queue one whole frame. It goes out before any further output."""
        self.pending += message

    def wants_output(self, output: OutputFile) -> bool:
        """Tell whether output could be sent now, were the socket ready."""
        return self.position is not None and self.credit > 0 and self.position < output.end

    def has_all(self, output: OutputFile) -> bool:
        """Tell whether every byte of output was sent (or was never asked for)."""
        return self.position is None or self.position >= output.end

    def flush(self, output: OutputFile, tail: Tail) -> bool:
        """Send what the socket takes; False when the client is gone or does not read its answers."""
        try:
            for _ in range(_BURST):
                if self.pending:
                    del self.pending[: self.sock.send(self.pending)]
                    if self.pending:
                        break
                if not self.wants_output(output):
                    break
                self._send_output(output, tail)
        except BlockingIOError:
            pass
        except OSError:
            return False
        return len(self.pending) <= _PENDING

    def _send_output(self, output: OutputFile, tail: Tail) -> None:
        """Send one frame of output; a frame taken in part leaves its rest in `pending`."""
        assert self.position is not None
        start = max(self.position, output.first)  # a slow viewer of a ring skips what was dropped
        size = min(frames.CHUNK, output.end - start, self.credit)
        data: bytes | memoryview
        if start >= tail.offset:
            data = tail.view[start - tail.offset : start - tail.offset + size]
        else:
            data = output.read(start, size)
        header = frames.output_header(start, len(data))
        sent = self.sock.sendmsg((header, data))
        self.position = start + len(data)
        self.credit -= len(data)
        if sent < len(header):
            self.pending += header[sent:]
            sent = len(header)
        self.pending += data[sent - len(header) :]


def same_user(sock: _socket.socket) -> bool:
    """Tell whether the process at the other end of a unix socket runs under our uid."""
    credentials = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    _, uid, _ = struct.unpack("iII", credentials)
    return bool(uid == os.geteuid())


def listen(directory: int, name: str, backlog: int) -> _socket.socket:
    """Return a non-blocking 0600 unix socket that listens as `name` in an open directory.

    Bound through the descriptor, because a socket address holds 107 bytes and a path may be longer.
    """
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC)
    mask = os.umask(0o177)
    try:
        sock.bind(f"/proc/self/fd/{directory}/{name}")
    finally:
        os.umask(mask)
    sock.listen(backlog)
    return sock


def accept(listener: _socket.socket) -> _socket.socket | None:
    """Return a new non-blocking connection of our own user, or None."""
    try:
        descriptor, _ = listener._accept()  # type: ignore[attr-defined]  # the stubs leave it out
    except OSError:  # gone again, or no descriptor free: the next event tries again
        return None
    sock = _socket.socket(fileno=descriptor)
    if not same_user(sock):
        sock.close()
        return None
    sock.setblocking(False)
    return sock
