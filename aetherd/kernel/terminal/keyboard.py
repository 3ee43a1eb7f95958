"""The one that types into a shim: inputs are numbered, so there is one writer, whoever types."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import anyio

from aetherd.core.errors import Conflict, Exhausted, Unavailable
from aetherd.shim.client import Remains, Shim, ShimError, ShimGone, open_shim

PIECE: Final = 64 * 1024
PATIENCE_S: Final = 10.0
_AGAIN_S: Final = 0.02
_TRIES: Final = 20


class Keyboard:
    """One connection to the shim of a directory, made with the first key and closed with the last user."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.users = 0
        self.true_size: tuple[int, int] | None = None  # while the program is told another, to paint its screen again
        self._shim: Shim | Remains | None = None
        self._last = 0  # the highest input id used
        self._lock = anyio.Lock()

    async def type(self, data: bytes) -> None:
        """Type all of it in order; raises Conflict when the process ended, Exhausted when it reads not."""
        async with self._lock:
            for start in range(0, len(data), PIECE):
                await self._type(data[start : start + PIECE])

    async def resize(self, rows: int, cols: int) -> None:
        """Set the size of the terminal."""
        async with self._lock:
            shim = await self._connected()
            await shim.resize(rows, cols)

    async def _type(self, piece: bytes) -> None:
        until = anyio.current_time() + PATIENCE_S
        doubles = 0
        while True:
            shim = await self._connected()
            self._last += 1
            try:
                result = await shim.send(self._last, piece)
            except ShimGone:
                raise Conflict("this terminal has ended") from None
            except ShimError as exc:
                await self.aclose()
                raise Unavailable(f"the terminal does not take input: {exc}") from exc
            if result == "accepted":
                return
            if result == "closed":
                raise Conflict("this terminal has ended")
            if result == "duplicate":  # somebody else numbers inputs of this shim too: learn where they are
                doubles += 1
                await self.aclose()
                if doubles > _TRIES:
                    raise Unavailable("somebody else types into this terminal at the same time; try again")
                continue
            self._last -= 1
            if anyio.current_time() > until:
                raise Exhausted("the program does not read its input; nothing more was typed")
            await anyio.sleep(_AGAIN_S)

    async def _connected(self) -> Shim | Remains:
        if self._shim is None:
            try:
                self._shim = await open_shim(self.directory)
            except ShimGone:
                raise Conflict("this terminal has ended") from None
            except ShimError as exc:
                raise Unavailable(f"the terminal cannot be reached: {exc}") from exc
            self._last = self._shim.hello.last_input
        return self._shim

    async def aclose(self) -> None:
        """Let go of the connection."""
        if self._shim is not None:
            shim, self._shim = self._shim, None
            await shim.aclose()
