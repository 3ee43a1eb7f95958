"""Alembic's entry: SQLite with transactional DDL, so that a migration is wholly done or not at all."""

from alembic import context
from sqlalchemy import create_engine, event
from sqlmodel import SQLModel

url = context.config.get_main_option("sqlalchemy.url")
assert url is not None
engine = create_engine(url)


@event.listens_for(engine, "connect")
def _manual(connection, _record):  # type: ignore[no-untyped-def]
    connection.isolation_level = None


@event.listens_for(engine, "begin")
def _begin(connection):  # type: ignore[no-untyped-def]
    connection.exec_driver_sql("BEGIN EXCLUSIVE")


with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        transaction_per_migration=True,
        render_as_batch=True,
        include_object=lambda obj, name, kind, reflected, other: (
            not (kind == "table" and str(name).startswith("memory_fts"))
        ),
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
