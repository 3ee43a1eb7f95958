"""Tasks with what they wait for; plans."""

import sqlalchemy as sa
from alembic import op

revision = "0004_task_plan"
down_revision = "0004_confirm"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "task",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("parent", sa.String(), nullable=True),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=True),
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("blocked", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("backoff_s", sa.Float(), nullable=False),
        sa.Column("due", sa.String(), nullable=True),
        sa.Column("assignee", sa.String(), nullable=False),
        sa.Column("assignee_name", sa.String(), nullable=False),
        sa.Column("runner", sa.Integer(), nullable=True),
        sa.Column("delegator", sa.String(), nullable=False),
        sa.Column("delegator_name", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("holder_agent", sa.String(), nullable=True),
        sa.Column("holder_pid", sa.Integer(), nullable=True),
        sa.Column("lease", sa.String(), nullable=False),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("agent", sa.String(), nullable=True),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("org", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("claimed_at", sa.String(), nullable=True),
        sa.Column("ended_at", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    for name in ("agent", "parent", "runner"):
        op.create_index(f"ix_task_{name}", "task", [name])
    op.create_index(
        "ix_task_next",
        "task",
        ["user", "org", "queue", "assignee", "rank", "seq"],
        sqlite_where=sa.text("state = 'queued'"),
    )
    op.create_index("ix_task_due", "task", ["due"], sqlite_where=sa.text("state IN ('claimed', 'delayed')"))
    op.create_index(
        "ix_task_open",
        "task",
        ["user", "org"],
        sqlite_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("ix_task_holder", "task", ["holder_pid"], sqlite_where=sa.text("state = 'claimed'"))
    op.create_table(
        "task_dependency",
        sa.Column("task", sa.String(), nullable=False),
        sa.Column("needs", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("task", "needs"),
    )
    op.create_index("ix_task_dependency_needs", "task_dependency", ["needs"])
    op.create_table(
        "plan",
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("org", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("steps", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("updated_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("agent"),
        sa.UniqueConstraint("id"),
    )


def downgrade() -> None:
    op.drop_table("plan")
    op.drop_table("task_dependency")
    op.drop_table("task")
