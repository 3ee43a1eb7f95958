"""Where processes run."""

import sqlalchemy as sa
from alembic import op

revision = "0012_sandbox"
down_revision = "0011_template"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("process", sa.Column("sandbox", sa.Text(), nullable=False, server_default="{}"))


def downgrade() -> None:
    op.execute("ALTER TABLE process DROP COLUMN sandbox")
