"""Browsers of agents."""

revision = "0015_browser"
down_revision = "0014_desktop"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
