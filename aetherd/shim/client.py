"""What the daemon uses of this package: start processes, talk to their shims, read what they left.

    zygote = await Zygote.start(run_dir, name="z1")
    spawned = await zygote.spawn(SpawnRequest(...))
    shim = await open_shim(directory)       # a live Shim, or Remains with the same interface
    await shim.attach(0)
    while not isinstance(item := await shim.read(), Exit): ...

Everything runs on asyncio, also under anyio's asyncio backend, and may be cancelled at any await: a cancelled
`read` loses nothing, a cancelled `send` may have been accepted (send it again with the same id).
"""

import asyncio
import errno
import os
import socket
from pathlib import Path

from aetherd.shim import frames
from aetherd.shim.disk import claim, read_exit, read_hello, read_output, read_stderr
from aetherd.shim.errors import ShimError, ShimGone, SpawnFailed
from aetherd.shim.holding import find_held, release
from aetherd.shim.proc import alive, boot_id, start_time_of
from aetherd.shim.records import (
    Blocked,
    Exit,
    Held,
    Hello,
    HoldRequest,
    Output,
    Spawned,
    SpawnRequest,
)
from aetherd.shim.remains import Remains
from aetherd.shim.starter import Zygote
from aetherd.shim.wire import CREDIT, Wire

__all__ = [
    "Blocked",
    "Exit",
    "Held",
    "Hello",
    "HoldRequest",
    "Output",
    "Remains",
    "Shim",
    "ShimError",
    "ShimGone",
    "SpawnFailed",
    "SpawnRequest",
    "Spawned",
    "Zygote",
    "alive",
    "boot_id",
    "claim",
    "find_held",
    "open_shim",
    "read_exit",
    "read_output",
    "read_stderr",
    "release",
    "start_time_of",
]


class Shim:
    """Talk to a live shim; when it ends, go on from what it left on disk without a gap."""

    def __init__(self, directory: Path, wire: Wire, hello: Hello) -> None:
        self.hello = hello
        self._directory = directory
        self._wire = wire
        self._position: int | None = None
        self._remains: Remains | None = None
        self._taken = hello.last_input  # the highest input id known to be accepted

    async def attach(self, offset: int) -> None:
        """Stream output from this offset, or from the oldest byte kept when that is later. Once only."""
        if self._position is not None:
            raise ShimError("already attached")
        self._position = offset
        if self._remains is not None:  # an answer to something sent before found the connection lost
            await self._remains.attach(offset)
            return
        self._wire.write(frames.ATTACH, frames.ATTACHMENT.pack(offset, CREDIT))

    async def read(self) -> Output | Exit | Blocked:
        """Return what comes next: all output first, then the exit, which is returned ever after.

        One task reads at a time. Not reading is fine: the bytes stay with the shim. Raises ShimGone when the
        shim died without recording an exit, ShimError when it broke the protocol.
        """
        wire = self._wire
        while self._remains is None:
            if wire.blocked is not None:
                blocked, wire.blocked = wire.blocked, None
                return blocked
            if (output := wire.take()) is not None:
                self._position = output.offset + len(output.data)
                return output
            if wire.exit is not None and (self._position is None or self._position >= wire.exit.end_offset):
                return wire.exit
            if wire.lost:
                await self._bury()
            else:
                await wire.changed()
        return await self._remains.read()

    async def _bury(self) -> None:
        """Go on from the disk. Raises ShimGone when there is no record of an exit."""
        hello = await asyncio.to_thread(read_hello, self._directory)
        if hello is None:
            if self._wire.refusal:
                raise ShimError(self._wire.refusal)
            raise ShimGone(f"the shim of os process {self.hello.os_pid} is gone and recorded no exit")
        if self._remains is None:  # the reader and a sender may both have found the connection lost
            self._remains = Remains(self._directory, hello)
            if self._position is not None:
                await self._remains.attach(self._position)

    async def send(self, id: int, data: bytes, *, deadline: float = 10.0) -> str:
        """Write to the process: "accepted", "duplicate" (id not above the last), "full" or "closed".

        At most `frames.INPUT_QUEUE` bytes. "full" and "closed" do not use the id up. Raises ShimGone,
        ShimError when no answer comes within `deadline` seconds (send again with the same id).
        """
        if len(data) > frames.INPUT_QUEUE:
            raise ValueError(f"{len(data)} bytes of input, at most {frames.INPUT_QUEUE} at once")
        return await self._ask(frames.INPUT, id, data, deadline)

    async def close_stdin(self, id: int, *, deadline: float = 10.0) -> str:
        """Close standard input after all accepted input; results as in `send`. A terminal says "closed"."""
        return await self._ask(frames.CLOSE_STDIN, id, b"", deadline)

    async def _ask(self, kind: int, id: int, data: bytes, deadline: float) -> str:
        try:
            answer = await self._wire.ask(kind, id, frames.U64.pack(id) + data, deadline)
        except TimeoutError:
            raise ShimError(f"the shim did not answer input {id} in {deadline:g} s") from None
        if answer is None:
            if self._remains is None:
                await self._bury()
            assert self._remains is not None
            found = await self._remains.send(id, data)
            # The connection broke between question and answer: the record of the exit knows what was taken.
            return "accepted" if found == "duplicate" and id > self._taken else found
        if answer == "accepted":
            self._taken = max(self._taken, id)
        return answer

    async def resize(self, rows: int, cols: int) -> None:
        """Set the size of the terminal in characters; the kernel tells the process."""
        self._wire.write(frames.RESIZE, frames.SIZE.pack(rows, cols))

    async def ack(self, offset: int) -> None:
        """Say that all output below this offset is safe; the shim may drop it (pipes)."""
        self._wire.write(frames.ACK, frames.U64.pack(offset))

    async def limit(self, offset: int | None) -> None:
        """Let the shim read no output beyond this offset while this connection lives; None lifts it."""
        self._wire.write(frames.LIMIT, frames.I64.pack(-1 if offset is None else offset))

    async def aclose(self) -> None:
        """Close the connection; the shim and its process go on."""
        if self._wire.transport is not None:
            self._wire.transport.close()


