"""Limits and GPUs given out."""

import sqlalchemy as sa
from alembic import op

revision = "0017_quota"
down_revision = "0016_snapshot"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("process", sa.Column("oom_kills", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "quota",
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("org", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("limits", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.String(), nullable=False),
        sa.Column("updated_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("user", "org", "agent"),
    )
    op.create_table(
        "gpu_allocation",
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("org", sa.String(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("device"),
    )
    op.create_index("ix_gpu_allocation_pid", "gpu_allocation", ["pid"], unique=False)


def downgrade() -> None:
    op.drop_table("gpu_allocation")
    op.drop_table("quota")
    op.execute("ALTER TABLE process DROP COLUMN oom_kills")
