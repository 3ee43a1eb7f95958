"""Templates and lists of tools; a person's words on agents and runs; what agents learnt from runs."""

import sqlalchemy as sa
from alembic import op

revision = "0011_template"
down_revision = "0010_worktree"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("token", sa.Column("tools", sa.Text(), nullable=True))
    op.add_column("agent", sa.Column("template", sa.String(), nullable=True))
    op.add_column("process", sa.Column("template", sa.String(), nullable=True))
    op.create_index("ix_event_tool_call", "event", ["agent", "id"], sqlite_where=sa.text("type = 'agent.tool_call'"))
    op.create_index("ix_task_done", "task", ["holder_agent", "queue"], sqlite_where=sa.text("state = 'done'"))
    op.create_table(
        "template",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("forked_from", sa.String(), nullable=True),
        sa.Column("agent", sa.String(), nullable=True),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("org", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("org", "user", "name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "template_rating",
        sa.Column("template", sa.String(), nullable=False),
        sa.Column("org", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("rating", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("template", "org", "user"),
    )
    op.create_table(
        "profile",
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("org", sa.String(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("expertise", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.String(), nullable=False),
        sa.Column("updated_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("agent"),
    )
    op.create_table(
        "reflection",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("rating", sa.Integer(), nullable=False),
        sa.Column("lessons", sa.Text(), nullable=False),
        sa.Column("differently", sa.Text(), nullable=True),
        sa.Column("skill", sa.Text(), nullable=True),
        sa.Column("memory", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("org", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_reflection_pid", "reflection", ["pid"])
    op.create_index("ix_reflection_agent", "reflection", ["agent"])
    op.create_table(
        "feedback",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=True),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("org", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_feedback_pid", "feedback", ["pid"])
    op.create_index("ix_feedback_agent", "feedback", ["agent"])


def downgrade() -> None:
    for table in ("feedback", "reflection", "profile", "template_rating", "template"):
        op.drop_table(table)
    op.drop_index("ix_task_done", "task")
    op.drop_index("ix_event_tool_call", "event")
    for table, column in (("process", "template"), ("agent", "template"), ("token", "tools")):
        op.drop_column(table, column)
