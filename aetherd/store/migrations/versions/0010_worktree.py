"""Worktrees, the repositories they are of, and the merge queue."""

import sqlalchemy as sa
from alembic import op

revision = "0010_worktree"
down_revision = "0009_flow"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "worktree_repository",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("git_dir", sa.Text(), nullable=False),
        sa.Column("base", sa.String(), nullable=False),
        sa.Column("uid", sa.Integer(), nullable=True),
        sa.Column("test", sa.Text(), nullable=True),
        sa.Column("test_timeout_s", sa.Float(), nullable=False),
        sa.Column("agent", sa.String(), nullable=True),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("org", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "worktree",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("repository", sa.String(), nullable=False),
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("uid", sa.Integer(), nullable=True),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("org", sa.String(), nullable=False),
        sa.Column("merged", sa.String(), nullable=True),
        sa.Column("pushed", sa.String(), nullable=True),
        sa.Column("archive", sa.Text(), nullable=True),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("removed_at", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_worktree_repository", "worktree", ["repository"], unique=False)
    op.create_index("ix_worktree_agent", "worktree", ["agent"], unique=False)
    op.create_index(
        "ix_worktree_branch",
        "worktree",
        ["repository", "branch"],
        unique=True,
        sqlite_where=sa.text("state IN ('making','active')"),
    )
    op.create_table(
        "worktree_merge",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("worktree", sa.String(), nullable=False),
        sa.Column("repository", sa.String(), nullable=False),
        sa.Column("tip", sa.String(), nullable=False),
        sa.Column("how", sa.String(), nullable=False),
        sa.Column("test", sa.Text(), nullable=True),
        sa.Column("test_timeout_s", sa.Float(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("base_before", sa.String(), nullable=True),
        sa.Column("candidate", sa.String(), nullable=True),
        sa.Column("files", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("output", sa.Text(), nullable=True),
        sa.Column("agent", sa.String(), nullable=True),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("org", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("ended_at", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_worktree_merge_worktree", "worktree_merge", ["worktree"], unique=False)
    op.create_index(
        "ix_worktree_merge_open",
        "worktree_merge",
        ["repository"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NULL"),
    )


def downgrade() -> None:
    for name in ("worktree_merge", "worktree", "worktree_repository"):
        op.drop_table(name)
