"""Skills: one store of SKILL.md folders for all runtimes; versions stand, proposals wait for a person."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
from sqlmodel import Session, col, func, select

from aetherd.core.clock import Clock, stamp
from aetherd.core.config import Settings
from aetherd.core.context import origin
from aetherd.core.errors import Conflict, Forbidden, Invalid, NotFound
from aetherd.kernel.skill import finding, tree, wire
from aetherd.kernel.skill import models as m
from aetherd.kernel.skill.book import Book
from aetherd.kernel.skill.commands import Commands, Where
from aetherd.kernel.skill.composing import composed
from aetherd.kernel.skill.events import SkillFinished, SkillRemoved, SkillReverted, SkillShared
from aetherd.kernel.skill.finding import LEAN
from aetherd.kernel.skill.making import Making, written
from aetherd.kernel.skill.ports import Agents, Files, Processes
from aetherd.kernel.skill.proposals import Proposals
from aetherd.kernel.skill.recipe import Recipe, accepted, read
from aetherd.kernel.skill.runner import Runner, cut
from aetherd.kernel.skill.shelf import Shelf
from aetherd.kernel.skill.sources import Sources
from aetherd.kernel.skill.tables import ProposalRow, ShareRow, SkillRow, VersionRow
from aetherd.kernel.skill.tree import MAIN, STEPS, Tree
from aetherd.kernel.skill.trying import Trying
from aetherd.operations.dispatch import Dispatcher
from aetherd.operations.operation import Call, Effect, Owner, Rule, Subject, operation
from aetherd.operations.posting import OWNER, Posting
from aetherd.runtime import Skill as Linked
from aetherd.store import Store, Tx

logger = logging.getLogger(__name__)


class SkillService:
    """Makes, finds, shares, runs and removes skills."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Clock,
        dispatcher: Dispatcher,
        agent: Agents,
        process: Processes,
        fs: Files,
        message: Posting,
    ) -> None:
        self._store, self._clock, self._agents = store, clock, agent
        self._shelf = Shelf(settings.home / "skills")
        self._book = Book(store, agent)
        self._making = Making(store, self._book, self._shelf, self._now)
        self._proposals = Proposals(store, message, self._now)
        self._sources = Sources(fs, settings.home)
        self._commands = Commands(process, settings.home / "shim")
        self._runner = Runner(dispatcher, self._commands, process, settings.private_network)
        self._trying = Trying(store, agent, self._runner, self._commands)

    def offers(self) -> Mapping[str, Any]:
        """Say whose a skill is, and give starting processes theirs."""
        return {"owners.skill": self.owner, "process.skills": self}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open the shelf, and end commands nobody waits for any more."""
        await anyio.to_thread.run_sync(self._shelf.open)
        await self._commands.clear()
        yield

    async def owner(self, key: str) -> Owner:
        """Return whose a skill is, by id or by the name it has for who asks."""
        who = origin.get()
        agent = who.actor.removeprefix("agent:").partition("/")[0] if who.actor.startswith("agent:") else None
        return await self._book.owner(await self._book.named(key, who.user, who.org, agent))

    # Reading -----------------------------------------------------------------------------------------

    @operation("skill.discover", effect=Effect.READ, access=Rule.OWN, positional=("query",))
    async def discover(self, input: m.SkillDiscover, call: Call) -> m.Skills:
        """Find skills by what they are good for, with their risk; an agent finds its own and those it was given."""
        agent = call.agent
        if input.agent is not None:
            agent = (await self._agents.find(input.agent, call)).id
            if not call.owns(await self._agents.owner(agent)):
                raise Forbidden(f"agent {input.agent} belongs to somebody else", kind="agent", id=agent)
        return await self._store.read(lambda session: finding.find(session, input, call, agent))

    @operation("skill.get", effect=Effect.READ, access=Rule.OWN, positional=("skill",))
    async def get(self, input: m.SkillGet, call: Call) -> m.SkillText:
        """Read a skill: its SKILL.md or another file, what else is in it, its risk and why."""
        row, version = await self._version(input.skill, input.version, call)
        files = await self._intact(version)
        name = input.file or MAIN
        if name not in files:
            raise NotFound(f"skill {row.name} has no file {name!r}", kind="file", id=name)
        text = files[name].text
        return m.SkillText.model_validate(
            {
                **wire.facts(row, version, await self._book.shared(row.id)),
                "shown": version.number,
                "sha256": version.sha256,
                "files": [
                    m.SkillFile(path=path, size=len(file.data), executable=file.executable)
                    for path, file in sorted(files.items())
                ],
                "parts": json.loads(version.parts),
                "text": f"(binary, {len(files[name].data):,} bytes)" if text is None else text,
            }
        )

    @operation("skill.versions", effect=Effect.READ, access=Rule.OWN, positional=("skill",))
    async def versions(self, input: m.SkillRef, call: Call) -> m.SkillVersions:
        """List the versions of a skill, newest first; none of them ever changes."""
        row = await self._book.visible(input.skill, call)
        query = (
            select(VersionRow).options(LEAN).where(VersionRow.skill == row.id).order_by(col(VersionRow.number).desc())
        )
        rows = await self._store.read(lambda session: list(session.exec(query)))
        seen = [one for one in rows if one.taken or call.agent is None or one.created_by == call.actor]
        return m.SkillVersions(skill=row.id, name=row.name, versions=[wire.version_of(row, one) for one in seen])

    # Making ------------------------------------------------------------------------------------------

    @operation("skill.create", access=Rule.OWN, positional=("name",))
    async def create(self, input: m.SkillCreate, call: Call) -> m.Skill:
        """Write a skill, or the next version of your own of that name.

        What a person writes is for all their agents. What an agent writes is its own, until a person shares it or
        approves it (skill.propose). Runtimes find it where they look for skills, from an agent's next start.
        """
        files = await anyio.to_thread.run_sync(written, input)
        return await self._skill(await self._making.make(files, call, "create"))

    @operation("skill.install", access=Rule.OWN, positional=("path",))
    async def install(self, input: m.SkillInstall, call: Call) -> m.Skill:
        """Take a skill from a folder or an archive (zip, tar); one with anything unsafe in it is refused, unwritten."""
        files = await self._sources.read(input, call)
        return await self._skill(await self._making.make(files, call, "install"))

    @operation("skill.compose", access=Rule.OWN, positional=("name",))
    async def compose(self, input: m.SkillCompose, call: Call) -> m.Skill:
        """Make a skill of others, with exactly the versions they have now; it does not change when they do."""
        found = []
        for part in input.parts:
            row, version = await self._version(part.skill, part.version, call)
            found.append((row, version, await self._intact(version)))
        files, parts = await anyio.to_thread.run_sync(lambda: composed(input, found, tools_too=call.agent is None))
        await self._no_circle(input.name, parts, call)
        return await self._skill(await self._making.make(files, call, "compose", parts))

    @operation("skill.propose", access=Rule.OWN, positional=("name",))
    async def propose(self, input: m.SkillPropose, call: Call) -> m.Proposal:
        """Put a new skill, or a new version, before the person: if they take it, all agents have it.

        You are told by message what becomes of it. Say in `note` what it is good for and how you tried it.
        """
        of = None if input.skill is None else await self._book.visible(input.skill, call)
        files = await anyio.to_thread.run_sync(written, input)
        name = OWNER if call.agent is None else (await self._agents.find(call.agent, call)).name
        made: list[ProposalRow] = []

        def also(tx: Tx, skill: SkillRow, version: VersionRow) -> None:
            made.append(self._proposals.propose_in(tx, input, call, name, skill, version))

        await self._making.make(files, call, "propose", of=of, also=also)
        return wire.proposal(*await self._proposals.get(made[-1].id, call))

    # Changing ----------------------------------------------------------------------------------------

    @operation("skill.rollback", access=Rule.OWN, positional=("skill", "version"))
    async def rollback(self, input: m.SkillRollback, call: Call) -> m.Skill:
        """Make another version the current one; nothing is lost, and agents have it from their next start."""
        row, version = await self._version(input.skill, input.version, call)
        await self._book.changeable(row, call)
        await self._intact(version)

        def work(tx: Tx) -> SkillRow:
            skill = tx.session.get_one(SkillRow, row.id)
            if not tx.session.get_one(VersionRow, (row.id, input.version)).taken:
                raise Conflict(f"version {input.version} of {row.name} was not taken by a person", id=row.id)
            if skill.current != input.version:
                before, skill.current = skill.current, input.version
                skill.description = version.description
                tx.session.add(skill)
                tx.emit(
                    SkillReverted(
                        agent=skill.agent,
                        pid=call.pid,
                        skill=row.id,
                        name=row.name,
                        version=input.version,
                        before=before,
                    )
                )
            return skill

        return await self._skill(await self._store.write(work))

    @operation("skill.share", access=Rule.OWN, positional=("skill", "agent"))
    async def share(self, input: m.SkillShare, call: Call) -> m.Skill:
        """Give a skill to another agent, or with `everyone` to all; an agent gives its own to agents it made."""
        row = await self._book.visible(input.skill, call)
        target = None if input.agent is None else await self._agents.find(input.agent, call)
        if call.agent is not None:
            made = target is not None and call.owns(await self._agents.owner(target.id))
            if row.agent != call.agent or not made:
                raise Forbidden(
                    "an agent gives its own skills to agents it made; for others, skill.propose it to the person",
                    kind="skill",
                    id=row.id,
                )
        if row.current == 0:
            raise Conflict(f"skill {row.name} is only proposed; decide that first", id=row.id)

        def work(tx: Tx) -> SkillRow:
            skill = tx.session.get_one(SkillRow, row.id)
            if target is None:
                before, skill.everyone = skill.everyone, not input.stop
                tx.session.add(skill)
                changed = before != skill.everyone
            else:
                share = tx.session.get(ShareRow, (row.id, target.id))
                changed = (share is None) != input.stop
                if input.stop and share is not None:
                    tx.session.delete(share)
                elif share is None and not input.stop:
                    share = ShareRow(skill=row.id, agent=target.id, created_at=self._now(), created_by=call.actor)
                    share.by_agent = call.agent
                    tx.session.add(share)
            if changed:
                to, on = None if target is None else target.id, not input.stop
                tx.emit(SkillShared(agent=to or row.agent, pid=call.pid, skill=row.id, name=row.name, to=to, shared=on))
            return skill

        return await self._skill(await self._store.write(work))

    @operation("skill.approve", access=Rule.PEOPLE, positional=("proposal",))
    async def approve(self, input: m.SkillApprove, call: Call) -> m.Skill:
        """Take what an agent proposed: that version is the current one, for all agents that have the skill."""
        _, version = await self._proposals.get(input.proposal, call)
        await self._intact(version)
        return await self._skill(await self._store.write(lambda tx: self._proposals.approve_in(tx, input, call)))

    @operation("skill.reject", access=Rule.PEOPLE, positional=("proposal", "reason"))
    async def reject(self, input: m.SkillReject, call: Call) -> m.Proposal:
        """Turn down what an agent proposed, and tell it why."""
        await self._store.write(lambda tx: self._proposals.reject_in(tx, input.proposal, input.reason, call))
        return wire.proposal(*await self._proposals.get(input.proposal, call))

    @operation("skill.remove", effect=Effect.DESTROY, access=Subject("skill", "skill"), positional=("skill",))
    async def remove(self, input: m.SkillRef, call: Call) -> m.SkillGone:
        """Remove a skill for good, with all its versions; skills composed of it keep what they took."""
        row = await self._book.visible(input.skill, call)

        def work(tx: Tx) -> int:
            skill = tx.session.get_one(SkillRow, row.id)
            if skill.removed_at is not None:
                raise NotFound(f"skill {row.name!r} was removed", kind="skill", id=row.id)
            skill.removed_at = self._now()
            tx.session.add(skill)
            tx.emit(SkillRemoved(agent=row.agent, pid=call.pid, skill=row.id, name=row.name))
            count = select(func.count()).select_from(VersionRow).where(VersionRow.skill == row.id)
            return tx.session.exec(count).one()

        with anyio.CancelScope(shield=True):
            count = await self._store.write(work)
            await anyio.to_thread.run_sync(self._shelf.drop, row.id)  # only after the record says so
        return m.SkillGone(skill=row.id, name=row.name, versions=count)

    # Doing -------------------------------------------------------------------------------------------

    @operation("skill.run", access=Rule.OWN, positional=("skill",), long=True)
    async def run(self, input: m.SkillRun, call: Call) -> m.SkillRan:
        """Run the steps of a skill that has some, in an agent's place: its home, its uid, its view of the machine.

        Other skills are for you to read and follow: skill.get.
        """
        row, version = await self._version(input.skill, input.version, call)
        recipe = await self._recipe(await self._intact(version))
        if recipe is None:
            raise Invalid(f"skill {row.name} has no steps to run; it is for a model to read: skill.get", id=row.id)
        if not version.taken:
            raise Conflict(
                f"version {version.number} of {row.name} is only proposed; try it with skill.test", id=row.id
            )
        inputs = accepted(recipe, input.inputs)
        home = await self._agents.home_of(input.agent, call)
        if not call.owns(await self._agents.owner(home.agent)):
            raise Forbidden(f"agent {input.agent} belongs to somebody else", kind="agent", id=home.agent)
        where = Where(home, self._shelf.version(row.id, version.number))
        done = await self._runner.run(recipe, inputs, where, call, input.timeout_s)
        await self._finished(row, version, home.agent, call, "completed" if done.ok else "failed")
        return m.SkillRan(
            skill=row.id,
            version=version.number,
            outcome="completed" if done.ok else "failed",
            out=cut(done.out),
            problem=done.problem,
            steps=done.steps,
        )

    @operation("skill.test", access=Rule.OWN, positional=("skill",), long=True)
    async def test(self, input: m.SkillTest, call: Call) -> m.SkillTested:
        """Try a skill where it can break nothing: an agent is made for it, and removed with its home afterwards."""
        row, version = await self._version(input.skill, input.version, call)
        files = await self._intact(version)
        recipe, place = await self._recipe(files), self._shelf.version(row.id, version.number)
        cases = await self._trying.all(files, recipe, place, input.inputs, call, input.timeout_s)
        passed = all(case.passed for case in cases)
        await self._finished(row, version, call.agent, call, "completed" if passed else "failed", test=True)
        return m.SkillTested(skill=row.id, version=version.number, passed=passed, cases=cases)

    # For other rooms ---------------------------------------------------------------------------------

    async def skills_of(self, agent: str) -> Sequence[Linked]:
        """Return what an agent that is now started has; what was tampered with is left out, and said in the log."""
        rows = await self._book.had(agent)

        def look() -> list[Linked]:
            found = []
            for row, sha256 in rows:
                place = self._shelf.version(row.id, row.current)
                try:
                    tree.intact(place, sha256)
                except Conflict as exc:
                    logger.warning("skill %s is not given to %s: %s", row.id, agent, exc.message)
                    continue
                found.append(Linked(row.name, row.description, place))
            return found

        return await anyio.to_thread.run_sync(look)

    # Inside ------------------------------------------------------------------------------------------

    def _now(self) -> str:
        return stamp(self._clock.now())

    async def _version(self, ref: str, number: int | None, call: Call) -> tuple[SkillRow, VersionRow]:
        row = await self._book.visible(ref, call)
        return row, await self._book.version(row, number, call)

    async def _intact(self, version: VersionRow) -> Tree:
        """Return a version's files as they were put down; raises `Conflict` when they are not that any more."""
        place = self._shelf.version(version.skill, version.number)
        return await anyio.to_thread.run_sync(tree.intact, place, version.sha256)

    async def _recipe(self, files: Tree) -> Recipe | None:
        if STEPS not in files:
            return None
        return await anyio.to_thread.run_sync(read, files[STEPS].text or "")

    async def _skill(self, row: SkillRow) -> m.Skill:
        def query(session: Session) -> m.Skill:
            version = session.get_one(VersionRow, (row.id, row.current or row.latest))
            return wire.skill(row, version, wire.shares(session, [row])[row.id])

        return await self._store.read(query)

    async def _no_circle(self, name: str, parts: Sequence[m.Part], call: Call) -> None:
        """Refuse a skill that would be made of itself, by whatever way round."""

        def query(session: Session) -> list[str] | None:
            waiting = [([name, part.name], part) for part in parts]
            while waiting:
                way, part = waiting.pop()
                row = session.get(SkillRow, part.skill)
                if row is not None and row.name == name and row.agent == call.agent:
                    return way
                version = session.get(VersionRow, (part.skill, part.version))
                inner = [] if version is None else [m.Part(**one) for one in json.loads(version.parts)]
                waiting += [([*way, one.name], one) for one in inner]
            return None

        if way := await self._store.read(query):
            raise Conflict(f"a skill cannot be made of itself: {' of '.join(way)}", way=way)

    async def _finished(
        self, row: SkillRow, version: VersionRow, agent: str | None, call: Call, outcome: str, test: bool = False
    ) -> None:
        event = SkillFinished(
            agent=agent,
            pid=call.pid,
            skill=row.id,
            name=row.name,
            version=version.number,
            test=test,
            outcome=outcome,
        )
        await self._store.write(lambda tx: tx.emit(event))
