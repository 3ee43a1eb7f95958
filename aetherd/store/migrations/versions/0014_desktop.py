"""Desktops of processes."""

revision = "0014_desktop"
down_revision = "0013_network"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
