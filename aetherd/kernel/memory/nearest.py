"""The vectors nearest to one among those a filter lets through: by sqlite-vec where it can be loaded, else by numpy.

Both compare exactly, and with the newest only; there is no index to keep in step.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from aetherd.kernel.memory.search import Filter

NEWEST = 20_000  # vectors compared for one filter
NEAREST = 50  # of these, those that count


class Way(Protocol):
    """Compares vectors."""

    name: str

    def missing(self) -> str:
        """Say why it cannot be used here; empty when it can."""
        ...

    def prepare(self, connection: sqlite3.Connection) -> None:
        """Make a reader's connection ready for it."""
        ...

    def near(self, cursor: sqlite3.Cursor, model: str, vector: bytes, filter: Filter) -> Iterable[tuple[int, float]]:
        """Return keys and their cosines, in any order; at least the `NEAREST`."""
        ...


class SqliteVec:
    """One statement; the vectors never leave SQLite."""

    name = "sqlite-vec"

    def missing(self) -> str:
        """Try it: a build can refuse extensions, a package be one for another machine."""
        if not hasattr(sqlite3.Connection, "enable_load_extension"):
            return "this Python's SQLite loads no extensions"
        if find_spec("sqlite_vec") is None:
            return "sqlite-vec is not installed"
        try:
            with closing(sqlite3.connect(":memory:")) as connection:
                self.prepare(connection)
        except sqlite3.Error as exc:
            return f"sqlite-vec cannot be loaded: {exc}"
        return ""

    def prepare(self, connection: sqlite3.Connection) -> None:
        """Load the extension, and nothing else from then on."""
        found = find_spec("sqlite_vec")
        if found is None or found.origin is None:
            raise sqlite3.NotSupportedError("sqlite-vec is not installed")
        connection.enable_load_extension(True)
        try:  # not by `sqlite_vec.load`: to import that imports numpy, which is not needed here
            connection.load_extension(str(Path(found.origin).with_name("vec0")))
        finally:
            connection.enable_load_extension(False)

    def near(self, cursor: sqlite3.Cursor, model: str, vector: bytes, filter: Filter) -> list[tuple[int, float]]:
        """Let SQLite compare and sort; a vector without a direction is at a right angle to all."""
        statement, values = _vectors(model, len(vector), filter)
        return cursor.execute(
            f"SELECT seq, coalesce(1 - vec_distance_cosine(vector, ?), 0) AS cosine FROM ({statement}) "
            "ORDER BY cosine DESC, seq DESC LIMIT ?",
            (vector, *values, NEAREST),
        ).fetchall()


class Numpy:
    """One product of a matrix of all that are compared; imported with the first, a daemon without pays nothing."""

    name = "numpy"

    def missing(self) -> str:
        """Say whether it is installed."""
        return "numpy is not installed" if find_spec("numpy") is None else ""

    def prepare(self, connection: sqlite3.Connection) -> None:
        """Need nothing."""

    def near(self, cursor: sqlite3.Cursor, model: str, vector: bytes, filter: Filter) -> Iterable[tuple[int, float]]:
        """Read them all and compare."""
        import numpy

        rows = cursor.execute(*_vectors(model, len(vector), filter)).fetchall()
        if not rows:
            return ()
        matrix = numpy.frombuffer(b"".join(blob for _, blob in rows), dtype="<f4").reshape(len(rows), -1)
        cosines = matrix @ numpy.frombuffer(vector, dtype="<f4")
        return zip((int(key) for key, _ in rows), cosines.tolist(), strict=True)


WAYS: Sequence[Way] = (SqliteVec(), Numpy())  # the quicker first


def choose() -> tuple[Way | None, str]:
    """Return the quickest way there is, and why not the quicker ones."""
    why: list[str] = []
    for way in WAYS:
        missing = way.missing()
        if not missing:
            return way, "; ".join(why)
        why.append(missing)
    return None, "; ".join(why)


def _vectors(model: str, size: int, filter: Filter) -> tuple[str, tuple[object, ...]]:
    """Return the statement that reads keys and vectors, newest first."""
    narrow, values = "", tuple[object, ...]()
    if filter.narrow:  # a few of many: by the index; else the newest, one after the other
        narrow = "v.seq IN (SELECT rowid FROM memory_fts WHERE memory_fts MATCH ? ORDER BY rowid DESC LIMIT ?) AND"
        values = (filter.narrow, NEWEST)
    return (
        f"SELECT v.seq, v.vector FROM memory_vector v CROSS JOIN memory m ON m.seq = v.seq WHERE {narrow} "
        f"v.model = ? AND length(v.vector) = ? AND {filter.where} ORDER BY v.seq DESC LIMIT ?",
        (*values, model, size, *filter.values, NEWEST),
    )
