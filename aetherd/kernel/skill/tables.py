"""Rows of the skill room; the files of a version are on disk, under `skills/<id>/<number>`."""

from __future__ import annotations

from sqlalchemy import Text
from sqlmodel import Field, SQLModel


class SkillRow(SQLModel, table=True):
    """One skill; `agent` owns it, None a person."""

    __tablename__ = "skill"

    id: str = Field(primary_key=True)
    name: str = Field(index=True)
    description: str = Field(sa_type=Text)  # of the current version
    current: int = 0  # 0: only proposed so far
    latest: int = 0  # numbers are given out once
    everyone: bool = False  # all agents of its user have it
    agent: str | None = Field(default=None, index=True)
    user: str
    org: str
    created_at: str
    created_by: str
    removed_at: str | None = None


class VersionRow(SQLModel, table=True):
    """One version; nothing of it changes, but whether it was taken."""

    __tablename__ = "skill_version"

    skill: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    taken: bool  # false: proposed, or rejected
    sha256: str
    description: str = Field(sa_type=Text)
    text: str = Field(sa_type=Text)  # SKILL.md, for searching
    files: int
    bytes: int
    steps: bool
    tools: str = Field(sa_type=Text)  # JSON: allowed-tools
    permissions: str = Field(sa_type=Text)  # JSON: declared, and what its steps use
    risk: str
    reasons: str = Field(sa_type=Text)  # JSON
    parts: str = Field(default="[]", sa_type=Text)  # JSON: what it was composed of, with exact versions
    source: str  # create, install, compose or propose
    created_at: str
    created_by: str


class ShareRow(SQLModel, table=True):
    """An agent that has a skill of somebody else."""

    __tablename__ = "skill_share"

    skill: str = Field(primary_key=True)
    agent: str = Field(primary_key=True, index=True)
    by_agent: str | None = None
    created_at: str
    created_by: str


class ProposalRow(SQLModel, table=True):
    """A version that waits for a person, or waited."""

    __tablename__ = "skill_proposal"

    id: str = Field(primary_key=True)
    skill: str = Field(index=True)
    version: int
    name: str
    state: str = Field(index=True)  # waiting, approved, rejected
    note: str = Field(sa_type=Text)
    reason: str = Field(default="", sa_type=Text)
    agent: str | None = Field(default=None, index=True)
    agent_name: str
    user: str
    org: str
    created_at: str
    created_by: str
    decided_at: str | None = None
    decided_by: str | None = None
