"""Model providers and routing."""

import sqlalchemy as sa
from alembic import op

revision = "0020_model"
down_revision = "0019_limited"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "model_setting",
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("org", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.String(), nullable=False),
        sa.Column("updated_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("user", "org", "kind", "name"),
    )


def downgrade() -> None:
    op.drop_table("model_setting")
