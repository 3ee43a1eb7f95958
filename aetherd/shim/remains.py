"""What is left of a process whose shim has ended: the same interface as a live shim, from the disk."""

import asyncio
from pathlib import Path

from aetherd.shim.disk import read_output
from aetherd.shim.errors import ShimGone
from aetherd.shim.frames import CHUNK
from aetherd.shim.records import Blocked, Exit, Hello, Output


class Remains:
    """Read the output and the exit of an ended process; whatever would act on it has no effect."""

    def __init__(self, directory: Path, hello: Hello) -> None:
        if hello.exit is None:
            raise ValueError("remains without an exit")
        self.hello = hello
        self._directory = directory
        self._exit = hello.exit
        self._position: int | None = None

    async def attach(self, offset: int) -> None:
        """Let `read` start at this offset, or at the oldest byte kept when that is later."""
        self._position = offset

    async def read(self) -> Output | Exit | Blocked:
        """Return the next output; the exit once there is no more, and from then on.

        Raises ShimGone when the directory was removed meanwhile.
        """
        if self._position is None:
            return self._exit
        try:
            offset, data, _, _ = await asyncio.to_thread(read_output, self._directory, self._position, CHUNK)
        except FileNotFoundError:
            raise ShimGone(f"the output of os process {self.hello.os_pid} was removed") from None
        self._position = offset + len(data)
        return Output(offset, data) if data else self._exit

    async def send(self, id: int, data: bytes, *, deadline: float = 10.0) -> str:
        """Return "duplicate" for an id the process was given while it lived, else "closed"."""
        return "duplicate" if id <= self.hello.last_input else "closed"

    async def close_stdin(self, id: int, *, deadline: float = 10.0) -> str:
        """Return what `send` returns."""
        return await self.send(id, b"")

    async def resize(self, rows: int, cols: int) -> None:
        """Do nothing."""

    async def ack(self, offset: int) -> None:
        """Do nothing."""

    async def limit(self, offset: int | None) -> None:
        """Do nothing."""

    async def aclose(self) -> None:
        """Do nothing."""
