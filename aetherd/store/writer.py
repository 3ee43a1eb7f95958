"""The writer thread: it owns the only write connection and commits in groups, one fsync for many.

A unit of work is a plain function `work(tx) -> result`, run in a SAVEPOINT of the current group. When it
raises, its savepoint alone is rolled back. After the COMMIT all futures of the group are resolved and the
group's events are handed on, in id order, by one call into the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from aetherd.core.context import Origin
from aetherd.core.errors import Exhausted, StorageFull, Unavailable

logger = logging.getLogger(__name__)

E = TypeVar("E", contravariant=True)
L = TypeVar("L", covariant=True)

GROUP = 2000  # most works in one commit
PENDING = 20_000  # most works waiting; beyond it the caller is told to slow down
BUSY_S = 30.0  # how long a foreign lock on the file is waited out
SLOW_S = 0.05  # a work that holds the writer longer is logged


class Recorder(Protocol[E, L]):
    """How an event becomes a row; the events floor provides it."""

    def record(self, cursor: sqlite3.Cursor, event: E, origin: Origin) -> L:
        """Insert the event and return what subscribers get."""
        ...


class Tx:
    """What a unit of work may touch: the session, plain SQL, and the event log, all in one transaction."""

    def __init__(self, cursor: sqlite3.Cursor, connection: Connection, recorder: Recorder[Any, Any], origin: Origin):
        self._cursor, self._connection, self._recorder = cursor, connection, recorder
        self._session: Session | None = None
        self.origin = origin
        self.logged: list[Any] = []
        self.afters: list[Callable[[], object]] = []

    @property
    def session(self) -> Session:
        """A SQLModel session on the writer's connection, made when first used."""
        if self._session is None:
            self._session = Session(self._connection, expire_on_commit=False)
        return self._session

    @property
    def cursor(self) -> sqlite3.Cursor:
        """The writer's own cursor, for plain SQL on the fast path."""
        return self._cursor

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        """Run plain SQL on the fast path."""
        if self._session is not None:
            self._session.flush()
        return self._cursor.execute(sql, parameters)

    def emit(self, event: Any) -> int:
        """Append an event to the log and return its id; it is published after the commit."""
        logged = self._recorder.record(self._cursor, event, self.origin)
        self.logged.append(logged)
        return int(logged.id)

    def after(self, then: Callable[[], object]) -> None:
        """Have this run on the event loop once the commit stands, before its events are published; else never.

        What is kept in memory of the database changes here, so that the two do not part when a commit fails.
        """
        self.afters.append(then)

    def finish(self) -> None:
        """Flush what the session holds."""
        if self._session is not None:
            self._session.flush()

    def close(self) -> None:
        """Let the session go; the writer's connection ignores its rollback."""
        if self._session is not None:
            self._session.close()


Rider = Callable[[Tx], object]
# What rides along with the next write of this task: the audit row of the call. Taken once, inside the same
# savepoint, so that a change and its record are one.
rider: ContextVar[RiderSlot | None] = ContextVar("aetherd_rider", default=None)


@dataclass(slots=True)
class RiderSlot:
    """Holds the rider until a write has taken it and committed."""

    ride: Rider
    taken: bool = False  # a write of the current group carries it; writer thread only
    done: bool = False  # it is in the database, or the call it belongs to is over


@dataclass(slots=True, eq=False)
class _Work(Generic[L]):
    run: Callable[[Tx], L]
    origin: Origin
    slot: RiderSlot | None
    future: asyncio.Future[L]
    result: Any = None
    error: BaseException | None = None
    rode: bool = False
    afters: list[Callable[[], object]] = field(default_factory=list)
    at: float = field(default_factory=time.monotonic)


