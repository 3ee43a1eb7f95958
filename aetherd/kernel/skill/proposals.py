"""What agents put before a person: a version that is there, and not taken until somebody says so."""

from __future__ import annotations

from collections.abc import Callable

from sqlmodel import Session, col, func, select

from aetherd.core.errors import Conflict, Exhausted, NotFound
from aetherd.core.ids import new_id
from aetherd.kernel.skill.book import of_user
from aetherd.kernel.skill.events import SkillApproved, SkillProposed, SkillRejected
from aetherd.kernel.skill.models import SkillApprove, SkillPropose
from aetherd.kernel.skill.tables import ProposalRow, ShareRow, SkillRow, VersionRow
from aetherd.operations.operation import Call
from aetherd.operations.posting import OWNER, Posting
from aetherd.store import Store, Tx

OPEN = 20  # of one agent that may wait at once


class Proposals:
    """Writes proposals and decisions, and tells both sides."""

    def __init__(self, store: Store, messages: Posting, now: Callable[[], str]) -> None:
        self._store, self._messages, self._now = store, messages, now

    def propose_in(
        self, tx: Tx, input: SkillPropose, call: Call, name: str, skill: SkillRow, version: VersionRow
    ) -> ProposalRow:
        """Write a proposal with its version, and put it before the person."""
        mine = select(func.count()).select_from(ProposalRow)
        mine = mine.where(ProposalRow.created_by == call.actor, ProposalRow.state == "waiting")
        if tx.session.exec(mine).one() >= OPEN:
            raise Exhausted(f"{OPEN} of your proposals wait for the person; wait for what becomes of them")
        row = ProposalRow(
            id=new_id("proposal"),
            skill=skill.id,
            version=version.number,
            name=skill.name,
            state="waiting",
            note=input.note,
            agent=call.agent,
            agent_name=name,
            user=call.user,
            org=call.org,
            created_at=self._now(),
            created_by=call.actor,
        )
        tx.session.add(row)
        tx.emit(
            SkillProposed(
                agent=call.agent,
                pid=call.pid,
                proposal=row.id,
                skill=skill.id,
                name=skill.name,
                version=version.number,
                risk=version.risk,
            )
        )
        if call.agent is not None:
            what = "a new skill" if version.number == 1 else f"version {version.number} of the skill"
            text = f"I propose {what} {skill.name} (risk {version.risk}): {version.description}\n{input.note}".rstrip()
            self._post(tx, row, text, sender=(call.agent, name), to=(None, OWNER))
        return row

    def approve_in(self, tx: Tx, input: SkillApprove, call: Call) -> SkillRow:
        """Take a proposal: its version becomes the current one."""
        row, skill, version = self._waiting(tx, input.proposal, call)
        if skill.removed_at is not None:
            raise Conflict(f"skill {skill.name} was removed; reject the proposal", id=skill.id)
        if skill.current == 0:  # a new one becomes the person's
            same = select(SkillRow.id).where(
                of_user(call.user, call.org),
                SkillRow.name == skill.name,
                col(SkillRow.agent).is_(None),
                SkillRow.id != skill.id,
            )
            if tx.session.exec(same).first() is not None:
                raise Conflict(
                    f"you have a skill named {skill.name}; remove it, or reject this and ask for a version of it",
                    name=skill.name,
                )
            skill.agent, skill.everyone = None, input.everyone
            if not input.everyone and row.agent is not None:
                share = ShareRow(skill=skill.id, agent=row.agent, created_at=self._now(), created_by=call.actor)
                tx.session.add(share)
        skill.current, skill.description, version.taken = version.number, version.description, True
        tx.session.add(skill)
        tx.session.add(version)
        self._decide(tx, row, "approved", input.reason, call)
        tx.emit(
            SkillApproved(agent=row.agent, proposal=row.id, skill=skill.id, name=skill.name, version=version.number)
        )
        whom = "all agents have it" if skill.everyone else "you have it"
        self._tell(
            tx, row, f"Your skill {skill.name} was taken as version {version.number}: {whom} from their next start."
        )
        return skill

    def reject_in(self, tx: Tx, key: str, reason: str, call: Call) -> ProposalRow:
        """Turn a proposal down; a new skill that was only proposed goes with it."""
        row, skill, _ = self._waiting(tx, key, call)
        if skill.current == 0:
            skill.removed_at = self._now()
            tx.session.add(skill)
        self._decide(tx, row, "rejected", reason, call)
        tx.emit(SkillRejected(agent=row.agent, proposal=row.id, skill=skill.id, name=skill.name, reason=reason))
        self._tell(tx, row, f"Your skill {skill.name} was not taken: {reason}")
        return row

    async def get(self, key: str, call: Call) -> tuple[ProposalRow, VersionRow]:
        """Return a proposal of the caller's user; raises `NotFound`."""

        def query(session: Session) -> tuple[ProposalRow, VersionRow] | None:
            row = session.get(ProposalRow, key)
            if row is None or (row.user, row.org) != (call.user, call.org):
                return None
            return row, session.get_one(VersionRow, (row.skill, row.version))

        found = await self._store.read(query)
        if found is None:
            raise NotFound(f"no proposal {key!r}; skill.discover with proposals shows them", kind="proposal", id=key)
        return found

    def _waiting(self, tx: Tx, key: str, call: Call) -> tuple[ProposalRow, SkillRow, VersionRow]:
        row = tx.session.get(ProposalRow, key)
        if row is None or (row.user, row.org) != (call.user, call.org):
            raise NotFound(f"no proposal {key!r}; skill.discover with proposals shows them", kind="proposal", id=key)
        if row.state != "waiting":
            raise Conflict(f"proposal {key} was {row.state} already", state=row.state)
        skill = tx.session.get_one(SkillRow, row.skill)
        return row, skill, tx.session.get_one(VersionRow, (row.skill, row.version))

    def _decide(self, tx: Tx, row: ProposalRow, state: str, reason: str, call: Call) -> None:
        row.state, row.reason, row.decided_at, row.decided_by = state, reason, self._now(), call.actor
        tx.session.add(row)

    def _tell(self, tx: Tx, row: ProposalRow, text: str) -> None:
        if row.agent is not None:
            said = f"\n{row.reason}" if row.state == "approved" and row.reason else ""
            self._post(tx, row, text + said, sender=(None, OWNER), to=(row.agent, row.agent_name))

    def _post(
        self, tx: Tx, row: ProposalRow, text: str, *, sender: tuple[str | None, str], to: tuple[str | None, str]
    ) -> None:
        self._messages.post_in(
            tx,
            sender=sender,
            to=to,
            text=text,
            kind="status_update",
            data={"proposal": row.id, "skill": row.skill, "state": row.state},
            user=row.user,
            org=row.org,
        )
