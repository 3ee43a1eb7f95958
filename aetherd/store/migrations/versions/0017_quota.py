"""Limits and GPUs given out."""

revision = "0017_quota"
down_revision = "0016_snapshot"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
