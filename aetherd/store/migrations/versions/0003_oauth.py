"""Tokens are made for an audience; OAuth clients, and the codes they exchange."""

import sqlalchemy as sa
from alembic import op

revision = "0003_oauth"
down_revision = "0002_memory_fts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "token_client",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("redirects", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("allowed_at", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "token_code",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("redirect", sa.Text(), nullable=False),
        sa.Column("challenge", sa.String(), nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("scopes", sa.String(), nullable=False),
        sa.Column("toolset", sa.String(), nullable=False),
        sa.Column("family", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("org", sa.String(), nullable=False),
        sa.Column("expires_at", sa.String(), nullable=False),
        sa.Column("used_at", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("digest"),
    )
    with op.batch_alter_table("token", schema=None) as batch_op:
        batch_op.add_column(sa.Column("audience", sa.String(), nullable=False, server_default="house"))
        batch_op.add_column(sa.Column("client", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("family", sa.String(), nullable=True))
        batch_op.create_index(batch_op.f("ix_token_family"), ["family"], unique=False)
    op.execute("UPDATE token SET audience = 'api' WHERE kind = 'session'")


def downgrade() -> None:
    with op.batch_alter_table("token", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_token_family"))
        for name in ("family", "client", "audience"):
            batch_op.drop_column(name)
    op.drop_table("token_code")
    op.drop_table("token_client")
