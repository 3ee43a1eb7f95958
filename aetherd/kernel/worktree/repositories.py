"""The repositories people have named: only in these may an agent have a worktree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import anyio.to_thread
from sqlmodel import Session, col, select

from aetherd.core.errors import Forbidden, Invalid
from aetherd.core.ids import new_id
from aetherd.kernel.worktree import queue, theirs
from aetherd.kernel.worktree.models import Repository, WorktreeCreate
from aetherd.kernel.worktree.stores import Stores
from aetherd.kernel.worktree.tables import RepositoryRow
from aetherd.kernel.worktree.trees import measure
from aetherd.operations.operation import Call
from aetherd.store import Store


class Repositories:
    """Finds and names repositories."""

    def __init__(self, store: Store, stores: Stores, home: Path, now: Callable[[], str]) -> None:
        self._store, self._stores, self._home, self._now = store, stores, home, now

    async def of(self, call: Call) -> list[RepositoryRow]:
        """Return those of the caller's user, oldest first."""
        mine = select(RepositoryRow).where(RepositoryRow.user == call.user, RepositoryRow.org == call.org)
        return await self._store.read(lambda session: list(session.exec(mine.order_by(col(RepositoryRow.id)))))

    async def get(self, key: str) -> RepositoryRow:
        """Return one."""
        return await self._store.read(lambda session: session.get_one(RepositoryRow, key))

    async def wanted(self, input: WorktreeCreate, call: Call) -> RepositoryRow:
        """Return the one that is meant; a person names it by that, and sets its test."""
        rows = await self.of(call)
        row = _fitting(rows, input.repository, input.base)
        if call.agent is not None:  # an agent learns nothing of paths on this machine
            if row is None:
                raise Forbidden(
                    f"no person has named {input.repository!r}"
                    + (f" with base {input.base!r}" if input.base else "")
                    + " as a repository to work in; worktree.list shows those there are",
                    kind="repository",
                )
            if input.test is not None or input.test_timeout_s is not None:
                raise Forbidden("only a person sets the test of a repository; leave `test` out", field="test")
            return row
        if row is None:
            if not input.repository.startswith(("/", "~")):
                raise Invalid("give the repository's absolute path", field="repository")
            found = await theirs.find(input.repository, input.base, self._home)
            row = _fitting(rows, str(found.path), found.base) or RepositoryRow(
                id=new_id("repository"),
                path=str(found.path),
                git_dir=str(found.git_dir),
                base=found.base,
                uid=found.uid,
                user=call.user,
                org=call.org,
                created_at=self._now(),
                created_by=call.actor,
            )
        given = {"test": input.test, "test_timeout_s": input.test_timeout_s}
        kept = RepositoryRow(**row.model_dump() | {name: value for name, value in given.items() if value is not None})
        await self._stores.prepare(kept)
        return await self._store.write(lambda tx: tx.session.merge(kept))

    async def shown(self, rows: Sequence[RepositoryRow]) -> list[Repository]:
        """Return them as they are shown."""

        def query(session: Session) -> list[int]:
            return [queue.waiting(session, row.id) for row in rows]

        def sizes() -> list[int]:
            return [measure(self._stores.root / row.id).bytes for row in rows]

        waits, taken = await self._store.read(query), await anyio.to_thread.run_sync(sizes)
        shown = {"id", "path", "base", "test", "test_timeout_s"}
        return [
            Repository(**row.model_dump(include=shown), queue=waiting, bytes=size)
            for row, waiting, size in zip(rows, waits, taken, strict=True)
        ]


def _fitting(rows: Sequence[RepositoryRow], path: str, base: str | None) -> RepositoryRow | None:
    return next((one for one in rows if path in (one.id, one.path) and base in (None, one.base)), None)
