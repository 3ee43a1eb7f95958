"""One client connection to a shim: asyncio callbacks in, values out, with bounded memory.

This is one of the few modules that own a byte channel. Callbacks of the event loop only move frames into the
fields below and wake whoever waits: there is no task. Output is bounded by credit that the client grants as
it consumes, so a reader that stops leaves the bytes with the shim, on disk, and never delays the answer to an
input behind output nobody reads.
"""

import asyncio
import json
from collections import deque

from aetherd.shim import frames
from aetherd.shim.records import Blocked, Exit, Hello, Output, exit_from, hello_from

CREDIT = 8 * frames.CHUNK
"""Most bytes of output held by a client that does not consume them."""


class Wire(asyncio.Protocol):
    """Demultiplex what a shim sends."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.hello: asyncio.Future[Hello] = loop.create_future()
        self.output: deque[Output] = deque()
        self.held = 0
        self.blocked: Blocked | None = None  # only the newest counts, so one place is enough
        self.exit: Exit | None = None
        self.refusal = ""
        self.lost = False
        self.answers: deque[tuple[int, asyncio.Future[str | None]]] = deque()
        self.writable = asyncio.Event()
        self.writable.set()
        self._reader = frames.FrameReader(frames.FROM_SHIM)
        self._waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        """Wake everybody: nothing more will come."""
        self.lost = True
        self.writable.set()
        if not self.hello.done():
            self.hello.cancel()
        while self.answers:
            _, answer = self.answers.popleft()
            if not answer.done():
                answer.set_result(None)
        self._wake()

    def pause_writing(self) -> None:
        """Hold writers back while the shim does not read."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """Let writers go on."""
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        """Sort the frames in `data`; a shim that breaks the protocol is cut off."""
        try:
            for kind, payload in self._reader.feed(data):
                self._sort(kind, payload)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            self._cut(f"the shim broke the protocol: {error}")
        self._wake()

    def _sort(self, kind: int, payload: bytes) -> None:
        if kind == frames.OUTPUT:
            self.output.append(Output(frames.U64.unpack_from(payload)[0], payload[frames.U64.size :]))
            self.held += len(payload) - frames.U64.size
            if self.held > CREDIT:
                self._cut("the shim sent more than it was granted")
        elif kind == frames.RESULT:
            id, status = frames.ANSWER.unpack_from(payload)
            if not self.answers or self.answers[0][0] != id:
                raise ValueError(f"an answer for input {id}, which was not asked for")
            _, answer = self.answers.popleft()
            if not answer.done():
                answer.set_result(frames.RESULTS[status])
        elif kind == frames.BLOCKED:
            flag, unacked = frames.BLOCK.unpack_from(payload)
            self.blocked = Blocked(bool(flag), unacked)
        elif kind == frames.EXIT:
            self.exit = exit_from(json.loads(payload))
        elif kind == frames.HELLO and not self.hello.done():
            self.hello.set_result(hello_from(json.loads(payload)))
        elif kind == frames.REFUSED:
            self.refusal = payload.decode("utf-8", "replace")

    def _cut(self, why: str) -> None:
        self.refusal = why
        if self.transport is not None:
            self.transport.abort()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def changed(self) -> None:
        """Wait until a frame arrived or the connection was lost. One waiter at a time."""
        if self._waiter is not None:
            raise RuntimeError("two tasks read one shim connection")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def take(self) -> Output | None:
        """Return the next output and grant the shim its bytes again."""
        if not self.output:
            return None
        output = self.output.popleft()
        self.held -= len(output.data)
        self.write(frames.CREDIT, frames.U64.pack(len(output.data)))
        return output

    def write(self, kind: int, payload: bytes) -> None:
        """Send one frame; does nothing when the connection is lost."""
        if self.transport is not None and not self.lost:
            self.transport.write(frames.frame(kind, payload))

    async def ask(self, kind: int, id: int, payload: bytes, deadline: float) -> str | None:
        """Send one input frame and return its result, or None when the connection was lost.

        Raises TimeoutError after `deadline` seconds.
        """
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        if not self.writable.is_set():
            async with asyncio.timeout(deadline):
                await self.writable.wait()
        if self.lost:
            return None
        # Answers come in the order of the questions; a cancelled question keeps its place in the row.
        self.answers.append((id, answer))
        self.write(kind, payload)
        await asyncio.wait([answer], timeout=deadline)
        if not answer.done():
            answer.cancel()
            raise TimeoutError
        return answer.result()
