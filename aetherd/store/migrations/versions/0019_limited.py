"""Agents that wait for a usage limit to lift."""

import sqlalchemy as sa
from alembic import op

revision = "0019_limited"
down_revision = "0018_money"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("limited_at", "limited_until", "limited_told"):
        op.add_column("process", sa.Column(name, sa.String(), nullable=True))
    op.add_column("process", sa.Column("limited_times", sa.Integer(), nullable=False, server_default="0"))
    where = sa.text("limited_until IS NOT NULL")
    op.create_index("ix_process_limited", "process", ["limited_until"], unique=False, sqlite_where=where)


def downgrade() -> None:
    op.drop_index("ix_process_limited", "process")
    for name in ("limited_times", "limited_told", "limited_until", "limited_at"):
        op.execute(f"ALTER TABLE process DROP COLUMN {name}")
