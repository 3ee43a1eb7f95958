"""The frames that clients, shims and the zygote speak over unix stream sockets.

A frame is one type byte, a u32 payload length in network order, and the payload. A shim started by an old
daemon talks to the new one, so: HELLO carries `PROTOCOL`, a frame of unknown type is ignored by whoever
reads it, a type byte never changes its meaning, and a payload only ever grows at its end.
"""

import struct

PROTOCOL = 1
"""Version of these frames, told in every HELLO. A shim of a higher one is refused and left alone."""

# From a shim.
HELLO = 0x01  # JSON object, the fields of `records.Hello`
OUTPUT = 0x02  # u64 absolute offset, then 1 to CHUNK bytes
EXIT = 0x03  # JSON object, the fields of `records.Exit`; the last frame
BLOCKED = 0x04  # u8 1 or 0, u64 bytes not acknowledged
RESULT = 0x05  # u64 input id, u8 index into RESULTS
REFUSED = 0x06  # UTF-8 reason, then the connection closes

# To a shim.
ATTACH = 0x10  # u64 offset to stream from, u64 credit (see CREDIT)
INPUT = 0x11  # u64 id, then the bytes for the process
CLOSE_STDIN = 0x12  # u64 id
RESIZE = 0x13  # u16 rows, u16 columns
ACK = 0x14  # u64: everything below this offset is safe with the client
LIMIT = 0x15  # i64: do not read output beyond this offset; -1 lifts it
CREDIT = 0x16  # u64: this many more bytes of OUTPUT may be sent; so a client's memory is bounded

# Between the daemon and the zygote.
SPAWN = 0x20  # JSON object: id, deadline and the fields of `records.SpawnRequest`
SPAWNED = 0x21  # JSON object: id and either the fields of `records.Spawned` (or `records.Held`) or `error`
HOLD = 0x22  # JSON object: id, deadline and the fields of `records.HoldRequest`

RESULTS = ("accepted", "duplicate", "full", "closed")

CHUNK = 65536
"""Most bytes of output in one OUTPUT frame."""
INPUT_QUEUE = 1 << 20
"""Most bytes of input a shim holds for a process that does not read."""
TO_SHIM = INPUT_QUEUE + 64
"""Largest payload a shim accepts."""
FROM_SHIM = CHUNK * 4
"""Largest payload a client accepts from a shim."""
TO_ZYGOTE = 4 << 20
"""Largest payload the zygote accepts: an environment and an argv of the size the kernel allows."""

HEADER = struct.Struct("!BI")
U64 = struct.Struct("!Q")
I64 = struct.Struct("!q")
ATTACHMENT = struct.Struct("!QQ")
SIZE = struct.Struct("!HH")
BLOCK = struct.Struct("!BQ")
ANSWER = struct.Struct("!QB")
OUTPUT_HEADER = struct.Struct("!BIQ")

FOREVER = (1 << 64) - 1
"""A credit that is never used up."""


STATUS_FD = 8
"""Where a holder finds the descriptor for `bwrap --json-status-fd`."""
READY_FD = 7
"""Where the first command of a sandbox writes a line once it runs: then everything is mounted."""


class FrameError(ValueError):
    """Raised when the bytes on a connection cannot be frames."""


def frame(kind: int, payload: bytes = b"") -> bytes:
    """Return one whole frame."""
    return HEADER.pack(kind, len(payload)) + payload


def output_header(offset: int, size: int) -> bytes:
    """Return what precedes `size` bytes of output in an OUTPUT frame."""
    return OUTPUT_HEADER.pack(OUTPUT, U64.size + size, offset)


class FrameReader:
    """Cut a byte stream into frames, holding at most one unfinished frame.

    `limit` is the largest payload accepted, in bytes: the announced length is compared with it before a
    single byte of payload is kept, so a peer cannot make the reader hold more than it has really sent.
    """

    __slots__ = ("_buffer", "_limit")

    def __init__(self, limit: int) -> None:
        self._buffer = bytearray()
        self._limit = limit

    def feed(self, data: bytes | memoryview) -> list[tuple[int, bytes]]:
        """Return the frames that `data` completes, in order, as (type, payload).

        Raises FrameError when a frame announces more than the limit; the connection is then useless.
        """
        buffer = self._buffer
        buffer += data
        frames: list[tuple[int, bytes]] = []
        start, size = 0, len(buffer)
        while size - start >= HEADER.size:
            kind, length = HEADER.unpack_from(buffer, start)
            if length > self._limit:
                raise FrameError(f"frame of {length} bytes, at most {self._limit} are allowed")
            end = start + HEADER.size + length
            if end > size:
                break
            frames.append((kind, bytes(memoryview(buffer)[start + HEADER.size : end])))
            start = end
        if start == size:
            # A new buffer rather than clear(): the memory of one large frame is not kept for ever.
            self._buffer = bytearray()
        elif start:
            del buffer[:start]
        return frames

    @property
    def pending(self) -> int:
        """Bytes of an unfinished frame held now."""
        return len(self._buffer)
