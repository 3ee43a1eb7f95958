"""Agents: identities that work towards goals, each with a name, an owner and a private home."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread
from sqlmodel import Session, col, func, select

from aetherd.core import disk
from aetherd.core.clock import Clock, stamp
from aetherd.core.config import Settings
from aetherd.core.context import Origin, origin
from aetherd.core.errors import Conflict, Invalid, NotFound, Unavailable
from aetherd.core.ids import new_id
from aetherd.kernel.agent.events import AgentArchived, AgentCreated, AgentRemoved, AgentUpdated
from aetherd.kernel.agent.models import (
    Agent,
    AgentCreate,
    AgentList,
    AgentRef,
    AgentRemove,
    Agents,
    AgentUpdate,
)
from aetherd.kernel.agent.models import (
    AgentRemoved as Removed,
)
from aetherd.kernel.agent.tables import AgentRow
from aetherd.operations.lifecycle import Lifecycle
from aetherd.operations.operation import Call, Effect, Owner, Rule, Subject, operation
from aetherd.operations.posting import HOUSE, OWNER
from aetherd.store import Store, Tx

ITSELF = Subject("agent", "agent")

Gate = Callable[[Session, str], None]  # (session, agent id)
RetireHook = Callable[[Tx, str, str], None]  # (tx, agent id, why): it is put away or gone, as of this transaction
Named = Callable[[str, Call], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Home:
    """Where an agent lives."""

    agent: str
    path: Path
    uid: int | None  # None: it shares the daemon's


class AgentService:
    """Creates, finds and removes agents."""

    def __init__(self, store: Store, settings: Settings, clock: Clock, lifecycle: Lifecycle) -> None:
        self._store, self._settings, self._clock = store, settings, clock
        self._lifecycle = lifecycle
        self._parents: dict[str, str | None] = {}  # who created whom: asked for every event, so kept here
        self.removal_gates: list[Gate] = []  # raise Conflict while an agent is in use
        self.retire_hooks: list[RetireHook] = []
        self.templates: list[Named] = []  # (name, caller) -> the name of a template; NotFound
        self._homes = anyio.CapacityLimiter(2)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Learn who created whom."""
        rows = await self._store.read(lambda session: session.exec(select(AgentRow.id, AgentRow.parent)).all())
        self._parents.update(dict(rows))
        yield

    def offers(self) -> Mapping[str, Any]:
        """Say who owns an agent, and who created it."""
        return {"owners.agent": self.owner, "parent_of": self._parents.get}

    async def owner(self, key: str) -> Owner:
        """Return whose an agent is, by id or name."""
        row = await self._row(key, origin.get())
        return Owner(row.id, row.user, row.org, row.parent)

    # Operations -------------------------------------------------------------------------------------

    @operation("agent.create", access=Rule.OWN, positional=("name",))
    async def create(self, input: AgentCreate, call: Call) -> Agent:
        """Create an identity with a home of its own; run it with process.spawn."""
        template = None if input.template is None else await self._template(input.template, call)
        row = await self._store.write(
            lambda tx: self.create_in(
                tx, call, name=input.name, role=input.role, description=input.description, template=template
            )
        )
        await self.make_home(row.id, self._uid(row))
        return self._wire(row)

    @operation("agent.list", effect=Effect.READ, access=Rule.OWN)
    async def list_agents(self, input: AgentList, call: Call) -> Agents:
        """List agents, newest first; an agent sees itself and those it created."""
        limit = input.limit + 1
        rows = await self._store.read(
            lambda session: self.page(session, call, archived=input.archived, cursor=input.cursor, limit=limit)
        )
        more = len(rows) > input.limit
        rows = rows[: input.limit]
        return Agents(agents=[self._wire(row) for row in rows], cursor=rows[-1].id if more else None)

    @operation("agent.get", effect=Effect.READ, access=ITSELF, positional=("agent",))
    async def get(self, input: AgentRef, call: Call) -> Agent:
        """Show one agent."""
        return self._wire(await self._row(input.agent, call))

    @operation("agent.update", access=ITSELF, positional=("agent",))
    async def update(self, input: AgentUpdate, call: Call) -> Agent:
        """Change an agent's name, role or description."""
        found = await self._row(input.agent, call)

        def work(tx: Tx) -> AgentRow:
            row = self.living_in(tx, found.id)
            if input.name is not None and input.name != row.name:
                self._free(tx, input.name, row.user)
                row.name = input.name
            row.role = input.role if input.role is not None else row.role
            row.description = input.description if input.description is not None else row.description
            tx.session.add(row)
            tx.emit(AgentUpdated(agent=row.id, name=row.name, role=row.role, description=row.description))
            return row

        return self._wire(await self._store.write(work))

    @operation("agent.archive", access=ITSELF, positional=("agent",))
    async def archive(self, input: AgentRef, call: Call) -> Agent:
        """Put an agent away: it is no longer listed, its home and memory stay."""
        found = await self._row(input.agent, call)

        def work(tx: Tx) -> AgentRow:
            self._unused(tx.session, found.id)
            row = self.living_in(tx, found.id)
            if row.archived_at is None:
                row.archived_at = stamp(self._clock.now())
                tx.session.add(row)
                tx.emit(AgentArchived(agent=row.id, name=row.name))
                self._retired(tx, row.id)
            return row

        return self._wire(await self._store.write(work))

    @operation("agent.remove", effect=Effect.DESTROY, access=ITSELF, positional=("agent",))
    async def remove(self, input: AgentRemove, call: Call) -> Removed:
        """Remove an agent for good; say what becomes of its home, and try it with dry_run first."""
        found = await self._row(input.agent, call)
        await self._store.read(lambda session: self._unused(session, found.id))
        place = self._place(found)
        size = await anyio.to_thread.run_sync(_size, place, limiter=self._homes)
        answer = Removed(
            agent=found.id, home=str(place / "home"), action=input.home, bytes=size, done=not input.dry_run
        )
        if input.dry_run:
            return answer
        packed: Path | None = None
        if input.home == "archive":
            packed = self._settings.home / "archive" / f"{found.id}.tar.gz"
            await anyio.to_thread.run_sync(disk.pack, place, packed, limiter=self._homes)

        # It asks again whether it is in use: packing may have taken long, and it may have been run since.
        await self._store.write(lambda tx: self._remove(tx, found.id, input.home))
        if input.home != "keep":  # only after the record says so
            await anyio.to_thread.run_sync(disk.clear, place, limiter=self._homes)
        return answer.model_copy(update={"archive": str(packed) if packed else None})

    # For other rooms --------------------------------------------------------------------------------

    async def find(self, ref: str, call: Call) -> AgentRow:
        """Return an agent of the caller's user by id or name; `NotFound` names some that exist."""
        return await self._row(ref, call)

    def living_in(self, tx: Tx, agent: str) -> AgentRow:
        """Return an agent inside the caller's transaction; `NotFound` when it was removed meanwhile."""
        row = tx.session.get_one(AgentRow, agent)
        if row.removed_at is not None:
            raise NotFound(f"agent {row.name!r} was removed", kind="agent", id=agent)
        return row

    def gone_in(self, tx: Tx, agent: str) -> str | None:
        """Say inside the caller's transaction why an agent is not to be reached any more; None when it is."""
        row = tx.session.get(AgentRow, agent)
        if row is None or row.removed_at is not None:
            return f"agent {row.name if row else agent} was removed"
        return f"agent {row.name} was archived" if row.archived_at is not None else None

    async def everyone(self, call: Call, *, role: str | None, template: str | None, limit: int) -> list[AgentRow]:
        """Return the agents of the caller's user that are not put away, or only those of a role or template."""

        def query(session: Session) -> list[AgentRow]:
            rows = select(AgentRow).where(
                AgentRow.user == call.user,
                AgentRow.org == call.org,
                col(AgentRow.removed_at).is_(None),
                col(AgentRow.archived_at).is_(None),
            )
            for column, value in ((AgentRow.role, role), (AgentRow.template, template)):
                rows = rows if value is None else rows.where(column == value)
            return list(session.exec(rows.order_by(AgentRow.id).limit(limit)))

        return await self._store.read(query)

    def lead_of(self, agent: str) -> str:
        """Return the agent its line of makers begins with; itself when a person made it."""
        while (parent := self._parents.get(agent)) is not None:
            agent = parent
        return agent

    def page(self, session: Session, call: Call, *, archived: bool, cursor: str | None, limit: int) -> list[AgentRow]:
        """Return the agents the caller may see, newest first, older than the cursor."""
        rows = select(AgentRow).where(
            AgentRow.user == call.user, AgentRow.org == call.org, col(AgentRow.removed_at).is_(None)
        )
        if call.agent is not None:
            rows = rows.where((AgentRow.id == call.agent) | (AgentRow.parent == call.agent))
        if not archived:
            rows = rows.where(col(AgentRow.archived_at).is_(None))
        if cursor is not None:
            rows = rows.where(AgentRow.id < cursor)
        return list(session.exec(rows.order_by(col(AgentRow.id).desc()).limit(limit)))

    async def home_of(self, ref: str | None, call: Call) -> Home:
        """Return an agent's home, the caller's own when no agent is named."""
        if ref is None and call.agent is None:
            raise Invalid("which agent? name one with `agent`", field="agent")
        row = await self._row(ref or str(call.agent), call)
        return Home(row.id, self._place(row) / "home", self._uid(row))

    async def name_of(self, agent: str) -> str | None:
        """Return an agent's name, also of one that was removed."""
        return await self._store.read(
            lambda session: session.exec(select(AgentRow.name).where(AgentRow.id == agent)).first()
        )

    def create_in(
        self,
        tx: Tx,
        call: Call,
        *,
        name: str | None,
        role: str | None,
        description: str | None = None,
        template: str | None = None,
        stem: str = "agent",
    ) -> AgentRow:
        """Create an agent inside the caller's transaction; without a name one is made up from the stem."""
        if name is None:
            count = tx.session.exec(
                select(func.count()).select_from(AgentRow).where(col(AgentRow.name).startswith(f"{stem}-"))
            ).one()
            name = f"{stem}-{count + 1}"
            while self._taken(tx, name, call.user):
                count += 1
                name = f"{stem}-{count + 1}"
        else:
            self._free(tx, name, call.user)
        uid = None
        if os.geteuid() == 0:
            highest = tx.session.exec(select(func.max(AgentRow.uid))).one()
            uid = max(self._settings.agent_uid_base, (highest or 0) + 1)
        key = new_id("agent")
        row = AgentRow(
            id=key,
            agent=key,
            name=name,
            role=role,
            description=description,
            template=template,
            user=call.user,
            org=call.org,
            parent=call.agent,
            uid=uid,
            created_at=stamp(self._clock.now()),
        )
        tx.session.add(row)
        tx.emit(AgentCreated(agent=key, name=name, parent=call.agent))
        tx.after(lambda: self._parents.update({key: call.agent}))
        return row

    async def discard(self, agent: str) -> None:
        """Remove an agent that another room made for a moment, with its home; `Conflict` while it is in use."""
        await self._store.write(lambda tx: self._remove(tx, agent, "delete"))
        place = self._settings.home / "agents" / agent
        await anyio.to_thread.run_sync(disk.clear, place, limiter=self._homes)

    async def make_home(self, agent: str, uid: int | None) -> None:
        """Make an agent's directories with their owner and modes; those that exist stay as they are."""
        await anyio.to_thread.run_sync(_make, self._settings.home / "agents" / agent, uid, limiter=self._homes)

    def _remove(self, tx: Tx, agent: str, home: str) -> None:
        self._unused(tx.session, agent)
        row = self.living_in(tx, agent)
        row.removed_at = stamp(self._clock.now())
        tx.session.add(row)
        tx.emit(AgentRemoved(agent=row.id, name=row.name, home=home))
        self._retired(tx, row.id)

    def _uid(self, row: AgentRow) -> int | None:
        """Return the uid its processes run under; None when they share the daemon's."""
        return row.uid if self._lifecycle.own_uids else None

    def _taken(self, tx: Tx, name: str, user: str) -> bool:
        query = select(AgentRow.id).where(
            AgentRow.name == name, AgentRow.user == user, col(AgentRow.removed_at).is_(None)
        )
        return tx.session.exec(query).first() is not None

    def _free(self, tx: Tx, name: str, user: str) -> None:
        if name in (OWNER, HOUSE):  # else its messages would pass for theirs
            raise Invalid(f"the name {name!r} stands for the {'person' if name == OWNER else 'house'}; use another")
        if self._taken(tx, name, user):
            raise Conflict(f"an agent named {name!r} exists; use another name, or run it with `agent`", name=name)

    async def _template(self, ref: str, call: Call) -> str:
        if not self.templates:
            raise Unavailable("this house has no templates; leave `template` out", field="template")
        return await self.templates[0](ref, call)

    def _retired(self, tx: Tx, agent: str) -> None:
        why = self.gone_in(tx, agent)
        assert why is not None
        for hook in self.retire_hooks:
            hook(tx, agent, why)

    def _unused(self, session: Session, agent: str) -> None:
        for gate in self.removal_gates:
            gate(session, agent)

    async def _row(self, ref: str, who: Call | Origin) -> AgentRow:
        """Return a living agent of that user: names are theirs alone, and nobody is told of another's."""

        def query(session: Session) -> AgentRow | list[str]:
            theirs = (col(AgentRow.removed_at).is_(None), AgentRow.user == who.user, AgentRow.org == who.org)
            row = session.exec(select(AgentRow).where(*theirs, AgentRow.id == ref)).first()
            row = row or session.exec(select(AgentRow).where(*theirs, AgentRow.name == ref)).first()
            return row or list(session.exec(select(AgentRow.name).where(*theirs).limit(10)))

        found = await self._store.read(query)
        if isinstance(found, AgentRow):
            return found
        known = f"; there are: {', '.join(found)}" if found else "; there are none yet"
        raise NotFound(f"no agent {ref!r}{known}", kind="agent", id=ref)

    def _place(self, row: AgentRow) -> Path:
        return self._settings.home / "agents" / row.id

    def _wire(self, row: AgentRow) -> Agent:
        facts = row.model_dump(exclude={"agent", "removed_at", "uid"})
        return Agent(**facts, uid=self._uid(row), home=str(self._place(row) / "home"))


def _make(place: Path, uid: int | None) -> None:
    """Make the directories; inside the home, where the agent could put a link instead, none is followed."""
    place.mkdir(mode=0o711, parents=True, exist_ok=True)
    root = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        home = _own_directory(root, "home", uid)
        try:
            for name in ("work", "tmp"):
                try:
                    os.close(_own_directory(home, name, uid))
                except OSError as exc:
                    if exc.errno not in (errno.ENOTDIR, errno.ELOOP):  # else the agent's own doing: it stays
                        raise
        finally:
            os.close(home)
        os.close(_own_directory(root, "runtime", uid))
    finally:
        os.close(root)


def _own_directory(parent: int, name: str, uid: int | None) -> int:
    """Open a directory of the agent, made when it is not there; only what is ours so far is given to it."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    if uid is not None and os.fstat(descriptor).st_uid == os.geteuid():
        os.fchown(descriptor, uid, uid)
    return descriptor


def _size(place: Path) -> int:
    total = 0
    for _, _, files, descriptor in disk.walk(place):
        for name in files:
            with suppress(OSError):  # gone meanwhile
                total += os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_size
    return total
