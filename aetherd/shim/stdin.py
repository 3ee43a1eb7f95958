"""What clients write to the process: taken once each, in order, held while the process does not read."""

import contextlib
import os
from collections import deque

from aetherd.shim import frames

ACCEPTED, DUPLICATE, FULL, CLOSED = range(len(frames.RESULTS))


class Stdin:
    """Queue input for one descriptor. `last` is the highest id accepted, 0 for none."""

    __slots__ = ("_closable", "_closing", "_queue", "_size", "descriptor", "last", "open")

    def __init__(self, descriptor: int, *, closable: bool) -> None:
        """Take a descriptor; `closable` is False for a terminal, whose input has no end of its own."""
        self.descriptor = descriptor
        self.last = 0
        self.open = True
        self._closable = closable
        self._closing = False
        self._queue: deque[memoryview] = deque()
        self._size = 0

    def accept(self, id: int, data: bytes, *, close: bool) -> int:
        """Take bytes, or the end of input, and return the result; only ACCEPTED uses the id up."""
        if id <= self.last:
            return DUPLICATE
        if not self.open or self._closing or (close and not self._closable):
            return CLOSED
        if self._size + len(data) > frames.INPUT_QUEUE:
            return FULL
        self.last = id
        self._closing = close
        if data:
            self._queue.append(memoryview(data))
            self._size += len(data)
        self.write()
        return ACCEPTED

    @property
    def waiting(self) -> bool:
        """Tell whether there is something for the descriptor to take."""
        return self.open and bool(self._queue)

    def write(self) -> None:
        """Write what the process takes; afterwards `open` is False when the descriptor is done with."""
        if not self.open:
            return
        try:
            with contextlib.suppress(BlockingIOError):
                while self._queue:
                    data = self._queue[0]
                    written = os.write(self.descriptor, data)
                    self._size -= written
                    if written < len(data):
                        self._queue[0] = data[written:]
                    else:
                        self._queue.popleft()
        except OSError:  # EPIPE: the process closed its end. A terminal may be opened again.
            self._drop(not self._closable)
        if self._closing and not self._queue:
            self._drop(False)

    def end(self) -> None:
        """Take nothing more: the process is gone."""
        self._drop(False)

    def _drop(self, open: bool) -> None:
        self._queue.clear()
        self._size = 0
        self.open = open
