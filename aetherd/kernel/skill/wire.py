"""Rows as callers see them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session, col, select

from aetherd.kernel.skill.models import Proposal, Skill, SkillVersion
from aetherd.kernel.skill.tables import ProposalRow, ShareRow, SkillRow, VersionRow


def facts(row: SkillRow, version: VersionRow, shared: Sequence[str]) -> dict[str, Any]:
    """Return a skill, as far as one version of it goes."""
    return {
        "id": row.id,
        "name": row.name,
        "description": version.description,
        "version": row.current,
        "agent": row.agent,
        "everyone": row.everyone,
        "shared": sorted(shared),
        "runnable": version.steps,
        "risk": version.risk,
        "reasons": json.loads(version.reasons),
        "tools": json.loads(version.tools),
        "permissions": json.loads(version.permissions),
        "created_at": row.created_at,
        "created_by": row.created_by,
    }


def skill(row: SkillRow, version: VersionRow, shared: Sequence[str]) -> Skill:
    """Return a skill."""
    return Skill.model_validate(facts(row, version, shared))


def version_of(row: SkillRow, version: VersionRow) -> SkillVersion:
    """Return a version."""
    return SkillVersion.model_validate(
        {
            "version": version.number,
            "current": version.number == row.current,
            "parts": json.loads(version.parts),
            **version.model_dump(include=set(SkillVersion.model_fields) - {"version", "current", "parts"}),
        }
    )


def proposal(row: ProposalRow, version: VersionRow) -> Proposal:
    """Return a proposal, with what was found in it."""
    return Proposal.model_validate(
        {
            **row.model_dump(include=set(Proposal.model_fields)),
            "new": version.number == 1,
            "risk": version.risk,
            "reasons": json.loads(version.reasons),
        }
    )


def shares(session: Session, rows: Sequence[SkillRow]) -> Mapping[str, list[str]]:
    """Return with which agents skills are shared."""
    found: dict[str, list[str]] = {row.id: [] for row in rows}
    for share in session.exec(select(ShareRow).where(col(ShareRow.skill).in_(list(found)))):
        found[share.skill].append(share.agent)
    return found
