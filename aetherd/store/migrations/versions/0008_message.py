"""Messages: which process is told them, when each failed, and what answers what."""

import sqlalchemy as sa
from alembic import op

revision = "0008_message"
down_revision = "0007_skill"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.add_column(sa.Column("correlation", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("pid", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("failed_at", sa.String(), nullable=True))
        batch_op.create_index(
            "ix_message_waiting", ["recipient", "seq"], unique=False, sqlite_where=sa.text("state = 'queued'")
        )


def downgrade() -> None:
    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.drop_index("ix_message_waiting")
        for name in ("failed_at", "pid", "correlation"):
            batch_op.drop_column(name)
