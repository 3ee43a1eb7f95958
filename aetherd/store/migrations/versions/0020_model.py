"""Model providers and routing."""

revision = "0020_model"
down_revision = "0019_limited"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
