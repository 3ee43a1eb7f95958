"""From files to a version: looked at, put on the shelf, written down."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import anyio.to_thread
from sqlmodel import Session, col, func, select

from aetherd.core.errors import Conflict, Exhausted, Forbidden, Invalid
from aetherd.core.ids import new_id
from aetherd.kernel.skill import document, recipe, scan, tree
from aetherd.kernel.skill.book import Book, of_user
from aetherd.kernel.skill.document import Document
from aetherd.kernel.skill.events import SkillCreated, SkillRevised
from aetherd.kernel.skill.models import Content, Part, Reason
from aetherd.kernel.skill.recipe import Recipe
from aetherd.kernel.skill.shelf import Shelf
from aetherd.kernel.skill.signs import Level
from aetherd.kernel.skill.tables import SkillRow, VersionRow
from aetherd.kernel.skill.tree import MAIN, STEPS, Growing, Tree
from aetherd.operations.operation import Call
from aetherd.store import Store, Tx

SKILLS, VERSIONS = 1_000, 1_000  # of one user, of one skill
WAIT_S = 30.0
OWN, OWN_BYTES = 100, 256 << 20  # of one agent, with all versions


@dataclass(frozen=True, slots=True)
class Looked:
    """A tree that may become a version."""

    tree: Tree
    document: Document
    recipe: Recipe | None
    sha256: str
    risk: Level
    reasons: list[Reason]

    @property
    def permissions(self) -> list[str]:
        """What it declares, and what its steps use."""
        return sorted({*(self.document.permissions or ()), *(self.recipe.permissions if self.recipe else ())})


def look(files: Tree) -> Looked:
    """Read what a tree says; raises `Invalid` for whatever is wrong in it. Blocking."""
    text = files[MAIN].text
    if text is None:
        raise Invalid(f"{MAIN} is not text in UTF-8", path=MAIN)
    found, steps = document.parse(text), None
    if STEPS in files:
        steps = recipe.read(files[STEPS].text or "")
        if found.permissions is not None and (more := steps.permissions - set(found.permissions)):
            raise Invalid(f"its steps use {sorted(more)[0]}, which metadata.aether.permissions does not name")
    risk, reasons = scan.scan(files, found, steps)
    return Looked(files, found, steps, tree.digest(files), risk, reasons)


def written(input: Content) -> Tree:
    """Return the tree of a skill that came as text; raises `Invalid`."""
    text = input.text
    if not text.lstrip("\ufeff").startswith("---"):
        if input.description is None:
            raise Invalid("description: say what it does and when to use it", field="description")
        permissions = None if input.permissions is None else [str(one) for one in input.permissions]
        text = document.compose(input.name, input.description, input.tools, permissions, text)
    elif input.tools or input.permissions is not None:
        raise Invalid("text has a YAML head, so tools and permissions stand in that", field="tools")
    found = Growing()
    found.add(MAIN, text.encode("utf-8", "replace"))
    for path, content in input.files.items():
        if path == MAIN:
            raise Invalid(f"{MAIN} is what `text` says; leave it out of files", field="files")
        found.add(path, content.encode("utf-8", "replace"), path in input.executable)
    if missing := set(input.executable) - set(input.files):
        raise Invalid(f"executable: there is no file {sorted(missing)[0]!r}", field="executable")
    head = document.parse(text)
    if head.name != input.name:
        raise Invalid(f"name: the head of text says {head.name!r}, not {input.name!r}", field="name")
    if input.description is not None and document.checked_description(input.description) != head.description:
        raise Invalid("description: the head of text says another; leave one out", field="description")
    return found.done()


def collected(files: Mapping[str, tuple[bytes, bool]]) -> Tree:
    """Return the tree of files that another room read."""
    found = Growing()
    for path, (data, executable) in files.items():
        if not path.startswith((".git/", "__pycache__/")):
            found.add(path, data, executable)
    return found.done()


class Making:
    """Makes versions, one at a time."""

    def __init__(self, store: Store, book: Book, shelf: Shelf, now: Callable[[], str]) -> None:
        self._store, self._book, self._shelf, self._now = store, book, shelf, now
        self._looks = anyio.CapacityLimiter(1)  # it is work for a processor, and others have work too
        self._numbers = anyio.Lock()  # a number is given out, its files are put down and its row is written by one

    async def make(
        self,
        files: Tree,
        call: Call,
        source: str,
        parts: Sequence[Part] = (),
        of: SkillRow | None = None,
        also: Callable[[Tx, SkillRow, VersionRow], None] | None = None,
    ) -> SkillRow:
        """Make a skill, or the next version of the caller's own of that name; the same files again change nothing.

        With `also` it is not taken but only there, and that is written with it: a proposal, `of` a skill or a new one.
        """
        looked = await anyio.to_thread.run_sync(look, files, limiter=self._looks)
        if call.agent is not None and also is None and (why := looked.document.unasked):
            raise Forbidden(
                f"{why}, so whoever has the skill acts without asking; a person decides that: skill.propose it",
                kind="skill",
            )
        async with self._alone():
            row = of if also is not None else await self._own(looked.document.name, call)
            if row is not None:
                if row.name != looked.document.name:
                    raise Invalid(f"name: a version of {row.name} is named {row.name}", field="name")
                if also is None:
                    await self._book.changeable(row, call)
                    version = await self._book.version(row, None, call)
                    if version.sha256 == looked.sha256 and version.taken:
                        return row
            key, number = (new_id("skill"), 1) if row is None else (row.id, row.latest + 1)
            if number > VERSIONS:
                raise Exhausted(f"skill {key} has {VERSIONS:,} versions; make it anew under another name")
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._shelf.put, key, number, files)
                try:
                    made = await self._store.write(
                        lambda tx: self._write(tx, looked, call, key, number, source, parts, also)
                    )
                except BaseException:
                    await anyio.to_thread.run_sync(self._shelf.drop, key, number if row is not None else None)
                    raise
        return made

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        try:
            with anyio.fail_after(WAIT_S):
                await self._numbers.acquire()
        except TimeoutError as exc:
            raise Exhausted("other skills are being written; try again in a moment") from exc
        try:
            yield
        finally:
            self._numbers.release()

    async def _own(self, name: str, call: Call) -> SkillRow | None:
        def query(session: Session) -> SkillRow | None:
            mine = select(SkillRow).where(of_user(call.user, call.org), SkillRow.name == name)
            # One that is only proposed has no version yet; it stays apart.
            return session.exec(mine.where(SkillRow.agent == call.agent, col(SkillRow.current) > 0)).first()

        return await self._store.read(query)

    def _write(
        self,
        tx: Tx,
        looked: Looked,
        call: Call,
        key: str,
        number: int,
        source: str,
        parts: Sequence[Part],
        also: Callable[[Tx, SkillRow, VersionRow], None] | None,
    ) -> SkillRow:
        found, now = looked.document, self._now()
        if call.agent is not None:
            self._bound(tx, call, tree.size(looked.tree))
        row = tx.session.get(SkillRow, key)
        if row is None:
            if number > 1:
                raise Conflict(f"skill {key} was removed meanwhile", id=key)
            mine = select(func.count()).select_from(SkillRow).where(of_user(call.user, call.org))
            if tx.session.exec(mine).one() >= SKILLS:
                raise Exhausted(f"there are {SKILLS:,} skills; remove one first")
            same = mine.where(SkillRow.name == found.name, SkillRow.agent == call.agent, col(SkillRow.current) > 0)
            if also is None and tx.session.exec(same).one():  # a proposal was approved meanwhile
                raise Conflict(f"you have a skill named {found.name} by now; do it again for its next version")
            row = SkillRow(
                id=key,
                name=found.name,
                description=found.description,
                everyone=call.agent is None and also is None,
                agent=call.agent,
                user=call.user,
                org=call.org,
                created_at=now,
                created_by=call.actor,
            )
        elif row.removed_at is not None:
            raise Conflict(f"skill {row.name} was removed meanwhile", id=key)
        version = VersionRow(
            skill=key,
            number=number,
            taken=also is None,
            sha256=looked.sha256,
            description=found.description,
            text=looked.tree[MAIN].text or "",
            files=len(looked.tree),
            bytes=tree.size(looked.tree),
            steps=looked.recipe is not None,
            tools=json.dumps(found.tools),
            permissions=json.dumps(looked.permissions),
            risk=looked.risk,
            reasons=json.dumps([one.model_dump(exclude_none=True) for one in looked.reasons]),
            parts=json.dumps([one.model_dump() for one in parts]),
            source=source,
            created_at=now,
            created_by=call.actor,
        )
        row.latest = number
        if also is None:
            row.current, row.description = number, found.description
            event = SkillCreated if number == 1 else SkillRevised
            tx.emit(event(agent=row.agent, pid=call.pid, skill=key, name=row.name, version=number, risk=looked.risk))
        else:
            also(tx, row, version)
        tx.session.add(row)
        tx.session.add(version)
        return row

    def _bound(self, tx: Tx, call: Call, more: int) -> None:
        """Keep one agent from filling the shelf of all."""
        theirs = (of_user(call.user, call.org), VersionRow.skill == SkillRow.id, VersionRow.created_by == call.actor)
        query = select(func.count(col(SkillRow.id).distinct()), func.coalesce(func.sum(VersionRow.bytes), 0))
        count, size = tx.session.exec(query.where(*theirs)).one()
        if count >= OWN or size + more > OWN_BYTES:
            raise Exhausted(f"an agent keeps at most {OWN} skills and {OWN_BYTES >> 20} MiB of versions; remove some")
