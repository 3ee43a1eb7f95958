"""The shim: one process that owns one agent process, its output and the record of its end.

It is forked from the zygote and lives exactly as long as its process, whatever happens to the daemon. It
writes output to disk first and to clients second, so a client is never more than a reader of the file. It
waits in one epoll; nothing in it blocks but the disk.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import termios
import time
from fcntl import ioctl

from aetherd.shim import child, frames, peer
from aetherd.shim.loop import HANGUP, IN, OUT, Loop
from aetherd.shim.peer import Peer, Tail
from aetherd.shim.proc import boot_id, start_time_of
from aetherd.shim.stdin import Stdin
from aetherd.shim.store import OutputFile, write_json

TYPE_CHECKING = False  # the module typing is not worth its memory in every shim
if TYPE_CHECKING:
    from typing import Any

MAX_CLIENTS = 8
DRAIN = 0.15
"""Seconds to wait, after the process ended, for others that still hold its streams."""
LINGER = 5.0
"""Seconds to wait, after the exit is on disk, for clients to read the rest."""
RETRY = 0.1
"""Seconds until a full disk, or a terminal nobody has open, is tried again."""


class Shim:
    """Own one process. `request` is the JSON form of `records.SpawnRequest`, checked by the zygote."""

    def __init__(self, request: dict[str, Any], directory: int) -> None:
        """Create the files, listen, and start the process.

        Raises OSError for the files (FileExistsError: the directory had a shim) and SpawnFailed.
        """
        self.directory = directory
        self.stdio: str = request["stdio"]
        self.pty = self.stdio == "pty"
        self.cap: int = request["lossless_cap"]
        self.ring: int = request["ring"]
        self.stderr_ring: int = request["stderr_ring"]
        self.output = OutputFile(directory, "out.log", self.ring if self.pty else self.cap)
        self.errors = None if self.pty else OutputFile(directory, "err.log", self.stderr_ring)
        self.tail = Tail()
        self.held = 0  # bytes of the tail that the full disk did not take; they are its last
        self.acked = 0
        self.blocked = False
        self.rows: int = request["rows"]
        self.cols: int = request["cols"]
        self.output_open = True
        self.errors_open = not self.pty
        self.pause_until = 0.0  # the terminal is not read before this time: nobody had it open
        self.status: int | None = None  # as waitpid tells it
        self.exit: dict[str, Any] | None = None  # exit.json
        self.give_up = 0.0  # the end of draining, then of lingering
        self.retry_at = 0.0
        self.peers: dict[int, Peer] = {}
        self.loop = Loop()
        self.wake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self.listener = peer.listen(directory, "s", MAX_CLIENTS)
        self.child = child.start(request)
        self.stdin = Stdin(self.child.stdin, closable=not self.pty)
        self.started = {
            "protocol": frames.PROTOCOL,
            "shim_pid": os.getpid(),
            "shim_start_time": start_time_of(os.getpid()),
            "os_pid": self.child.os_pid,
            "start_time": start_time_of(self.child.os_pid) or 0,
            "boot_id": boot_id(),
            "stdio": self.stdio,
            "argv0": request["argv"][0],
        }
        write_json(directory, "shim.json", self.started, durable=False)
        self.loop.want(self.wake, IN, self._on_child)
        self.loop.want(self.listener.fileno(), IN, self._on_connection)
        if self.child.stderr >= 0:
            self.loop.want(self.child.stderr, IN, self._on_errors)
        self._watch()

    def run(self) -> None:
        """Serve until the process ended, its exit is on disk, and the clients know or had their time."""
        while True:
            self.loop.turn(self._timeout())
            if self._tick():
                return

    def _timeout(self) -> float:
        waits = (self.retry_at,) if self.retry_at else (self.pause_until, self.give_up)
        times = [moment for moment in waits if moment]
        return max(0.0, min(times) - time.monotonic()) if times else -1

    def _tick(self) -> bool:
        """Do what is due; True when there is nothing left to do."""
        if not self.pause_until and not self.retry_at and self.status is None:
            return False
        now = time.monotonic()
        if self.pause_until and now >= self.pause_until:
            self.pause_until = 0.0
            self._watch()
        if self.retry_at and now >= self.retry_at:
            self.retry_at = 0.0
            if self.held:
                self._store(0)
        if self.status is None or self.held:
            return False
        if self.exit is None:
            if (self.output_open or self.errors_open) and now < self.give_up:
                return False
            self._read_last_words()
            if self.held or self.retry_at or not self._record_exit():
                return False
        return now >= self.give_up or all(one.exit_sent and not one.pending for one in self.peers.values())

    def _read_last_words(self) -> None:
        """Read what the process left in its pipes, also when a busy machine let the time for it pass."""
        for _ in range(8):  # as much as a pipe holds: who still writes must not keep us here
            if not self.output_open or not self._on_output(0):
                break
        if self.errors_open:
            self._on_errors(0)

    def _watch(self) -> None:
        """Wait for exactly what the process's streams can do for us now."""
        reading = IN if self.output_open and not self.pause_until and self._room() > 0 else 0
        writing = OUT if self.stdin.waiting else 0
        if self.pty:
            if self.output_open:
                mask = 0 if self.pause_until else reading | writing
                self.loop.want(self.child.stdout, mask, self._on_terminal)
            return
        if self.output_open:
            self.loop.want(self.child.stdout, reading, self._on_output)
        if self.child.stdin >= 0:
            if self.stdin.open:
                self.loop.want(self.child.stdin, writing, self._on_input)
            else:
                self.loop.close(self.child.stdin)
                self.child.stdin = -1

    def _room(self) -> int:
        """Return how many bytes of output may be read now."""
        if self.held:
            return 0
        if self.status is not None:
            return frames.CHUNK  # the last words, at most what the kernel's buffer holds: no limit applies
        if self.blocked:
            return 0
        room = frames.CHUNK
        if not self.pty:
            room = min(room, self.cap - (self.output.end - self.acked))
        for client in self.peers.values():
            if client.limit is not None:
                room = min(room, client.limit - self.output.end)
        return room

    def _on_terminal(self, mask: int) -> None:
        if mask & ~OUT:
            self._on_output(mask)
        if mask & OUT:
            self._on_input(mask)

    def _on_input(self, mask: int) -> None:
        self.stdin.write()
        self._watch()

    def _on_output(self, mask: int) -> int:
        """Read all there is, up to one chunk (a terminal gives at most 4 KB at once); return how much."""
        room = self._room()
        if room <= 0:
            # What is unread stays unread. Only a terminal without a user must leave the epoll for a while.
            if self.pty and mask & HANGUP and self.status is None:
                self._output_ended()
            return 0
        view, size, ended = self.tail.view, 0, False
        self.tail.offset = frames.FOREVER
        while size < room:
            try:
                got = os.readv(self.child.stdout, (view[size:room],))
            except BlockingIOError:
                break
            except OSError:  # EIO: nobody has the terminal open
                got = 0
            if got == 0:
                ended = True
                break
            size += got
        if size:
            self._store(size)
        if ended:
            self._output_ended()
        return size

    def _output_ended(self) -> None:
        if self.pty and self.status is None:
            # The process closed its terminal and lives: it may open it again.
            self.pause_until = time.monotonic() + RETRY
            self._watch()
            return
        if not self.pty:
            self.loop.close(self.child.stdout)
        else:
            self.loop.want(self.child.stdout, 0)  # it is also where input goes
        self.output_open = False

    def _store(self, size: int) -> None:
        """Write the first `size` bytes of the tail, or what is held from before, and pass them on."""
        data = self.tail.view[frames.CHUNK - self.held :] if self.held else self.tail.view[:size]
        start = self.output.end
        try:
            written = self.output.append(data)
        except OSError:
            written = 0
        if written < len(data):
            rest = bytes(data[written:])
            self.held = len(rest)
            self.tail.view[frames.CHUNK - self.held :] = rest
            self.tail.offset = frames.FOREVER
            full = not (self.pty and self.output.make_room())
            self.retry_at = time.monotonic() + (RETRY if full else 0.0)
        else:
            self.tail.offset = start if not self.held else frames.FOREVER
            self.held = 0
            if self.pty:
                self.output.ring(self.ring)
        for client in tuple(self.peers.values()):
            if client.position is not None:
                self._flush(client)
        self._balance()

    def _balance(self) -> None:
        """Block or unblock the process by what is not acknowledged or stored; tell clients of a change."""
        unacked = self.output.end - self.acked
        full = not self.pty and unacked >= (self.cap * 3 // 4 if self.blocked else self.cap)
        full = full or self.held > 0
        if full != self.blocked:
            self.blocked = full
            for client in tuple(self.peers.values()):
                client.say(self._blocked_frame())
                self._flush(client)
        self._watch()

    def _blocked_frame(self) -> bytes:
        return frames.frame(frames.BLOCKED, frames.BLOCK.pack(self.blocked, self.output.end - self.acked))

    def _on_errors(self, mask: int) -> None:
        assert self.errors is not None
        if not self.errors.take_from(self.child.stderr, self.stderr_ring):
            self.loop.close(self.child.stderr)
            self.errors_open = False

    def _on_connection(self, mask: int) -> None:
        sock = peer.accept(self.listener)
        if sock is None:
            return
        if len(self.peers) >= MAX_CLIENTS:
            with contextlib.suppress(OSError):
                sock.send(frames.frame(frames.REFUSED, b"the shim has as many clients as it takes"))
            sock.close()
            return
        client = Peer(sock)
        self.peers[sock.fileno()] = client
        self.loop.want(sock.fileno(), IN, lambda mask: self._on_peer(client, mask))
        client.say(frames.frame(frames.HELLO, json.dumps(self._hello()).encode()))
        if self.blocked:
            client.say(self._blocked_frame())
        self._flush(client)

    def _hello(self) -> dict[str, Any]:
        more = {"stdin_open": self.stdin.open, "exit": self.exit}
        return {**self.started, **self._counters(), **more}

    def _counters(self) -> dict[str, Any]:
        return {
            "first_offset": self.output.first,
            "end_offset": self.output.end,
            "stderr_end": self.errors.end if self.errors else 0,
            "last_input": self.stdin.last,
            "rows": self.rows,
            "cols": self.cols,
        }

    def _on_peer(self, client: Peer, mask: int) -> None:
        if mask & ~OUT:
            arrived = client.receive()
            if arrived is None:
                self._drop(client)
                return
            try:
                for kind, payload in arrived:
                    self._obey(client, kind, payload)
            except (struct.error, ValueError, OverflowError):
                self._drop(client)
        self._flush(client)

    def _obey(self, client: Peer, kind: int, payload: bytes) -> None:
        """Do what one frame asks. Frames of unknown type are from a newer daemon and ignored."""
        if kind in (frames.INPUT, frames.CLOSE_STDIN):
            (id,) = frames.U64.unpack_from(payload)
            result = self.stdin.accept(id, payload[frames.U64.size :], close=kind == frames.CLOSE_STDIN)
            self._watch()
            client.say(frames.frame(frames.RESULT, frames.ANSWER.pack(id, result)))
        elif kind == frames.ATTACH:
            offset, credit = frames.ATTACHMENT.unpack_from(payload)
            client.attach(offset, credit, self.output)
        elif kind == frames.CREDIT:
            client.credit = min(frames.FOREVER, client.credit + frames.U64.unpack_from(payload)[0])
        elif kind == frames.ACK:
            (offset,) = frames.U64.unpack_from(payload)
            if not self.pty:
                self.acked = max(self.acked, min(offset, self.output.end))
                self.output.drop(self.acked)
                self._balance()
        elif kind == frames.LIMIT:
            (offset,) = frames.I64.unpack_from(payload)
            client.limit = None if offset < 0 else offset
            self._watch()
        elif kind == frames.RESIZE and self.pty and self.status is None:
            self.rows, self.cols = frames.SIZE.unpack_from(payload)
            ioctl(self.child.stdin, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, self.cols, 0, 0))

    def _flush(self, client: Peer) -> None:
        """Send what can be sent and wait for what cannot."""
        descriptor = client.sock.fileno()
        if self.peers.get(descriptor) is not client:
            return
        if self.exit is not None and not client.exit_sent and client.has_all(self.output):
            client.exit_sent = True
            client.say(frames.frame(frames.EXIT, json.dumps(self.exit).encode()))
        if not client.flush(self.output, self.tail):
            self._drop(client)
            return
        unsaid = self.exit is not None and not client.exit_sent and client.has_all(self.output)
        more = unsaid or client.pending or client.wants_output(self.output)
        self.loop.want(descriptor, IN | OUT if more else IN)

    def _drop(self, client: Peer) -> None:
        descriptor = client.sock.fileno()
        if self.peers.pop(descriptor, None) is None:
            return
        self.loop.forget(descriptor)
        client.sock.close()
        if client.limit is not None:
            self._watch()

    def _on_child(self, mask: int) -> None:
        """Collect every child that ended: the process itself, and orphans of its that became ours."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.wake, 512)
        while True:
            try:
                os_pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if os_pid == 0:
                return
            if os_pid == self.child.os_pid:
                self.status = status
                self.give_up = time.monotonic() + DRAIN
                self.pause_until = 0.0
                self.stdin.end()
                self._watch()

    def _record_exit(self) -> bool:
        """Write exit.json, then tell the clients; False when the disk is full and it must be tried again."""
        assert self.status is not None
        code = os.WEXITSTATUS(self.status) if os.WIFEXITED(self.status) else None
        by = os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else None
        record = {"code": code, "signal": by, "at": time.time(), **self._counters()}
        try:
            with contextlib.suppress(FileNotFoundError):  # the directory was removed: nobody wants the record
                if not self.pty:
                    os.fdatasync(self.output.descriptor)
                write_json(self.directory, "exit.json", record, durable=True)
        except OSError:  # a full disk: an exit without a record would be taken for a lost process
            self.retry_at = time.monotonic() + RETRY
            return False
        self.exit = record
        self.give_up = time.monotonic() + LINGER
        self.retry_at = 0.0
        if self.output_open:  # somebody else still holds it; what they write now is in no record
            self.loop.want(self.child.stdout, 0)
            self.output_open = False
        if self.errors_open:
            self.loop.want(self.child.stderr, 0)
        for client in tuple(self.peers.values()):
            self._flush(client)
        return True
