"""Commands run in a process's sandbox to their end: bounded in time and output, the rest of it in the agent's home."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread

from aetherd.core.errors import Exhausted, Unavailable
from aetherd.core.ids import new_id
from aetherd.kernel.sandbox.models import Executed
from aetherd.kernel.sandbox.ports import Processes
from aetherd.operations.beside import Place, collected
from aetherd.shim.client import ShimError, read_stderr

AT_ONCE = 8  # beside one process
ERRORS = 20_000  # bytes of standard error that are answered
FILE = 256 << 20  # bytes of a file for the rest; what comes then is counted only
FOLDER = ".exec"  # of the agent's home
PREFIX = "exec-"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Commands:
    """Runs commands beside processes; nothing of one is left when its answer comes."""

    def __init__(self, process: Processes) -> None:
        self._process = process
        self._running: Counter[int] = Counter()

    async def recover(self) -> None:
        """End what a daemon before us had begun: nobody waits for it any more."""
        shims = self._process.terminal_dir(PREFIX).parent
        for name in await anyio.to_thread.run_sync(lambda: [place.name for place in shims.glob(f"{PREFIX}*")]):
            await self._end(name)

    async def run(self, place: Place, uid: int | None, argv: Sequence[str], cwd: Path, keep: int, s: float) -> Executed:
        """Run one as the agent in its sandbox, for `s` seconds at most. Raises `Unavailable`, `Exhausted`."""
        key = new_id("exec")
        name = f"{PREFIX}{key}"
        spill = Spill(place.home, f"{key}.out", uid, keep)
        begun, exit = time.monotonic(), None
        async with self._one_of(place.pid):
            try:
                directory = self._process.terminal_dir(name)
                await self._process.start_beside(place.pid, directory, argv, cwd=cwd, name=name, stdio="pipes")
                with anyio.move_on_after(s):
                    exit = await collected(directory, spill.add)
                error = await anyio.to_thread.run_sync(read_stderr, directory, ERRORS)
            except ShimError as exc:
                raise Unavailable(f"{argv[0]} could not be run in the sandbox of process {place.pid}: {exc}") from exc
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(spill.close)
                    await self._end(name)
        return Executed(
            pid=place.pid,
            code=None if exit is None else exit.code,
            signal=None if exit is None else exit.signal,
            timed_out=exit is None,
            duration_s=round(time.monotonic() - begun, 3),
            stdout=bytes(spill.kept).decode(errors="replace"),
            stderr=error.decode(errors="replace"),
            truncated=spill.total > len(spill.kept),
            bytes=spill.total,
            file=spill.file,
        )

    @asynccontextmanager
    async def _one_of(self, pid: int) -> AsyncIterator[None]:
        if self._running[pid] >= AT_ONCE:
            raise Exhausted(f"{AT_ONCE} commands run beside process {pid} already; wait for one to end", pid=pid)
        self._running[pid] += 1
        try:
            yield
        finally:
            self._running[pid] -= 1
            self._running += Counter()  # forget the zeros

    async def _end(self, name: str) -> None:
        await self._process.end_beside(name)
        await anyio.to_thread.run_sync(lambda: shutil.rmtree(self._process.terminal_dir(name), ignore_errors=True))


class Spill:
    """Keeps the first bytes of what comes; when there is more, all of it goes to a file in the agent's home."""

    def __init__(self, home: Path, name: str, uid: int | None, keep: int) -> None:
        self.kept, self.total = bytearray(), 0
        self.file: str | None = None  # relative to the home
        self._home, self._name, self._uid, self._keep = home, name, uid, keep
        self._handle: int | None = None
        self._failed = False

    def add(self, data: bytes) -> None:
        """Take more; blocking. Where no file can be written the rest is counted only."""
        fits = max(0, self._keep - len(self.kept))
        try:
            if len(data) > fits and self._handle is None and not self._failed:
                self._handle = self._open()
                self._write(bytes(self.kept))
            if self._handle is not None and self.total < FILE:
                self._write(data)
        except OSError:  # the disk is full, or the agent put something else in the folder's place
            self._failed = True
            self.close()
        self.kept += data[:fits]
        self.total += len(data)

    def _write(self, data: bytes) -> None:
        assert self._handle is not None
        left = memoryview(data)
        while left:
            left = left[os.write(self._handle, left) :]

    def close(self) -> None:
        """Let the file go."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _open(self) -> int:
        """Make the file; no link of the agent's is followed on the way."""
        home = os.open(self._home, _DIRECTORY)
        try:
            made = True
            try:
                os.mkdir(FOLDER, 0o700, dir_fd=home)
            except FileExistsError:
                made = False
            folder = os.open(FOLDER, _DIRECTORY, dir_fd=home)
            try:
                if made and self._uid is not None:
                    os.fchown(folder, self._uid, self._uid)
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                handle = os.open(self._name, flags, 0o600, dir_fd=folder)
                if self._uid is not None:
                    os.fchown(handle, self._uid, self._uid)
            finally:
                os.close(folder)
        finally:
            os.close(home)
        self.file = f"{FOLDER}/{self._name}"
        return handle
