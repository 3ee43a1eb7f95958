"""Who sees a skill, who may change it, and the rows of both."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement
from sqlmodel import Session, and_, col, or_, select

from aetherd.core.errors import Conflict, Forbidden, NotFound
from aetherd.kernel.skill.ports import Agents
from aetherd.kernel.skill.tables import ShareRow, SkillRow, VersionRow
from aetherd.operations.operation import Call, Owner
from aetherd.store import Store

LINKED = 200  # skills an agent is shown at its start


def of_user(user: str, org: str) -> ColumnElement[bool]:
    """Say which skills are a user's, and there."""
    return and_(col(SkillRow.user) == user, col(SkillRow.org) == org, col(SkillRow.removed_at).is_(None))


def had_by(agent: str) -> ColumnElement[bool]:
    """Say which skills an agent has: its own, those shared with it, those for everyone."""
    given = select(ShareRow.skill).where(ShareRow.agent == agent)
    return or_(col(SkillRow.agent) == agent, col(SkillRow.everyone), col(SkillRow.id).in_(given))


class Book:
    """Finds skills for callers."""

    def __init__(self, store: Store, agents: Agents) -> None:
        self._store, self._agents = store, agents

    async def owner(self, row: SkillRow) -> Owner:
        """Return whose a skill is: an agent's, or a person's."""
        if row.agent is not None:
            try:
                return await self._agents.owner(row.agent)
            except NotFound:  # the agent was removed
                return Owner(row.agent, row.user, row.org)
        return Owner(None, row.user, row.org)

    async def named(self, ref: str, user: str, org: str, agent: str | None) -> SkillRow:
        """Return a skill by id, or by a name: the agent's own first, then those it has."""

        def query(session: Session) -> list[SkillRow]:
            mine = select(SkillRow).where(of_user(user, org))
            if (row := session.exec(mine.where(SkillRow.id == ref)).first()) is not None:
                return [row]
            rows = mine.where(SkillRow.name == ref)
            if agent is not None:
                rows = rows.where(had_by(agent))
            found = sorted(session.exec(rows), key=lambda one: (one.agent != agent, one.id))
            return [one for one in found if one.current > 0] or found  # one that is only proposed hides none

        found = await self._store.read(query)
        if not found:
            raise NotFound(f"no skill {ref!r}; skill.discover shows those there are", kind="skill", id=ref)
        if len(found) > 1 and found[0].agent != agent:
            ids = [one.id for one in found]
            raise Conflict(f"{len(found)} skills are named {ref!r}; name it by its id: {', '.join(ids)}", ids=ids)
        return found[0]

    async def visible(self, ref: str, call: Call) -> SkillRow:
        """Return a skill the caller may read; others are not there for it."""
        row = await self.named(ref, call.user, call.org, call.agent)
        if call.agent is None or row.agent == call.agent or row.everyone or call.owns(await self.owner(row)):
            return row
        if call.agent not in await self.shared(row.id):
            raise NotFound(f"no skill {ref!r}; skill.discover shows those there are", kind="skill", id=ref)
        return row

    async def changeable(self, row: SkillRow, call: Call) -> SkillRow:
        """Return a skill the caller may change for all who have it; raises `Forbidden` and says the way round."""
        if call.agent is None:
            return row
        if not call.owns(await self.owner(row)):
            raise Forbidden(f"skill {row.name} is another's; skill.propose a new version to the person", kind="skill")
        if row.everyone or await self.shared(row.id, by_people=True):
            raise Forbidden(
                f"a person has shared skill {row.name}, so a person decides what it says: skill.propose the version",
                kind="skill",
                id=row.id,
            )
        return row

    async def shared(self, skill: str, by_people: bool = False) -> list[str]:
        """Return the agents a skill is shared with."""
        query = select(ShareRow.agent).where(ShareRow.skill == skill)
        if by_people:
            query = query.where(col(ShareRow.by_agent).is_(None))
        return await self._store.read(lambda session: list(session.exec(query)))

    async def version(self, row: SkillRow, number: int | None, call: Call) -> VersionRow:
        """Return a version the caller may read: one that was taken, or its own proposal, or any for a person."""
        wanted = number or row.current or row.latest
        found = await self._store.read(lambda session: session.get(VersionRow, (row.id, wanted)))
        if found is None or not (found.taken or call.agent is None or found.created_by == call.actor):
            raise NotFound(f"skill {row.name} has no version {wanted}; see skill.versions", kind="version", id=wanted)
        return found

    async def had(self, agent: str) -> Sequence[tuple[SkillRow, str]]:
        """Return what an agent has with its SHA-256: of each name its own, else a shared one, else the person's."""
        whose = await self._agents.owner(agent)

        def query(session: Session) -> list[tuple[SkillRow, str]]:
            rows = select(SkillRow, VersionRow.sha256).where(
                of_user(whose.user, whose.org),
                had_by(agent),
                col(SkillRow.current) > 0,
                VersionRow.skill == SkillRow.id,
                VersionRow.number == SkillRow.current,
            )
            return [(skill, sha256) for skill, sha256 in session.exec(rows)]

        rows = await self._store.read(query)
        rows.sort(key=lambda one: (one[0].agent != agent, one[0].everyone, one[0].id))
        first: dict[str, tuple[SkillRow, str]] = {}
        for skill, sha256 in rows:
            first.setdefault(skill.name, (skill, sha256))
        return list(first.values())[:LINKED]
