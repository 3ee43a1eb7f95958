"""One viewer of a terminal: its own connection to the shim, its own pace.

Whoever may type sets the pace of the program: it may be WINDOW bytes ahead of what the viewer has shown, then
it waits in the kernel, so Ctrl-C is felt at once. Whoever only watches never holds it up: too far behind, the
viewer jumps to the newest output. A typist that stops showing anything for STALL_S becomes such a viewer.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread

from aetherd.core.clock import Clock
from aetherd.core.errors import Conflict, Forbidden, Invalid
from aetherd.kernel.terminal.keyboard import Keyboard
from aetherd.kernel.terminal.replay import Replay
from aetherd.shim.client import Exit, Output, Remains, Shim, ShimError, ShimGone

logger = logging.getLogger(__name__)

WINDOW: Final = 512 * 1024  # bytes a viewer may be given that it has not shown
RESUME: Final = 128 * 1024  # a viewer that was too far behind goes on below this
SKIP: Final = 1024 * 1024  # a watcher that is further behind than this jumps
STALL_S: Final = 30.0
TICK_S: Final = 5.0
NUDGE_S: Final = 0.1

Open = Callable[[Path], Awaitable[Shim | Remains]]
May = Callable[[], Awaitable[str | None]]


class Viewer:
    """A byte channel; see `ByteChannel`. One task receives, others may send, resize and ack."""

    def __init__(
        self,
        keyboard: Keyboard,
        open: Open,
        may: May,
        replay: Replay,
        clock: Clock,
        limiter: anyio.CapacityLimiter,
    ) -> None:
        self.writable = False
        self.size = (24, 80)
        self.resized: Callable[[int, int], None] = lambda rows, cols: None
        self._keyboard, self._open, self._may = keyboard, open, may
        self._replay, self._clock, self._limiter = replay, clock, limiter
        self._shim: Shim | Remains | None = None
        self._position = 0  # offset of the next byte to give
        self._ahead = b""  # given before any output
        self._unshown = 0
        self._gates = False  # whether the program waits for this viewer
        self._limit: int | None = None
        self._shown_at = clock.monotonic()
        self._shown = anyio.Event()
        self._behind = False  # it was left behind and must look where the newest output is
        self._nudging = self._nudges = False  # it is to paint again; it was told another size
        self._end: dict[str, Any] = {}

    async def start(self) -> None:
        """Connect, so that the newest output comes first and then all that follows."""
        cut = await self._jump()
        self.writable = await self._may() is None
        await self._set_gate(self.writable)
        self._nudging = cut and self.writable

    async def guard(self) -> None:
        """Look after a viewer until it is cancelled: repaint, and never let it block the program for good."""
        try:
            await self._nudge()
            while True:
                await anyio.sleep(TICK_S)
                self.writable = await self._may() is None
                stalled = self._unshown >= RESUME and self._clock.monotonic() - self._shown_at > STALL_S
                if stalled and self._gates:
                    logger.info("a viewer of %s shows nothing; the program goes on", self._keyboard.directory.name)
                    self._behind = True
                await self._set_gate(self.writable and not self._behind)
        except Exception:
            logger.exception("a terminal's viewer is not looked after any more")
            await self._set_gate(False)

    async def receive(self) -> bytes | None:
        """Return the next bytes, or None at the end."""
        while True:
            if self._ahead:
                data, self._ahead = self._ahead, b""
                self._unshown += len(data)
                return data
            if self._behind or (not self._gates and self._unshown >= WINDOW):
                await self._catch_up()
                continue
            assert self._shim is not None
            try:
                item = await self._shim.read()
            except ShimGone:
                self._end = {"reason": "lost", "exit_code": None, "signal": None}
                return None
            except ShimError as exc:
                self._end = {"reason": str(exc), "exit_code": None, "signal": None}
                return None
            if isinstance(item, Exit):
                self._end = {"reason": "exited", "exit_code": item.code, "signal": item.signal}
                return None
            if isinstance(item, Output):
                self._position = item.offset + len(item.data)
                self._unshown += len(item.data)
                return item.data

    async def send(self, data: bytes) -> None:
        """Type; raises `Forbidden` when somebody else has the keyboard."""
        reason = await self._may()
        if (reason is None) != self.writable:
            self.writable = reason is None
            await self._set_gate(self.writable)
        if reason is not None:
            raise Forbidden(reason)
        await self._keyboard.type(data)

    async def resize(self, rows: int, cols: int) -> None:
        """Set the size of the terminal; ignored when read-only."""
        check_size(rows, cols)
        if self.writable and self._shim is not None:
            self.size = (rows, cols)
            self._nudging = False
            self.resized(rows, cols)
            await self._shim.resize(rows, cols)

    async def ack(self, count: int) -> None:
        """Note that the viewer has shown this many more bytes."""
        if count <= 0:
            return
        self._unshown = max(0, self._unshown - count)
        self._shown_at = self._clock.monotonic()
        if self._gates:
            await self._move_limit()
        if self._unshown < RESUME:
            self._shown.set()

    @property
    def end(self) -> dict[str, Any]:
        """How it ended: `reason` is exited, lost or a text; empty while it goes on."""
        return self._end

    async def aclose(self) -> None:
        """Leave; the program goes on."""
        if self._shim is not None:
            await self._settle()
            await self._shim.aclose()

    async def _jump(self) -> bool:
        """Go to the newest output; return whether something is missing before it."""
        directory = self._keyboard.directory
        try:
            start = await anyio.to_thread.run_sync(self._replay.start, directory, limiter=self._limiter)
        except FileNotFoundError:
            raise Conflict("the output of this terminal is not kept any more") from None
        shim = await self._open(directory)
        old, self._shim = self._shim, shim
        if old is not None:
            await old.aclose()
        self.size = self._keyboard.true_size or (shim.hello.rows, shim.hello.cols)
        self._ahead, self._position = start.prefix, start.offset
        self._unshown, self._limit, self._gates = 0, None, False
        await shim.attach(start.offset)
        return start.cut

    async def _catch_up(self) -> None:
        """Wait until the viewer has shown what it was given; then go on, if far behind from the newest."""
        self._behind = True
        while self._unshown >= RESUME:
            self._shown = anyio.Event()
            await self._shown.wait()
        directory = self._keyboard.directory
        start = await anyio.to_thread.run_sync(self._replay.start, directory, limiter=self._limiter)
        if start.end - self._position > SKIP:
            await self._jump()
        self._behind = False
        await self._set_gate(self.writable)

    async def _set_gate(self, gates: bool) -> None:
        if gates == self._gates:
            return
        self._gates = gates
        if gates:
            await self._move_limit()
        else:
            self._limit = None
            if self._shim is not None:
                await self._shim.limit(None)

    async def _move_limit(self) -> None:
        """Let the program be WINDOW bytes ahead of what was shown."""
        limit = self._position + len(self._ahead) + WINDOW - self._unshown
        if limit != self._limit and self._shim is not None:
            self._limit = limit
            await self._shim.limit(limit)

    async def _nudge(self) -> None:
        """Make a program paint its screen again: it is told another size, then the true one."""
        if not self._nudging or self._shim is None or self._keyboard.true_size is not None:
            return
        self._nudges, (rows, cols) = True, self.size
        self._keyboard.true_size = self.size
        await self._shim.resize(max(1, rows - 1), cols)
        await self._clock.sleep(NUDGE_S)
        await self._settle()

    async def _settle(self) -> None:
        """Give a terminal that was told another size its true one; also when the viewer leaves meanwhile."""
        if self._nudges and self._shim is not None:
            self._nudges = False
            size, self._keyboard.true_size = self._keyboard.true_size, None
            if self._nudging and size is not None:
                self._nudging = False
                await self._shim.resize(*size)


def check_size(rows: int, cols: int) -> None:
    """Raise Invalid for a size no terminal has."""
    if not (2 <= rows <= 500 and 10 <= cols <= 1000):
        raise Invalid("a terminal has 2 to 500 rows and 10 to 1000 columns")
