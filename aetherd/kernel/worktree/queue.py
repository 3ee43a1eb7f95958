"""The merge queue: each repository's merges one after another, each rebased, tested, and only then in the base.

The row says what was begun; a step that a kill cut short is done again from its start. What the base is to become is
written before it becomes that, so a merge that was done and not recorded is found by looking, and never done twice.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

import anyio
from sqlmodel import Session, col, func, select

from aetherd.core.clock import Clock, stamp
from aetherd.core.context import Origin, origin
from aetherd.core.errors import AetherError
from aetherd.kernel.worktree.events import WorktreeMergeChanged
from aetherd.kernel.worktree.keeper import Keeper
from aetherd.kernel.worktree.names import HOUSE, address, credited
from aetherd.kernel.worktree.ports import Messages
from aetherd.kernel.worktree.stores import Clash
from aetherd.kernel.worktree.tables import MergeRow, RepositoryRow, WorktreeRow
from aetherd.kernel.worktree.theirs import Theirs
from aetherd.kernel.worktree.trees import Trees
from aetherd.operations.errands import Errands
from aetherd.store import Store, Tx, rider

logger = logging.getLogger(__name__)

OUTPUT = 20_000  # bytes of a test's output that are kept
TRIES = 5  # when the base moves meanwhile, or something is away
TESTS = 2  # at once, of different repositories
FILES = 50
RETRY_S = 30.0


class Moved(Exception):
    """Raised when the base was moved by somebody else between the rebase and the merge."""


class Queue:
    """Merges, in order."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        trees: Trees,
        keeper: Keeper,
        theirs: Theirs,
        errands: Errands,
        message: Messages,
    ) -> None:
        self._store, self._clock, self._trees, self._keeper = store, clock, trees, keeper
        self._theirs, self._errands, self._messages = theirs, errands, message
        self._busy: set[str] = set()  # repositories at work
        self._due: set[str] = set()  # and those with something new
        self._called = anyio.Event()
        self._tests = anyio.CapacityLimiter(TESTS)
        self.news = anyio.Event()

    async def serve(self) -> None:
        """Work through the queues, each repository's by itself, beginning where an earlier daemon stopped; for ever."""
        waiting = select(MergeRow.repository).where(col(MergeRow.ended_at).is_(None)).distinct()
        self._due.update(await self._store.read(lambda session: list(session.exec(waiting))))
        async with anyio.create_task_group() as group:
            while True:
                self._called = anyio.Event()
                for repository in self._due - self._busy:
                    self._busy.add(repository)
                    group.start_soon(self._drain, repository)
                await self._called.wait()

    def _wake(self, repository: str) -> None:
        """Have a repository's queue looked at."""
        self._due.add(repository)
        self._called.set()

    def put(self, tx: Tx, row: MergeRow) -> None:
        """Queue a merge, inside a transaction."""
        repository = row.repository
        tx.session.add(row)
        tx.emit(_told(row, None))
        tx.after(lambda: self._wake(repository))

    def cancel(self, tx: Tx, worktree: str, reason: str) -> list[MergeRow]:
        """Take out what waits of a worktree; returns what is at work already and cannot be taken out."""
        rows = tx.session.exec(
            select(MergeRow).where(MergeRow.worktree == worktree, col(MergeRow.ended_at).is_(None))
        ).all()
        for row in rows:
            if row.state == "queued":
                self._change(tx, row, "cancelled", reason=reason)
        return [row for row in rows if row.state != "cancelled"]

    async def _drain(self, repository: str) -> None:
        tries: Counter[str] = Counter()
        try:
            while repository in self._due:
                self._due.discard(repository)
                while (row := await self._next(repository)) is not None:
                    tries[row.id] += 1
                    try:
                        await self._attempt(row, last=tries[row.id] >= TRIES)
                    except AetherError as exc:  # not even its outcome can be written
                        logger.warning("merge %s waits: %s", row.id, exc.message)
                        await self._clock.sleep(RETRY_S)
        finally:
            self._busy.discard(repository)

    async def _attempt(self, row: MergeRow, *, last: bool) -> None:
        origin.set(Origin("system", None, row.user, row.org))
        rider.set(None)
        try:
            await self._advance(row)
        except AetherError as exc:
            if exc.retryable and not last:  # the disk is full, say
                raise
            await self._end(row, "failed", reason=exc.message)
        except Exception:
            logger.exception("merge %s failed", row.id)
            await self._end(row, "failed", reason="something went wrong inside; the log of aetherd says what")

    async def _next(self, repository: str) -> MergeRow | None:
        rows = select(MergeRow).where(MergeRow.repository == repository, col(MergeRow.ended_at).is_(None))
        return await self._store.read(lambda session: session.exec(rows.order_by(col(MergeRow.seq)).limit(1)).first())

    async def _advance(self, row: MergeRow) -> None:
        """Take one merge to its end."""
        if row.state != "queued":  # an earlier daemon began it
            await self._errands.end(f"errand-test-{row.id}")

        def query(session: Session) -> tuple[RepositoryRow, WorktreeRow]:
            return session.get_one(RepositoryRow, row.repository), session.get_one(WorktreeRow, row.worktree)

        repository, worktree = await self._store.read(query)
        if row.candidate is not None and row.base_before is not None:  # a kill may have come after it was done
            async with self._keeper.stores[repository.id]:
                if await self._theirs.contains(repository, row.candidate):
                    note = await self._theirs.settle(repository, row.base_before, row.candidate)
                    await self._end(row, "merged", reason=note or None)
                    return
        for _ in range(TRIES):
            try:
                await self._try(row, repository, worktree)
                return
            except Moved:
                continue
        await self._end(row, "failed", reason=f"{repository.base} moved {TRIES} times meanwhile; merge again")

    async def _try(self, row: MergeRow, repository: RepositoryRow, worktree: WorktreeRow) -> None:
        stores = self._trees.stores
        await self._step(row, "rebasing")
        base = await self._keeper.sync(repository)
        who = await self._theirs.identity(repository) or HOUSE
        if row.how == "rebase":
            made = await stores.rebase(repository.id, base, row.tip, who)
        else:
            text = credited(f"Merge {worktree.branch} into {repository.base}", worktree)
            made = await stores.merge(repository.id, base, row.tip, text, who)
        if isinstance(made, Clash):
            await self._end(row, "conflict", reason=_advice(made, repository, row), files=made.files)
            return
        await stores.keep(repository.id, worktree.id, {f"merge/{row.id}": made})
        if row.test:
            await self._step(row, "testing")
            code, output = await self._test(row, repository, worktree, base, made)
            if code != 0:
                why = "was not done in time" if code is None else f"ended with exit code {code}"
                await self._end(row, "failed_tests", reason=f"`{row.test}` {why}", output=output)
                return
            row = await self._write(row, lambda one: setattr(one, "output", output))

        def about_to(one: MergeRow) -> None:
            one.base_before, one.candidate = base, made

        row = await self._write(row, about_to)
        async with self._keeper.stores[repository.id]:
            note = await self._theirs.land(repository, base, made)
        if note is None:
            raise Moved
        await self._keeper.sync(repository)
        await self._end(row, "merged", reason=note or None)
        await stores.tidy(repository.id)

    async def _test(
        self, row: MergeRow, repository: RepositoryRow, worktree: WorktreeRow, base: str, candidate: str
    ) -> tuple[int | None, str]:
        """Run the test in a checkout of what the base is to become, as the agent, with an empty home."""
        place = self._trees.root / "tests" / row.id
        home, tree = place / "home", place / "tree"
        async with self._tests:
            try:
                await self._trees.clear(place)
                await anyio.to_thread.run_sync(self._trees.nest, home, worktree.uid)
                await self._trees.make(
                    repository.id,
                    tree,
                    candidate,
                    worktree.branch,
                    worktree.uid,
                    who=(worktree.name, address(worktree.agent)),
                    base=repository.base,
                    tip=base,
                )
                env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(home), "CI": "1"}
                ran = await self._errands.run(
                    f"errand-test-{row.id}",
                    worktree.uid,
                    ("/bin/sh", "-c", 'exec 2>&1; eval "$1"', "sh", row.test or ""),
                    env=env,
                    cwd=tree,
                    home=home,
                    mounts=self._trees.bound(repository.id, tree),
                    deadline_s=row.test_timeout_s,
                    keep=OUTPUT,
                )
            finally:
                with anyio.CancelScope(shield=True):
                    await self._trees.clear(place)
        head = f"[{ran.dropped:,} bytes before this are left out]\n" if ran.dropped else ""
        return ran.code, head + ran.output.decode("utf-8", "replace")

    # Rows ---------------------------------------------------------------------------------------------

    async def _step(self, row: MergeRow, state: str) -> None:
        await self._write(row, lambda one: None, state)

    async def _write(self, row: MergeRow, change: Callable[[MergeRow], None], state: str | None = None) -> MergeRow:
        def work(tx: Tx) -> MergeRow:
            found = tx.session.get_one(MergeRow, row.seq)
            change(found)
            if state is None:
                tx.session.add(found)
            else:
                self._change(tx, found, state)
            return found

        return await self._store.write(work)

    async def _end(self, row: MergeRow, state: str, **facts: Any) -> None:
        """Write the outcome, and tell the agent."""

        def work(tx: Tx) -> tuple[MergeRow, WorktreeRow]:
            found, worktree = tx.session.get_one(MergeRow, row.seq), tx.session.get_one(WorktreeRow, row.worktree)
            self._change(tx, found, state, **facts)
            if state == "merged":
                worktree.merged = found.tip
                tx.session.add(worktree)
            return found, worktree

        found, worktree = await self._store.write(work)
        text = f"The merge of your branch {worktree.branch}: {state}." + (f" {found.reason}" if found.reason else "")
        if found.output and state == "failed_tests":
            text += f"\n\n{found.output[-3000:]}"
        try:
            await self._messages.announce(
                worktree.agent, worktree.name, text, {"worktree": worktree.id, "merge": found.id, "state": state}
            )
        except AetherError as exc:  # the agent was removed, say
            logger.info("agent %s is not told of merge %s: %s", worktree.agent, found.id, exc.message)

    def _change(self, tx: Tx, row: MergeRow, state: str, **facts: Any) -> None:
        before, row.state = row.state, state
        if "files" in facts:
            facts["files"] = json.dumps(list(facts["files"])[:FILES], ensure_ascii=False)
        for name, value in facts.items():
            setattr(row, name, value)
        if state not in ("queued", "rebasing", "testing"):
            row.ended_at = stamp(self._clock.now())
        tx.session.add(row)
        if before != state:
            tx.emit(_told(row, before))
        tx.after(self._wake_waiters)

    def _wake_waiters(self) -> None:
        news, self.news = self.news, anyio.Event()
        news.set()


def waiting(session: Session, repository: str, before: int | None = None) -> int:
    """Return how many merges of a repository have not ended, or come before one."""
    count = select(func.count()).select_from(MergeRow)
    count = count.where(MergeRow.repository == repository, col(MergeRow.ended_at).is_(None))
    if before is not None:
        count = count.where(col(MergeRow.seq) < before)
    return session.exec(count).one()


def _advice(clash: Clash, repository: RepositoryRow, row: MergeRow) -> str:
    at = f" (commit {clash.commit[:12]})" if clash.commit else ""
    way = f"git rebase base/{repository.base}" if row.how == "rebase" else f"git merge base/{repository.base}"
    return (
        f"it conflicts with {repository.base}{at} in {', '.join(clash.files[:FILES])}: run `{way}` in the worktree, "
        "resolve that, and worktree.merge again"
    )


def _told(row: MergeRow, before: str | None) -> WorktreeMergeChanged:
    return WorktreeMergeChanged(
        agent=row.agent,
        worktree=row.worktree,
        merge=row.id,
        from_state=before,
        to_state=row.state,
        commit=row.candidate if row.state == "merged" else None,
        reason=row.reason,
    )
