"""Memories complete: places, copies, journals, merged ones, vectors."""

import sqlalchemy as sa
from alembic import op

revision = "0006_memory"
down_revision = "0005_workspace"
branch_labels = None
depends_on = None

ADDED = (("updated_at", sa.String()), ("place", sa.String()), ("origin", sa.String()), ("journal", sa.Integer()))
INDEXES = (
    ("ix_memory_agent_journal", "memory", ["agent", "journal"]),
    ("ix_memory_merged_agent", "memory_merged", ["agent"]),
    ("ix_memory_merged_merged_into", "memory_merged", ["merged_into"]),
)


def upgrade() -> None:
    for name, kind in ADDED:
        op.add_column("memory", sa.Column(name, kind, nullable=True))
    # Not in batch mode: it would build the table anew, and the triggers of its index would be gone.
    op.create_index("ux_memory_journal", "memory", ["journal"], unique=True)
    op.create_table(
        "memory_merged",
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("layer", sa.String(), nullable=False),
        sa.Column("namespace", sa.String(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("importance", sa.Float(), nullable=False),
        sa.Column("agent", sa.String(), nullable=True),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("org", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("updated_at", sa.String(), nullable=True),
        sa.Column("place", sa.String(), nullable=True),
        sa.Column("origin", sa.String(), nullable=True),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merged_into", sa.String(), nullable=False),
        sa.Column("merged_at", sa.String(), nullable=False),
        sa.Column("merged_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "memory_vector",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    for name, table, columns in INDEXES:
        op.create_index(name, table, columns, unique=False)
    gone = "BEGIN DELETE FROM memory_vector WHERE seq = old.seq; END"
    op.execute(f"CREATE TRIGGER memory_vector_delete AFTER DELETE ON memory {gone}")
    op.execute(f"CREATE TRIGGER memory_vector_update AFTER UPDATE OF content ON memory {gone}")


def downgrade() -> None:
    for name in ("delete", "update"):
        op.execute(f"DROP TRIGGER memory_vector_{name}")
    op.drop_table("memory_vector")
    op.drop_table("memory_merged")
    op.drop_index("ix_memory_agent_journal", "memory")
    op.drop_index("ux_memory_journal", "memory")
    for name, _ in ADDED:
        op.execute(f"ALTER TABLE memory DROP COLUMN {name}")
