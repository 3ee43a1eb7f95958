"""Run alembic from code; imported only when there is something to migrate."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config


def config(path: Path) -> Config:
    """Return the alembic configuration for one database file."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent))
    settings.set_main_option("sqlalchemy.url", f"sqlite:///{path}")
    return settings


def upgrade(path: Path) -> None:
    """Bring the file to the newest schema, each migration in a transaction."""
    command.upgrade(config(path), "head")
