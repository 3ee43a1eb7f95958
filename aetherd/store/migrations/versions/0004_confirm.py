"""Tokens that have to ask before they destroy; how a question was answered."""

import sqlalchemy as sa
from alembic import op

revision = "0004_confirm"
down_revision = "0003_oauth"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("token", schema=None) as batch_op:
        batch_op.add_column(sa.Column("confirm", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("approval", schema=None) as batch_op:
        batch_op.add_column(sa.Column("decided_via", sa.String(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("approval", schema=None) as batch_op:
        batch_op.drop_column("decided_via")
    with op.batch_alter_table("token", schema=None) as batch_op:
        batch_op.drop_column("confirm")
