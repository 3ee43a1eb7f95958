"""Desktops of processes."""

import sqlalchemy as sa
from alembic import op

revision = "0014_desktop"
down_revision = "0013_network"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "desktop",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("parent", sa.String(), nullable=True),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("org", sa.String(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("ended_at", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_desktop_pid", "desktop", ["pid"])
    op.create_index("ix_desktop_agent", "desktop", ["agent"])
    op.create_index("ix_desktop_ended_at", "desktop", ["ended_at"])


def downgrade() -> None:
    op.drop_table("desktop")
