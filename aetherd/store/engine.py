"""Connections to the one SQLite file: a writer whose transactions only the writer thread controls, and readers."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool, StaticPool

from aetherd.core.errors import Unavailable

logger = logging.getLogger(__name__)

OPEN_S = 10.0  # how long a lock on the file is waited out when it is opened
VERSIONS = Path(__file__).parent / "migrations" / "versions"


class _WriterConnection(sqlite3.Connection):
    """Transactions are explicit SQL of the writer thread; what SQLAlchemy commits or rolls back is a no-op."""

    def commit(self) -> None:
        """Do nothing."""

    def rollback(self) -> None:
        """Do nothing."""


def open_writer(path: Path) -> Engine:
    """Return an engine with exactly one connection, in explicit-transaction mode, synchronous=FULL."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, factory=_WriterConnection, timeout=OPEN_S
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA wal_autocheckpoint=1000")
        connection.execute("PRAGMA busy_timeout=1000")  # from here on the writer does the waiting
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=StaticPool)


def connect(engine: Engine) -> None:
    """Make the writer's connection now; `Unavailable` when another program does not let go of the file."""
    try:
        engine.connect().close()
    except OperationalError as exc:
        raise Unavailable(f"cannot open the database for writing: {exc.orig}; does another program hold it?") from exc


def open_readers(path: Path, size: int, ready: Callable[[sqlite3.Connection], None]) -> Engine:
    """Return a pool of read-only connections, each made ready once."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False, timeout=5.0)
        connection.execute("PRAGMA query_only=ON")
        ready(connection)
        return connection

    return create_engine(
        "sqlite://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=0,
        pool_reset_on_return="rollback",
    )


def head_revision() -> str:
    """Return the newest migration's name, without importing alembic (0.3 s that a normal start need not pay)."""
    return max(file.stem for file in VERSIONS.glob("[0-9]*.py"))


def prepare(path: Path) -> None:
    """Bring the file to the newest schema under a lock; a file that cannot be opened is never touched."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.with_suffix(".lock")):
        found = _revision(path)
        head = head_revision()
        if found == head:
            return
        known = {re.sub(r"\.py$", "", file.name) for file in VERSIONS.glob("[0-9]*.py")}
        if found is not None and found not in known:
            raise Unavailable(
                f"{path} was made by a newer aetherd (schema {found}); install that version, or point "
                "AETHER_HOME elsewhere; the file was not touched",
                path=str(path),
            )
        from aetherd.store.migrations.run import upgrade

        try:
            upgrade(path)
        except Exception as exc:
            logger.exception("migrating %s failed", path)
            raise Unavailable(
                f"{path} could not be brought from schema {found or 'none'} to {head}: {exc}; each migration is done "
                "wholly or not at all, so the aetherd before this one still opens it",
                path=str(path),
            ) from exc
        os.chmod(path, 0o600)


def _revision(path: Path) -> str | None:
    if not path.exists():
        return None
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0)
        try:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")}
            if "alembic_version" in tables:
                row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
                return str(row[0]) if row else None
            if tables:
                raise Unavailable(
                    f"{path} is a database of something else (no schema version in it); move it away or set "
                    "AETHER_DATABASE_URL; the file was not touched",
                    path=str(path),
                )
            return None
        finally:
            connection.close()
    except sqlite3.Error as exc:
        raise Unavailable(
            f"cannot open {path}: {exc}; the file was not touched: move it away to start afresh, or put back a backup",
            path=str(path),
        ) from exc


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
