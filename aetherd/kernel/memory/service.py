"""Memory: what agents know across runs, found again by full text, importance and age."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from typing import Any

from sqlmodel import Session

from aetherd.core.clock import Clock
from aetherd.core.config import Settings
from aetherd.core.errors import AetherError, Forbidden
from aetherd.core.model import NEWEST, position
from aetherd.kernel.memory import journal, merging, rows, sharing
from aetherd.kernel.memory import models as m
from aetherd.kernel.memory.finding import Finder
from aetherd.kernel.memory.keeping import Keeper
from aetherd.kernel.memory.ports import Agents, Workspaces
from aetherd.kernel.memory.rows import Record
from aetherd.kernel.memory.scopes import GLOBAL, Place, Scopes, Wish
from aetherd.kernel.memory.vectors import vectors_of
from aetherd.operations.operation import Call, Effect, Owner, Rule, Subject, operation
from aetherd.store import Store, Tx
from aetherd.store.rows import bare

ONE = Subject("memory", "id")


class MemoryService:
    """Stores, finds, changes, shares, merges and forgets memories."""

    def __init__(self, store: Store, clock: Clock, settings: Settings, agent: Agents) -> None:
        self._store = store
        self.workspaces: list[Workspaces] = []
        self._scopes = Scopes(agent, self.workspaces)
        self._vectors, self._trouble = vectors_of(store, settings)
        self._keeper = Keeper(clock, self._vectors)
        self._finder = Finder(store, clock, self._vectors)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Embed memories meanwhile, when an embedder is set."""
        async with nullcontext() if self._vectors is None else self._vectors.running():
            yield

    def health(self) -> dict[str, Any]:
        """Say whether memories are found by meaning, if that is wanted, and by what."""
        trouble = self._trouble or (self._vectors.trouble if self._vectors is not None else "")
        if trouble:
            return {"ok": False, "detail": f"memories are found by their words alone: {trouble}"}
        return {"ok": True, "detail": "" if self._vectors is None else self._vectors.compared}

    def offers(self) -> Mapping[str, Any]:
        """Say who owns a memory, give starting processes what fits their goal, note what came of a run."""
        return {
            "owners.memory": self.owner,
            "process.context_sources": self.context,
            "process.run_hooks": journal.note,
        }

    async def owner(self, key: str) -> Owner:
        """Return whose a memory is: its author's."""
        row = await self._row(key)
        return Owner(row["agent"], row["user"], row["org"])

    # Operations -------------------------------------------------------------------------------------

    @operation("memory.remember", access=Subject("agent", "agent"), positional=("content",))
    async def remember(self, input: m.Remember, call: Call) -> m.Remembered:
        """Store a fact that should outlive this run, so that you or another agent can recall it.

        Write one self-contained fact for each memory: decisions, preferences, how-tos, what went wrong.
        By default every agent of the same user can recall it; namespace `agent` keeps it to yourself.
        """
        whose = await self._scopes.agent(input.agent, call)
        private = whose is not None and input.namespace == "global"
        place = await self._scopes.place("agent" if private else input.namespace, input.workspace, whose, call)
        row = await self._store.write(lambda tx: self._keeper.keep(tx, input, place, call))
        return m.Remembered(**rows.fields(row))

    @operation("memory.recall", effect=Effect.READ, access=Rule.OWN, positional=("query",))
    async def recall(self, input: m.Recall, call: Call) -> m.Recalled:
        """Find what you or other agents remembered, best first; do this before you start on something.

        Give a few telling words rather than a sentence. Long memories are cut; memory.get shows all of one.
        """
        wish = await self._wish(input, call, input.layer, tuple(input.tags))
        found = await self._finder.find(input.query, input.limit, self._scopes.of(call), wish)
        return m.Recalled(memories=[m.RecalledMemory(**rows.shown(row), score=round(score, 4)) for row, score in found])

    @operation("memory.get", effect=Effect.READ, access=Rule.OWN, positional=("id",))
    async def get(self, input: m.MemoryRef, call: Call) -> m.WholeMemory:
        """Show one memory in full, and where it comes from; one that was merged into another, too."""
        row = await self._row(input.id)
        seen = (row["user"], row["org"]) == (call.user, call.org)
        if seen and not self._scopes.of(call).has(row["scope"]):
            seen = row["namespace"] == "workspace" and await self._may_use(row["place"], call)
        if not seen:
            raise Forbidden(f"memory {input.id} belongs to somebody else", kind="memory", id=input.id)

        def query(session: Session) -> list[str]:
            merged = "SELECT id FROM memory_merged WHERE merged_into = ? ORDER BY id DESC"
            return [key for (key,) in bare(session).execute(merged, (input.id,))]

        return m.WholeMemory(
            **rows.fields(row),
            content=row["content"],
            origin=row["origin"],
            sources=await self._store.read(query),
            merged_into=row["merged_into"],
        )

    @operation("memory.list", effect=Effect.READ, access=Rule.OWN)
    async def list_memories(self, input: m.MemoryList, call: Call) -> m.Memories:
        """List memories, newest first; an agent sees its own and those that are shared with it."""
        before = position(input.cursor, NEWEST)
        wish = await self._wish(input, call, input.layer, tuple(input.tags))
        where, values = self._scopes.of(call).condition(wish)

        def query(session: Session) -> list[Record]:
            cursor = bare(session)
            keys = cursor.execute(
                f"SELECT m.seq FROM memory m WHERE m.seq < ? AND {where} ORDER BY m.seq DESC LIMIT ?",
                (before, *values, input.limit + 1),
            ).fetchall()
            return rows.load(cursor, [int(key) for (key,) in keys])

        found = await self._store.read(query)
        more = len(found) > input.limit
        found = found[: input.limit]
        return m.Memories(
            memories=[m.Memory(**rows.shown(row)) for row in found], cursor=str(found[-1]["seq"]) if more else None
        )

    @operation("memory.update", access=ONE, positional=("id", "content"))
    async def update(self, input: m.MemoryUpdate, call: Call) -> m.Remembered:
        """Change a memory: what it says, its layer, tags or importance; only its author or a person may."""
        values = {name: value for name, value in input if name != "id" and value is not None}
        if input.tags is not None:
            values["tags"] = rows.packed(input.tags)

        row = await self._store.write(lambda tx: self._keeper.change(tx, input.id, values, call))
        return m.Remembered(**rows.fields(row))

    @operation("memory.share", access=ONE, positional=("id",))
    async def share(self, input: m.MemoryShare, call: Call) -> m.Remembered:
        """Let others recall a memory: your team, a workspace, all agents, or give one agent a copy of its own.

        Only its author or a person may. It stays its author's, who alone may change it or forget it again.
        """
        place = await sharing.target(self._scopes, input, await self._row(input.id), call)
        row = await self._store.write(lambda tx: self._keeper.share(tx, input.id, place, self._scopes, call))
        return m.Remembered(**rows.fields(row))

    @operation("memory.consolidate", access=Rule.OWN)
    async def consolidate(self, input: m.Consolidate, call: Call) -> m.Consolidated:
        """Merge your memories of one namespace that say nearly the same; see what it would do with dry_run.

        The newest stays as it is; the others are found through it only, and memory.get still shows them. Memories
        that differ in a number or a negation are never merged.
        """
        before = position(input.cursor, NEWEST)
        agent = await self._scopes.agent(input.agent, call)
        if call.agent is not None and agent not in (None, call.agent):
            raise Forbidden("only its author or a person merges a memory; leave out `agent`", kind="agent", id=agent)
        place = None if input.workspace is None else await self._scopes.workspace(input.workspace, call)
        namespace = input.namespace or ("global" if call.agent is None and agent is None else "agent")
        wish = (
            Wish("workspace", place.key, call.agent or agent) if place else Wish(namespace, None, call.agent or agent)
        )
        found = self._scopes.of(call).filters(wish)
        if not found:  # an agent without a workspace
            return m.Consolidated(merged=[], looked_at=0, done=not input.dry_run)
        look = await self._store.read(lambda s: merging.look(s, found[0], input.similarity, input.limit, before))
        groups, now = look.groups, self._keeper.now()
        if not input.dry_run:
            done = [await self._store.write(partial(merging.merge, group, call, now)) for group in groups]
            groups = [group for group in done if group is not None]
        return m.Consolidated(
            merged=[merging.wire(group) for group in groups],
            looked_at=look.looked_at,
            done=not input.dry_run,
            cursor=look.cursor,
        )

    @operation("memory.forget", effect=Effect.DESTROY, access=ONE, positional=("id",))
    async def forget(self, input: m.MemoryRef, call: Call) -> m.Forgotten:
        """Remove a memory and what was merged into it for good; only its author or a person may."""
        await self._store.write(lambda tx: self._keeper.forget(tx, input.id, call))
        return m.Forgotten(id=input.id)

    # For other rooms --------------------------------------------------------------------------------

    async def context(self, agent: str, user: str, org: str, goal: str | None) -> str:
        """Return what fits a starting agent's goal, short enough for its prompt; empty when nothing does."""
        return "" if not goal else await self._finder.context(self._scopes.sight(user, org, agent), Wish(), goal)

    def remember_in(
        self,
        tx: Tx,
        call: Call,
        *,
        content: str,
        tags: Sequence[str],
        importance: float,
        layer: m.Layer = "semantic",
        agent: str | None = None,
    ) -> str:
        """Keep a memory inside the transaction; returns its id.

        All agents of the caller's user recall it; with `agent` that one alone does.
        """
        input = m.Remember(content=content, tags=list(tags), importance=importance, layer=layer)
        return str(self._keeper.keep(tx, input, GLOBAL if agent is None else Place("agent", agent), call)["id"])

    def tags_of(self, session: Session, agent: str) -> dict[str, int]:
        """Count the tags of what an agent lately remembered on purpose, most used first, without the house's own."""
        newest = "SELECT tags FROM memory WHERE agent = ? AND journal IS NULL ORDER BY seq DESC LIMIT 1000"
        counted = f"SELECT value, count(*) FROM ({newest}) AS m, json_each(m.tags) GROUP BY value ORDER BY 2 DESC, 1"
        found = bare(session).execute(counted, (agent,)).fetchall()
        return {tag: count for tag, count in found if tag not in journal.HOUSE_TAGS}

    # Inside -----------------------------------------------------------------------------------------

    async def _wish(self, input: m.Recall | m.MemoryList, call: Call, layer: str | None, tags: tuple[str, ...]) -> Wish:
        place = None if input.workspace is None else await self._scopes.workspace(input.workspace, call)
        agent = await self._scopes.agent(input.agent, call)
        return Wish(input.namespace, None if place is None else place.key, agent, layer, tags)

    async def _may_use(self, workspace: str, call: Call) -> bool:
        try:
            return bool(await self._scopes.workspace(workspace, call))
        except AetherError:  # it was removed, or is others'
            return False

    async def _row(self, key: str) -> Record:
        return await self._store.read(lambda session: rows.find(bare(session), key))
