"""The store: `write` through the one writer, `read` from the pool."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from sqlmodel import Session

from aetherd.core.context import origin
from aetherd.store.engine import connect, open_readers, open_writer, prepare
from aetherd.store.writer import Recorder, Tx, Writer, rider

logger = logging.getLogger(__name__)

T = TypeVar("T")
READERS = 4
CHECKPOINT_S = 30.0
ROOM = 1 << 20  # bytes free at which a disk that was full no longer is


class Store:
    """One SQLite file. Rooms never open a connection of their own."""

    def __init__(self, path: Path, recorder: Recorder[Any, Any]) -> None:
        self.path, self._recorder = path, recorder
        self._publish: Callable[[list[Any]], None] = lambda _logged: None
        self._extend: list[Callable[[sqlite3.Connection], None]] = []
        self.took: Callable[[float], None] = lambda _seconds: None  # told how long each write waited for its commit
        self._limiter = anyio.CapacityLimiter(READERS)

    def on_commit(self, publish: Callable[[list[Any]], None]) -> None:
        """Say who gets the committed events, in id order, on the event loop."""
        self._publish = publish

    def on_connect(self, extend: Callable[[sqlite3.Connection], None]) -> None:
        """Say what each reader's connection is given once, before its first query; before the store runs."""
        self._extend.append(extend)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Store]:
        """Migrate, open, serve; on exit everything queued is written first."""
        await anyio.to_thread.run_sync(prepare, self.path)
        engine = open_writer(self.path)
        # Not first in the writer thread: a file that is locked just now would end that thread, and all would wait.
        await anyio.to_thread.run_sync(connect, engine)
        self._readers = open_readers(self.path, READERS, self._ready)
        self._writer = Writer(engine, self._recorder, lambda logged: self._publish(logged))
        self._writer.start()
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._checkpoint)
                yield self
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._writer.stop)
            self._readers.dispose()
            engine.dispose()

    async def write(self, work: Callable[[Tx], T]) -> T:
        """Run `work(tx)` on the writer thread; returns after the commit.

        The work must be quick (about 5 ms), must not wait and must not do other I/O. What it raises comes
        back here and leaves no trace. A caller cancelled meanwhile learns the outcome first, and ends at its
        next wait: what stands in the database and what follows from it in memory do not part.
        """
        begun = time.monotonic()
        with anyio.CancelScope(shield=True):
            result = await self._writer.submit(work, origin.get(), rider.get())
        self.took(time.monotonic() - begun)
        return result

    async def read(self, query: Callable[[Session], T]) -> T:
        """Run `query(session)` on a read-only connection in a worker thread."""

        def run() -> T:
            with Session(self._readers, expire_on_commit=False) as session:
                return query(session)

        return await anyio.to_thread.run_sync(run, limiter=self._limiter)

    @property
    def waiting(self) -> tuple[int, float]:
        """How many writes wait for the writer, and for how many seconds the oldest of them has."""
        return self._writer.waiting

    @property
    def trouble(self) -> str:
        """Why it takes no writes just now, and what to do about it; empty when all is well."""
        if self._writer.full and shutil.disk_usage(self.path.parent).free < ROOM:
            return f"the disk is full: new events are refused; make room at {self.path.parent}, agents wait meanwhile"
        if self._writer.waiting_since is not None:
            return "locked by another program: writes wait until it ends"
        return ""

    def _ready(self, connection: sqlite3.Connection) -> None:
        for extend in self._extend:
            try:
                extend(connection)
            except sqlite3.Error as exc:  # what needs it fails; all else is read on
                logger.warning("a reader's connection lacks an extension: %s", exc)

    async def _checkpoint(self) -> None:
        while True:
            await anyio.sleep(CHECKPOINT_S)
            await anyio.to_thread.run_sync(self._checkpoint_once, limiter=self._limiter)

    def _checkpoint_once(self) -> None:
        connection = sqlite3.connect(self.path, timeout=1.0)
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.OperationalError as exc:
            logger.debug("checkpoint put off: %s", exc)
        finally:
            connection.close()
