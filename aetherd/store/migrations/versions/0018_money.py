"""Budgets, and what each call to a model cost."""

import sqlalchemy as sa
from alembic import op

revision = "0018_money"
down_revision = "0017_quota"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("budget_nano", sa.BigInteger(), nullable=True),
        sa.Column("metered", sa.Boolean(), nullable=False, server_default="0"),
        sa.Column("claimed_usd", sa.Float(), nullable=False, server_default="0"),
        sa.Column("claimed_tokens", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("tool_calls", sa.Integer(), nullable=False, server_default="0"),
    ):
        op.add_column("process", column)
    # What ran until now told its cost itself.
    op.execute(
        "UPDATE process SET claimed_usd = cost_usd, "
        "claimed_tokens = input_tokens + output_tokens + cache_read_tokens + cache_write_tokens"
    )
    op.create_table(
        "quota_call",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("org", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("most_nano", sa.BigInteger(), nullable=True),
        sa.Column("most_tokens", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("settled_at", sa.String(), nullable=True),
        sa.Column("model_seen", sa.String(), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=False),
        sa.Column("nano", sa.BigInteger(), nullable=True),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("first_byte_ms", sa.Float(), nullable=True),
        sa.Column("took_ms", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_quota_call_at", "quota_call", ["user", "org", "at"])
    op.create_index("ix_quota_call_open", "quota_call", ["id"], sqlite_where=sa.text("outcome IS NULL"))
    op.create_table(
        "quota_run",
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("org", sa.String(), nullable=False),
        sa.Column("parent", sa.Integer(), nullable=True),
        sa.Column("budget_nano", sa.BigInteger(), nullable=True),
        sa.Column("tokens", sa.BigInteger(), nullable=True),
        sa.Column("steps", sa.Integer(), nullable=True),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("unpriced", sa.Integer(), nullable=False),
        sa.Column("estimated", sa.Integer(), nullable=False),
        sa.Column("nano", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pid"),
    )
    op.create_table(
        "quota_spent",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("of", sa.String(), nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("nano", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("reserved_nano", sa.BigInteger(), nullable=False),
        sa.Column("reserved_tokens", sa.BigInteger(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "of", "period"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "quota_told",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("of", sa.String(), nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("bound", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "of", "period", "what", "bound"),
    )
    # Runs that are there already have no budget of their own; what they spend from now on is counted.
    op.execute(
        'INSERT INTO quota_run (pid, agent, name, "user", org, parent, calls, unpriced, estimated, nano, input_tokens, '
        "output_tokens, cache_read_tokens, cache_write_tokens) "
        'SELECT pid, agent, name, "user", org, NULL, 0, 0, 0, 0, 0, 0, 0, 0 FROM process'
    )


def downgrade() -> None:
    for table in ("quota_told", "quota_spent", "quota_run", "quota_call"):
        op.drop_table(table)
    for column in ("tool_calls", "claimed_tokens", "claimed_usd", "metered", "budget_nano"):
        op.execute(f"ALTER TABLE process DROP COLUMN {column}")
