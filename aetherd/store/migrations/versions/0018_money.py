"""Budgets, and what each call to a model cost."""

revision = "0018_money"
down_revision = "0017_quota"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
