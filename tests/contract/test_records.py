"""A change and its record are one: both are kept, or neither."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from aetherd.core.errors import AetherError
from aetherd.store.writer import Writer
from tests.contract.world import FRESH, ROWS_ONLY, World

pytestmark = pytest.mark.anyio


def content(world: World) -> list[str]:
    """Return the whole database as SQL."""
    with sqlite3.connect(world.faces.house.settings.database) as database:
        tables = [
            name
            for (name,) in database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%'"
            )
            if not name.startswith(("sqlite_", "memory_fts"))
        ]
        rows = [f"{table} {row}" for table in sorted(tables) for row in database.execute(f"SELECT * FROM {table}")]
    database.close()
    return rows


class Torn:
    """A cursor whose COMMIT fails, as on a full or broken disk."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, sql: str, *parameters: Any) -> Any:
        if sql == "COMMIT":
            raise sqlite3.OperationalError("disk I/O error")
        return self._cursor.execute(sql, *parameters)


@pytest.mark.parametrize("name", ROWS_ONLY)
async def test_when_the_commit_fails_neither_the_change_nor_its_record_is_kept(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, before = await FRESH[name](world), content(world)
    commit = Writer._commit
    with monkeypatch.context() as patch:
        patch.setattr(Writer, "_commit", lambda self, group, cursor, own: commit(self, group, Torn(cursor), own))  # type: ignore[arg-type]
        with pytest.raises(AetherError) as failure:
            await world.faces.running.invoke(name, raw)
    assert failure.value.code == "unavailable"
    assert content(world) == before
    await world.faces.running.invoke(name, raw)
    assert content(world) != before


@pytest.mark.parametrize("name", ROWS_ONLY)
async def test_when_the_record_cannot_be_written_the_change_is_not_kept(world: World, name: str) -> None:
    raw, before = await FRESH[name](world), content(world)
    store = world.faces.running.kernel.store
    await store.write(
        lambda tx: tx.execute("CREATE TRIGGER torn BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'torn'); END")
    )
    try:
        with pytest.raises(Exception, match=r"torn|audit"):
            await world.faces.running.invoke(name, raw)
    finally:
        await store.write(lambda tx: tx.execute("DROP TRIGGER torn"))
    assert content(world) == before
