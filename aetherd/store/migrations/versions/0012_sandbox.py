"""Where processes run."""

revision = "0012_sandbox"
down_revision = "0011_template"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
