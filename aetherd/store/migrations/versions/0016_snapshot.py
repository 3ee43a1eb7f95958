"""Snapshots."""

revision = "0016_snapshot"
down_revision = "0015_browser"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