class Writer:
    """The thread. `start` before use, `stop` writes what is queued and joins."""

    def __init__(self, engine: Engine, recorder: Recorder[Any, Any], publish: Callable[[list[Any]], None]) -> None:
        self._engine, self._recorder, self._publish = engine, recorder, publish
        self._queue: deque[_Work[Any]] = deque()
        self._wake = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.waiting_since: float | None = None  # monotonic; set while a foreign lock blocks us
        self.full = False  # a write found no room on the disk; whether there is some again the disk knows

    def start(self) -> None:
        """Start the thread on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="aetherd-writer", daemon=True)
        self._thread.start()

    def stop(self, deadline: float = 10.0) -> None:
        """Write what is queued, then end; blocking."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(deadline)

    @property
    def waiting(self) -> tuple[int, float]:
        """How many works are queued, and the age of the oldest in seconds."""
        with self._wake:
            return len(self._queue), time.monotonic() - self._queue[0].at if self._queue else 0.0

    def submit(self, run: Callable[[Tx], L], origin: Origin, slot: RiderSlot | None) -> asyncio.Future[L]:
        """Queue one work; called on the event loop."""
        assert self._loop is not None
        future: asyncio.Future[L] = self._loop.create_future()
        with self._wake:
            if self._stopping:
                raise Unavailable("aetherd is shutting down")
            if len(self._queue) >= PENDING:
                raise Exhausted("too many writes are waiting; try again in a moment")
            self._queue.append(_Work(run, origin, slot, future))
            self._wake.notify()
        return future

    def _run(self) -> None:
        connection = self._engine.connect()
        raw = connection.connection.dbapi_connection
        assert isinstance(raw, sqlite3.Connection)
        cursor = raw.cursor()
        try:
            while True:
                with self._wake:
                    while not self._queue and not self._stopping:
                        self._wake.wait()
                    if not self._queue:
                        return
                    group = [self._queue.popleft() for _ in range(min(GROUP, len(self._queue)))]
                self._commit(group, cursor, connection)
        finally:
            connection.close()

    def _commit(self, group: list[_Work[Any]], cursor: sqlite3.Cursor, connection: Connection) -> None:
        logged: list[Any] = []
        try:
            self._begin(cursor)
            for work in group:
                self._one(work, cursor, connection, logged)
            cursor.execute("COMMIT")
        except Exception as exc:
            if cursor.connection.in_transaction:
                with suppress(sqlite3.Error):  # this thread must live on: all would wait for it
                    cursor.execute("ROLLBACK")
            failure = _told(exc)
            if isinstance(failure, StorageFull):
                logger.warning("a group of %d writes was refused: %s", len(group), failure.message)
            else:
                logger.exception("a group of %d writes could not be committed", len(group))
                failure = Unavailable(f"the database did not take the write: {exc}; nothing of it was kept")
            for work in group:
                work.error = work.error or failure
                if work.rode and work.slot is not None:
                    work.slot.taken = False
            logged = []
        else:
            for work in group:
                if work.rode and work.slot is not None and work.error is None:
                    work.slot.done = True
        self.full |= any(isinstance(work.error, StorageFull) for work in group)
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._resolve, group, logged)
        except RuntimeError:  # the loop has ended: the writes are durable, nobody is left to tell
            logger.debug("loop closed before %d writes were reported", len(group))

    def _one(self, work: _Work[Any], cursor: sqlite3.Cursor, connection: Connection, logged: list[Any]) -> None:
        cursor.execute("SAVEPOINT work")
        tx = Tx(cursor, connection, self._recorder, work.origin)
        begun = time.monotonic()
        try:
            work.result = work.run(tx)
            if work.slot is not None and not work.slot.done and not work.slot.taken:
                work.slot.ride(tx)
                work.rode = work.slot.taken = True
            tx.finish()
            cursor.execute("RELEASE work")
            logged.extend(tx.logged)
            work.afters = tx.afters
        except Exception as exc:
            if work.rode and work.slot is not None:
                work.rode = work.slot.taken = False
            if not cursor.connection.in_transaction:  # SQLite gave the whole group up, as on a full disk
                raise
            cursor.execute("ROLLBACK TO work")
            cursor.execute("RELEASE work")
            work.error = _told(exc)
        finally:
            tx.close()
        if (took := time.monotonic() - begun) > SLOW_S:
            logger.warning("a write held the writer for %.0f ms: %s", took * 1000, work.run)

    def _begin(self, cursor: sqlite3.Cursor) -> None:
        until = time.monotonic() + BUSY_S
        while True:
            try:
                cursor.execute("BEGIN IMMEDIATE")
                self.waiting_since = None
                return
            except sqlite3.OperationalError as exc:
                if "locked" not in str(exc) or time.monotonic() > until or self._stopping:
                    raise
                self.waiting_since = self.waiting_since or time.monotonic()

    def _resolve(self, group: list[_Work[Any]], logged: list[Any]) -> None:
        for work in group:
            for then in work.afters if work.error is None else ():
                try:
                    then()
                except Exception:  # the others of the group must still be told
                    logger.exception("what follows from a write could not be done: %s", work.run)
        if logged:
            self._publish(logged)
        for work in group:
            if work.future.done():
                continue  # the caller was cancelled; the write stands
            if work.error is not None:
                work.future.set_exception(work.error)
            else:
                work.future.set_result(work.result)


def _told(exc: Exception) -> Exception:
    """A database that cannot take a write (disk full, say) is unavailable, not a fault of whoever writes."""
    if isinstance(exc, sqlite3.OperationalError | OperationalError):
        if "full" in str(exc):
            return StorageFull("the disk is full: nothing of the write was kept; make room, agents wait meanwhile")
        return Unavailable(f"the database did not take the write: {exc}; nothing of it was kept")
    return exc
