"""Browsers of agents."""

import sqlalchemy as sa
from alembic import op

revision = "0015_browser"
down_revision = "0014_desktop"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "browser",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("parent", sa.String(), nullable=True),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("org", sa.String(), nullable=False),
        sa.Column("headless", sa.Boolean(), nullable=False),
        sa.Column("tab", sa.String(), nullable=True),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("ended_at", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_browser_pid", "browser", ["pid"])
    op.create_index("ix_browser_living", "browser", ["agent"], unique=True, sqlite_where=sa.text("ended_at IS NULL"))


def downgrade() -> None:
    op.drop_table("browser")
