"""Index memories for full text, kept by triggers."""

from alembic import op

revision = "0002_memory_fts"
down_revision = "0001_first"
branch_labels = None
depends_on = None

COLUMNS = "content, tags, scope"
NEW = "new.seq, new.content, new.tags, new.scope"
OLD = "'delete', old.seq, old.content, old.tags, old.scope"


def upgrade() -> None:
    op.execute(
        f"CREATE VIRTUAL TABLE memory_fts USING fts5({COLUMNS}, content='memory', content_rowid='seq', "
        "tokenize='porter unicode61')"
    )
    insert = f"INSERT INTO memory_fts(rowid, {COLUMNS}) VALUES ({NEW});"
    delete = f"INSERT INTO memory_fts(memory_fts, rowid, {COLUMNS}) VALUES ({OLD});"
    op.execute(f"CREATE TRIGGER memory_fts_insert AFTER INSERT ON memory BEGIN {insert} END")
    op.execute(f"CREATE TRIGGER memory_fts_delete AFTER DELETE ON memory BEGIN {delete} END")
    op.execute(f"CREATE TRIGGER memory_fts_update AFTER UPDATE OF {COLUMNS} ON memory BEGIN {delete} {insert} END")


def downgrade() -> None:
    for name in ("insert", "delete", "update"):
        op.execute(f"DROP TRIGGER memory_fts_{name}")
    op.execute("DROP TABLE memory_fts")
