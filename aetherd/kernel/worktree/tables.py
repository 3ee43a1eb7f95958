"""Rows of the worktree room."""

from __future__ import annotations

from sqlalchemy import Index, Text, text
from sqlmodel import Field, SQLModel


class RepositoryRow(SQLModel, table=True):
    """A repository a person has named, with the branch that work there is based on."""

    __tablename__ = "worktree_repository"

    id: str = Field(primary_key=True)
    path: str = Field(sa_type=Text)
    git_dir: str = Field(sa_type=Text)
    base: str
    uid: int | None = None  # its owner, as whom git is run in it; None: the daemon itself
    test: str | None = Field(default=None, sa_type=Text)  # shell command that must succeed before a merge
    test_timeout_s: float = 600
    agent: str | None = None  # always None: only people name repositories
    user: str
    org: str
    created_at: str
    created_by: str


class WorktreeRow(SQLModel, table=True):
    """A worktree; a removed one stays as a row that says where its work is."""

    __tablename__ = "worktree"
    __table_args__ = (
        Index(
            "ix_worktree_branch", "repository", "branch", unique=True, sqlite_where=text("state IN ('making','active')")
        ),
    )

    id: str = Field(primary_key=True)
    repository: str = Field(index=True)
    branch: str
    state: str  # making, active, removed
    agent: str = Field(index=True)
    name: str  # the agent's, as it was called then
    uid: int | None = None
    user: str
    org: str
    merged: str | None = None  # the commit of its branch that was merged last
    pushed: str | None = None  # and pushed last
    archive: str | None = Field(default=None, sa_type=Text)
    created_at: str
    created_by: str
    removed_at: str | None = None


class MergeRow(SQLModel, table=True):
    """A place in the merge queue of a repository."""

    __tablename__ = "worktree_merge"
    __table_args__ = (
        Index("ix_worktree_merge_open", "repository", sqlite_where=text("ended_at IS NULL")),
        {"sqlite_autoincrement": True},
    )

    seq: int | None = Field(default=None, primary_key=True)  # the order of the queue
    id: str = Field(unique=True)
    worktree: str = Field(index=True)
    repository: str
    tip: str  # what is merged
    how: str  # rebase, merge
    test: str | None = Field(default=None, sa_type=Text)
    test_timeout_s: float
    state: str
    base_before: str | None = None
    candidate: str | None = None  # what the base becomes; written before it does
    files: str = Field(default="[]", sa_type=Text)  # JSON: where it conflicts
    reason: str | None = Field(default=None, sa_type=Text)
    output: str | None = Field(default=None, sa_type=Text)  # the last of what the test printed
    agent: str | None = None  # of the worktree
    user: str
    org: str
    created_at: str
    created_by: str
    ended_at: str | None = None
