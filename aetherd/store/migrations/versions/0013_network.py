"""What agents may reach, and what they tried."""

revision = "0013_network"
down_revision = "0012_sandbox"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
