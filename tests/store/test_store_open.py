"""A file that cannot be opened is never touched; an empty one gets the whole schema."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlmodel import SQLModel

from aetherd.core.errors import Unavailable
from aetherd.daemon.rooms import ROOMS
from aetherd.store.engine import VERSIONS, head_revision, prepare


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refuse(path: Path, told: str) -> None:
    before = digest(path)
    with pytest.raises(Unavailable, match=told) as raised:
        prepare(path)
    assert "not touched" in raised.value.message
    assert digest(path) == before


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "aether.db"
    path.write_bytes(b"this is somebody's diary, not a database\n" * 100)
    refuse(path, "cannot open")


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "aether.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE diary (line)")
    connection.close()
    refuse(path, "something else")


def test_a_database_of_a_newer_aetherd_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "aether.db"
    prepare(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999_future'")
    connection.close()
    refuse(path, "newer aetherd")


def test_a_new_file_is_private_and_of_the_newest_schema(tmp_path: Path) -> None:
    path = tmp_path / "aether.db"
    prepare(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(head_revision(),)]
    connection.close()


def test_preparing_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "aether.db"
    prepare(path)
    before = digest(path)
    prepare(path)
    assert digest(path) == before


def test_the_name_of_a_migration_is_its_revision_and_the_history_is_one_line() -> None:
    names = sorted(file.stem for file in VERSIONS.glob("[0-9]*.py"))
    below: str | None = None
    for name in names:
        source = (VERSIONS / f"{name}.py").read_text()
        namespace: dict[str, object] = {}
        for line in source.splitlines():
            if line.startswith(("revision =", "down_revision =")):
                exec(line, namespace)
        assert (namespace["revision"], namespace["down_revision"]) == (name, below)
        below = name


def test_the_migrations_make_exactly_the_tables_of_the_rooms(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    assert ROOMS  # importing the rooms has filled the metadata
    path = tmp_path / "aether.db"
    prepare(path)
    engine = create_engine(f"sqlite:///{path}")
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(
                connection,
                opts={
                    "include_object": lambda obj, name, kind, reflected, other: (
                        not (kind == "table" and str(name).startswith("memory_fts"))
                    ),
                    "compare_type": True,
                },
            )
            assert compare_metadata(context, SQLModel.metadata) == []
    finally:
        engine.dispose()


def test_tokens_from_before_keep_their_use_and_browser_sessions_are_for_the_console(tmp_path: Path) -> None:
    from alembic import command

    from aetherd.store.migrations.run import config

    path = tmp_path / "aether.db"
    command.upgrade(config(path), "0002_memory_fts")
    with sqlite3.connect(path) as database:
        for kind in ("owner", "session"):
            database.execute(
                "INSERT INTO token (id, kind, name, digest, scopes, toolset, user, org, created_at, created_by) "
                "VALUES (?, ?, '', ?, '*', 'all', 'owner', 'home', '', '')",
                (kind, kind, kind),
            )
    database.close()
    prepare(path)
    with sqlite3.connect(path) as database:
        kept = dict(database.execute("SELECT kind, audience FROM token").fetchall())
    database.close()
    assert kept == {"owner": "house", "session": "api"}


def test_a_migration_that_fails_leaves_the_old_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from alembic.operations import Operations

    path = tmp_path / "aether.db"
    real, calls = Operations.create_table, []

    def torn(self: Operations, *args: object, **options: object) -> object:
        calls.append(args)
        if len(calls) == 3:
            raise RuntimeError("killed")
        return real(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("alembic.op.create_table", lambda *a, **o: torn(_proxy(), *a, **o))
    with pytest.raises(Unavailable, match=r"schema none to .*: killed"):
        prepare(path)
    monkeypatch.undo()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'audit'").fetchall() == []
    connection.close()
    prepare(path)


def _proxy() -> object:
    from alembic import op

    return op._proxy  # type: ignore[attr-defined]
