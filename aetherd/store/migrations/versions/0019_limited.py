"""Agents that wait for a usage limit to lift."""

revision = "0019_limited"
down_revision = "0018_money"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