async def open_shim(directory: Path, *, deadline: float = 2.0) -> Shim | Remains:
    """Connect to the shim of a directory, or return what it left when it has ended.

    Raises ShimGone when no socket answers and no exit was recorded; ShimError when the shim is there but does
    not answer within `deadline` seconds, refuses, belongs to another user, or is of a newer aetherd. That is
    no proof of death.
    """
    give_up = asyncio.get_running_loop().time() + deadline
    while True:
        connection = _connect(directory)
        if isinstance(connection, socket.socket):
            shim = await _greet(directory, connection, give_up)
            if shim is not None:
                return shim
        else:
            hello = await asyncio.to_thread(read_hello, directory)
            if hello is not None:
                return Remains(directory, _known(hello))
            if connection in (errno.ECONNREFUSED, errno.ENOENT, errno.ENOTDIR):
                raise ShimGone(f"no shim in {directory} and no record of an exit")
        if asyncio.get_running_loop().time() >= give_up:
            raise ShimError(f"the shim in {directory} does not answer")
        await asyncio.sleep(0.01)


def _known(hello: Hello) -> Hello:
    """Return it when we speak its protocol. Raises ShimError for one to come: what it means we cannot know."""
    if hello.protocol > frames.PROTOCOL:
        raise ShimError(
            f"os process {hello.os_pid} was started by a newer aetherd (shim protocol {hello.protocol}, this one "
            f"knows {frames.PROTOCOL}); it goes on meanwhile: start the newer aetherd again to reach it"
        )
    return hello


def _connect(directory: Path) -> socket.socket | int:
    """Return a connected socket, or the errno when nobody accepts."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    connection.setblocking(False)
    handle = -1
    try:
        # A socket address holds 107 bytes; through the directory's descriptor any path will do.
        handle = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        connection.connect(f"/proc/self/fd/{handle}/s")
        return connection
    except OSError as error:
        connection.close()
        return error.errno or errno.EIO
    finally:
        if handle >= 0:
            os.close(handle)


async def _greet(directory: Path, connection: socket.socket, give_up: float) -> Shim | None:
    """Return the shim once it said hello; None when it ended instead, or too late."""
    loop = asyncio.get_running_loop()
    transport: asyncio.Transport | None = None
    try:
        transport, wire = await loop.create_unix_connection(Wire, sock=connection)
        await asyncio.wait([wire.hello], timeout=max(0.0, give_up - loop.time()))
        if wire.refusal:
            raise ShimError(wire.refusal)
        if wire.hello.done() and not wire.hello.cancelled():
            shim = Shim(directory, wire, _known(wire.hello.result()))
            transport = None
            return shim
        return None
    finally:
        if transport is not None:
            transport.abort()
