"""Discovering: which skills there are for a caller, the best fit for some words first."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import ColumnElement, case, func, literal
from sqlalchemy.orm import defer
from sqlmodel import Session, col, select

from aetherd.core.model import position
from aetherd.kernel.skill import wire
from aetherd.kernel.skill.book import had_by, of_user
from aetherd.kernel.skill.models import Proposal, SkillDiscover, Skills
from aetherd.kernel.skill.tables import ProposalRow, SkillRow, VersionRow
from aetherd.operations.operation import Call

WORDS, PROPOSALS = 12, 100
LEAN = defer(VersionRow.text)  # type: ignore[arg-type]  # a page of versions does not carry their texts


def find(session: Session, input: SkillDiscover, call: Call, agent: str | None) -> Skills:
    """Return a page; `agent` is whose skills are meant, None all of the person's agents."""
    said = list(dict.fromkeys(re.findall(r"\w+", input.query.lower())))
    words = ([word for word in said if len(word) > 2] or said)[:WORDS]
    start = position(input.cursor, 0)
    score = _score(words)
    rows = select(SkillRow, VersionRow, score).where(
        of_user(call.user, call.org),
        col(SkillRow.current) > 0,
        VersionRow.skill == SkillRow.id,
        VersionRow.number == SkillRow.current,
    )
    rows = rows.options(LEAN)
    if agent is not None:
        rows = rows.where(had_by(agent))
    if words:
        rows = rows.where(score > 0)
    rows = rows.order_by(score.desc(), col(SkillRow.name), col(SkillRow.id)).offset(start).limit(input.limit + 1)
    found = [(row, version) for row, version, _ in session.exec(rows)]
    more = len(found) > input.limit
    found = found[: input.limit]
    shared = wire.shares(session, [row for row, _ in found])
    return Skills(
        skills=[wire.skill(row, version, shared[row.id]) for row, version in found],
        proposals=proposals(session, call) if input.proposals else [],
        cursor=str(start + input.limit) if more else None,
    )


def proposals(session: Session, call: Call) -> list[Proposal]:
    """Return what waits for the person and what became of the rest; an agent sees its own."""
    rows = select(ProposalRow, VersionRow).where(
        ProposalRow.user == call.user,
        ProposalRow.org == call.org,
        VersionRow.skill == ProposalRow.skill,
        VersionRow.number == ProposalRow.version,
    )
    if call.agent is not None:
        rows = rows.where(ProposalRow.agent == call.agent)
    rows = rows.options(LEAN).order_by(col(ProposalRow.id).desc()).limit(PROPOSALS)
    return [wire.proposal(row, version) for row, version in session.exec(rows)]


def _score(words: Sequence[str]) -> ColumnElement[int]:
    """Weigh words: in the name, in the description, in the text."""
    total: ColumnElement[int] = literal(0)
    for word in words:
        for column, weight in ((SkillRow.name, 8), (VersionRow.description, 3), (VersionRow.text, 1)):
            total = total + case((func.instr(func.lower(col(column)), word) > 0, weight), else_=0)
    return total
