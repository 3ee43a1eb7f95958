"""Worktrees: a directory and branch for each agent in a person's repository, merged in order, never lost."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
from sqlmodel import Session, col, select

from aetherd.core.clock import Clock, stamp
from aetherd.core.config import Settings
from aetherd.core.context import origin
from aetherd.core.errors import Conflict, Exhausted, Forbidden, Invalid, NotFound, Unavailable
from aetherd.core.ids import new_id
from aetherd.kernel.worktree import git, queue, view
from aetherd.kernel.worktree import models as m
from aetherd.kernel.worktree.coming import Coming
from aetherd.kernel.worktree.events import WorktreeCommitted, WorktreePushed
from aetherd.kernel.worktree.files import Files
from aetherd.kernel.worktree.inside import Inside
from aetherd.kernel.worktree.keeper import Keeper, Standing, check_paths
from aetherd.kernel.worktree.names import address, credited
from aetherd.kernel.worktree.ports import Agents, Identity, Messages, Processes
from aetherd.kernel.worktree.queue import Queue
from aetherd.kernel.worktree.repositories import Repositories
from aetherd.kernel.worktree.tables import MergeRow, RepositoryRow, WorktreeRow
from aetherd.kernel.worktree.theirs import Theirs
from aetherd.kernel.worktree.trees import Bound, Trees, Wanted
from aetherd.operations.lifecycle import Lifecycle
from aetherd.operations.operation import Call, Effect, Owner, Rule, Subject, operation
from aetherd.store import Store, Tx

QUEUED = 200  # merges of one repository
FILES = 500
TOLD = 5  # worktrees an agent is told of at its start
ONE = Subject("worktree", "worktree")


class WorktreeService:
    """Makes, shows, merges and removes worktrees."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Clock,
        lifecycle: Lifecycle,
        agent: Agents,
        process: Processes,
        message: Messages,
    ) -> None:
        self._store, self._settings, self._clock, self._lifecycle = store, settings, clock, lifecycle
        self._agents, self._processes = agent, process
        self._trees = Trees(settings.home)
        self._inside = Inside(process.errands)
        self._keeper = Keeper(self._trees, self._inside)
        self._theirs = Theirs(self._trees.stores)
        self._queue = Queue(store, clock, self._trees, self._keeper, self._theirs, process.errands, message)
        self._view = view.View(store, self._trees, self._keeper)
        self._coming = Coming(store, self._trees, self._keeper, self._queue, self._now)
        self._repositories = Repositories(store, self._trees.stores, settings.home, self._now)

    def offers(self) -> Mapping[str, Any]:
        """Say whose a worktree is; give starting processes theirs, and tell them."""
        return {
            "owners.worktree": self.owner,
            "process.workspaces": self,
            "fs.workspaces": Files(self._mine, self._trees),
            "process.context_sources": self.context,
        }

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Clear away what was begun and never became a worktree, and go on with the merges."""
        await anyio.to_thread.run_sync(self._trees.open)
        await self._coming.recover()
        async with anyio.create_task_group() as group:
            group.start_soon(self._queue.serve)
            yield
            group.cancel_scope.cancel()

    async def owner(self, key: str) -> Owner:
        """Return whose a worktree is."""
        who = origin.get()
        return await self._owner(await self._row(key, who.user, who.org))

    async def _owner(self, row: WorktreeRow) -> Owner:
        try:
            return await self._agents.owner(row.agent)
        except NotFound:  # the agent was removed
            return Owner(row.agent, row.user, row.org)

    # Operations -------------------------------------------------------------------------------------

    @operation("worktree.create", access=Rule.OWN, positional=("repository", "agent"), long=True)
    async def create(self, input: m.WorktreeCreate, call: Call) -> m.Worktree:
        """Give an agent a directory and a branch of its own in a git repository.

        A person names a repository the first time, and may set the test that guards its merges. The agent reaches
        the directory from its next start; another agent, or another task, gets another worktree.
        """
        if (trouble := await git.version()) is not None:
            raise Unavailable(f"worktree.create: {trouble}")
        target = await self._target(input.agent, call)
        repository = await self._repositories.wanted(input, call)
        branch = input.branch or f"agent/{re.sub(r'[^A-Za-z0-9_.-]+', '-', target.name).strip('.-') or 'one'}"
        work = self._trees.stores.work(repository.id)
        if await work.line("check-ref-format", "--branch", branch) is None or branch == repository.base:
            raise Invalid(f"{branch!r} cannot be the branch of a worktree; choose another", field="branch")
        base = await self._keeper.sync(repository)
        row = WorktreeRow(
            id=new_id("worktree"),
            repository=repository.id,
            branch=branch,
            state="making",
            agent=target.id,
            name=target.name,
            uid=target.uid if self._lifecycle.own_uids else None,
            user=call.user,
            org=call.org,
            created_at=self._now(),
            created_by=call.actor,
        )
        made = await self._coming.make(row, repository, base)
        return (await self._view.worktrees([made], forecast=False))[0]

    @operation("worktree.list", effect=Effect.READ, access=Rule.OWN)
    async def list_worktrees(self, input: m.WorktreeList, call: Call) -> m.Worktrees:
        """List worktrees, newest first, and the repositories one can work in.

        Each says how far it is ahead and behind, what is not committed, its disk use, where it is in the merge queue,
        and with which other worktrees it would conflict.
        """
        agent = None if input.agent is None else (await self._agents.find(input.agent, call)).id
        where: list[Any] = [WorktreeRow.user == call.user, WorktreeRow.org == call.org]
        where.append(WorktreeRow.state == "removed" if input.removed else WorktreeRow.state != "removed")
        if agent is not None:
            where.append(WorktreeRow.agent == agent)
        if input.worktree is not None:
            where.append((col(WorktreeRow.id) == input.worktree) | (col(WorktreeRow.branch) == input.worktree))

        repositories = await self._repositories.of(call)
        if input.repository is not None:
            repositories = [one for one in repositories if input.repository in (one.id, one.path)]
        where.append(col(WorktreeRow.repository).in_([one.id for one in repositories]))
        rows = select(WorktreeRow).where(*where).order_by(col(WorktreeRow.id).desc())
        found: list[WorktreeRow] = []
        for row in await self._store.read(lambda session: list(session.exec(rows))):
            if input.cursor is not None and row.id >= input.cursor:
                continue
            if call.agent is None or call.owns(await self._owner(row)):
                found.append(row)
                if len(found) > input.limit:
                    break
        more, found = len(found) > input.limit, found[: input.limit]
        return m.Worktrees(
            worktrees=await self._view.worktrees(found),
            repositories=await self._repositories.shown(repositories),
            cursor=found[-1].id if more else None,
        )

    @operation("worktree.diff", effect=Effect.READ, access=ONE, positional=("worktree",))
    async def diff(self, input: m.WorktreeDiff, call: Call) -> m.Diff:
        """Show what a worktree changed since it left the base, committed or not, and the patch in parts."""
        check_paths(input.paths)
        row, repository, standing = await self._standing(input.worktree, call)
        since = await self._keeper.since(repository.id, standing)
        new = standing.look.tip if input.committed else standing.look.snapshot
        first, mark = 0, f"{since[:12]}.{new[:12]}."
        if input.cursor is not None:
            if not re.fullmatch(r"[0-9a-f]{12}\.[0-9a-f]{12}\.[0-9]{1,12}", input.cursor):
                raise Invalid("worktree.diff: cursor: not a cursor of this diff")
            if not input.cursor.startswith(mark):
                raise Conflict(f"worktree {row.id} changed meanwhile; begin again without `cursor`")
            first = int(input.cursor.removeprefix(mark))
        numbers = await self._keeper.numbers(repository.id, since, new, input.paths)
        patch, more = await self._keeper.patch(repository.id, since, new, input.paths, first, input.limit)
        if more and (cut := patch.rfind(b"\n")) > 0:
            patch = patch[: cut + 1]
        return m.Diff(
            worktree=row.id,
            since=since,
            files=[m.Changed(path=path, added=plus, removed=minus) for path, plus, minus in numbers[:FILES]],
            files_total=len(numbers),
            patch=patch.decode("utf-8", "replace"),
            truncated=more,
            cursor=f"{mark}{first + len(patch)}" if more else None,
        )

    @operation("worktree.commit", access=ONE, positional=("worktree", "message"))
    async def commit(self, input: m.WorktreeCommit, call: Call) -> m.Committed:
        """Commit what was changed in a worktree, as the person whose repository it is, with the agent as co-author.

        No hook is run. What was staged and is not named stays staged.
        """
        check_paths(input.paths)
        row, repository = await self._living(input.worktree, call)
        author = await self._theirs.identity(repository)
        message = input.message if author is None else credited(input.message, row)
        author = author or (row.name, address(row.agent))
        async with self._keeper.locks[row.id]:
            place = self._keeper.place(row)
            made = await self._inside.commit(place, message, input.paths or ["."], author, author)
        standing = await self._look(row, repository)
        files = 0
        if made is not None:
            files = len(await self._keeper.changed(repository.id, f"{made}^", made))
            told = WorktreeCommitted(
                agent=row.agent, pid=call.pid, worktree=row.id, commit=standing.look.tip, files=files
            )
            await self._store.write(lambda tx: tx.emit(told))
        return m.Committed(worktree=row.id, commit=made, files=files, author=f"{author[0]} <{author[1]}>")

    @operation("worktree.merge", access=ONE, positional=("worktree",), long=True)
    async def merge(self, input: m.WorktreeMerge, call: Call) -> m.Merge:
        """Queue a worktree's commits to be merged into the base of the person's repository.

        Merges of a repository go one after another: on top of what the base is by then, tested, and only then in it.
        The agent is told the outcome by a message; worktree.list shows it, too. What is not committed stays behind.
        """
        row, repository, standing = await self._standing(input.worktree, call)
        if input.test is not None and call.agent is not None and repository.test not in (None, "", input.test):
            raise Forbidden("test: a person has set this repository's test; leave `test` out", field="test")
        runs = call.has("process:write", "process.spawn") or call.has("terminal:write", "terminal.open")
        if input.test not in (None, "", repository.test) and not runs:
            raise Forbidden("test: it runs a program, which this caller may not do by itself either", field="test")
        if standing.ahead == 0:
            raise Conflict(
                f"there is nothing to merge: {row.branch} has no commit that {repository.base} lacks"
                + (f", and {len(standing.dirty)} changed files are not committed" if standing.dirty else "")
            )

        def work(tx: Tx) -> m.Merge:
            is_open = select(MergeRow).where(MergeRow.worktree == row.id, col(MergeRow.ended_at).is_(None))
            if (there := tx.session.exec(is_open).first()) is not None:
                raise Conflict(f"it is in the queue already, as {there.id} ({there.state})", state=there.state)
            if tx.session.get_one(WorktreeRow, row.id).state != "active":
                raise Conflict(f"worktree {row.id} was removed meanwhile")
            if queue.waiting(tx.session, repository.id) >= QUEUED:
                raise Exhausted(f"{QUEUED} merges wait in this repository already; try again when some are done")
            made = MergeRow(
                id=new_id("merge"),
                worktree=row.id,
                repository=repository.id,
                tip=standing.look.tip,
                how=input.how,
                test=(repository.test if input.test is None else input.test) or None,
                test_timeout_s=repository.test_timeout_s,
                state="queued",
                agent=row.agent,
                user=row.user,
                org=row.org,
                created_at=self._now(),
                created_by=call.actor,
            )
            self._queue.put(tx, made)
            tx.session.flush()
            return view.merge(tx.session, made)

        await self._trees.stores.keep(repository.id, row.id, {f"queued/{standing.look.tip}": standing.look.tip})
        made = await self._store.write(work)
        return await view.outcome(self._store, self._queue, made.id, input.wait_s)

    @operation("worktree.push", effect=Effect.DESTROY, access=ONE, positional=("worktree", "remote"))
    async def push(self, input: m.WorktreePush, call: Call) -> m.Pushed:
        """Push a worktree's branch to a remote of the person's repository, with their credentials; never by force.

        An agent needs a person's approval: what is pushed cannot be taken back.
        """
        row, repository, standing = await self._standing(input.worktree, call)
        branch, tip = input.branch or row.branch, standing.look.tip
        if await self._trees.stores.work(repository.id).line("check-ref-format", "--branch", branch) is None:
            raise Invalid(f"{branch!r} is no name of a branch", field="branch")
        await self._theirs.push(repository, row.id, tip, standing.base, input.remote, branch)

        def work(tx: Tx) -> None:
            found = tx.session.get_one(WorktreeRow, row.id)
            found.pushed = tip
            tx.session.add(found)
            tx.emit(
                WorktreePushed(
                    agent=row.agent, pid=call.pid, worktree=row.id, remote=input.remote, branch=branch, commit=tip
                )
            )

        await self._store.write(work)
        return m.Pushed(worktree=row.id, remote=input.remote, branch=branch, commit=tip)

    @operation("worktree.remove", effect=Effect.DESTROY, access=ONE, positional=("worktree",))
    async def remove(self, input: m.WorktreeRemove, call: Call) -> m.Gone:
        """Remove a worktree. What was not committed, merged or pushed is archived first, and the answer says where.

        Files that git ignores, such as what a build made, go with the directory.
        """
        row, repository = await self._living(input.worktree, call)
        for process in self._processes.living(row.agent):
            if not input.dry_run and process.pid != call.pid:
                raise Conflict(f"agent {row.name} runs as process {process.pid}; end that first", pid=process.pid)
        try:
            base = await self._keeper.sync(repository)
        except Conflict:  # the person has removed the branch, or all of the repository
            base = await self._trees.stores.known(repository)
        return await self._coming.remove(row, repository, base, dry=input.dry_run)

    # For the process room -----------------------------------------------------------------------------

    async def wanted(self, ref: str, agent: str | None, call: Call) -> Wanted:
        """Return a worktree the caller may run that agent in: the one it is for."""
        row = await self._mine(ref, call)
        if agent != row.agent or row.state != "active":
            raise Conflict(
                f"worktree {row.id} is for agent {row.name} alone ({row.state}); spawn with `agent`: {row.agent}"
            )
        return Wanted(row.id, self._trees.tree(row.id))

    def mount_in(self, tx: Tx, worktree: str, agent: Identity, call: Call) -> None:
        """See that a worktree is still there when its agent is spawned: it has it anyhow."""
        if tx.session.get_one(WorktreeRow, worktree).state != "active":
            raise NotFound("the worktree was removed meanwhile", kind="worktree", id=worktree)

    async def mounts_of(self, agent: str) -> Sequence[Bound]:
        """Return what a process of an agent gets that is started now."""
        return [
            bound
            for row in await self._of_agent(agent)
            for bound in self._trees.bound(row.repository, self._trees.tree(row.id))
        ]

    async def context(self, agent: str, user: str, org: str, goal: str | None) -> str:
        """Tell a starting agent which worktrees it has."""
        rows = await self._of_agent(agent)
        if not rows:
            return ""
        lines = [f"- {self._trees.tree(row.id)}: branch {row.branch} (worktree {row.id})" for row in rows[:TOLD]]
        return (
            "Git worktrees of your own (commit there; aether_worktree_diff, _commit and _merge are found by "
            "aether_tool_search):\n" + "\n".join(lines)
        )

    # Inside -----------------------------------------------------------------------------------------

    async def _target(self, ref: str | None, call: Call) -> Identity:
        if ref is None and call.agent is None:
            raise Invalid("which agent? name one with `agent`", field="agent")
        target = await self._agents.find(ref or str(call.agent), call)
        if not call.owns(await self._agents.owner(target.id)):
            raise Forbidden(f"agent {target.name} is not yours", kind="agent", id=target.id)
        return target

    async def _mine(self, ref: str, call: Call) -> WorktreeRow:
        row = await self._row(ref, call.user, call.org)
        if not call.owns(await self._owner(row)):
            raise Forbidden(f"worktree {row.id} is not yours", kind="worktree", id=row.id)
        return row

    async def _row(self, ref: str, user: str, org: str) -> WorktreeRow:
        def query(session: Session) -> WorktreeRow | None:
            mine = select(WorktreeRow).where(WorktreeRow.user == user, WorktreeRow.org == org)
            found = session.exec(mine.where(WorktreeRow.id == ref)).first()
            if found is None:
                same = mine.where(WorktreeRow.branch == ref, col(WorktreeRow.state) == "active")
                rows = session.exec(same.limit(2)).all()
                if len(rows) > 1:
                    raise Conflict(f"several worktrees have a branch {ref}; name one by its id")
                found = rows[0] if rows else None
            return found

        row = await self._store.read(query)
        if row is None:
            raise NotFound(f"no worktree {ref!r}; worktree.list shows those there are", kind="worktree", id=ref)
        return row

    async def _living(self, ref: str, call: Call) -> tuple[WorktreeRow, RepositoryRow]:
        row = await self._row(ref, call.user, call.org)
        if row.state != "active":
            where = f"; what it held is in {row.archive}" if row.archive else ""
            raise Conflict(f"worktree {row.id} is {'being made' if row.state == 'making' else 'removed'}{where}")
        return row, await self._repositories.get(row.repository)

    async def _look(self, row: WorktreeRow, repository: RepositoryRow) -> Standing:
        return await self._keeper.look(row, repository, await self._keeper.sync(repository))

    async def _standing(self, ref: str, call: Call) -> tuple[WorktreeRow, RepositoryRow, Standing]:
        row, repository = await self._living(ref, call)
        return row, repository, await self._look(row, repository)

    async def _of_agent(self, agent: str) -> list[WorktreeRow]:
        rows = select(WorktreeRow).where(WorktreeRow.agent == agent, WorktreeRow.state == "active")
        return await self._store.read(lambda session: list(session.exec(rows.order_by(col(WorktreeRow.id).desc()))))

    def _now(self) -> str:
        return stamp(self._clock.now())
