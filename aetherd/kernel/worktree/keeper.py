"""Living worktrees: what is in each, how it stands to the base and to the others, and what of it must not be lost."""

from __future__ import annotations

import logging
import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

import anyio
import anyio.to_thread

from aetherd.core.errors import AetherError, Conflict, Invalid
from aetherd.kernel.worktree.inside import Inside, Look, Place
from aetherd.kernel.worktree.stores import Clash
from aetherd.kernel.worktree.tables import RepositoryRow, WorktreeRow
from aetherd.kernel.worktree.trees import Trees

logger = logging.getLogger(__name__)

PAIRS = 200  # worktrees that are compared for one answer
KEPT = 5_000  # comparisons remembered
AT_ONCE = 3  # looks


@dataclass(frozen=True, slots=True)
class Standing:
    """A look, and how it stands to the base."""

    look: Look
    base: str
    ahead: int
    behind: int
    dirty: Sequence[str]


class Keeper:
    """Looks into worktrees, and keeps what it saw in the work store."""

    def __init__(self, trees: Trees, inside: Inside) -> None:
        self._trees, self._inside, self._stores = trees, inside, trees.stores
        self._looks: dict[str, Look] = {}
        self._clashes: dict[tuple[str, str], Clash | None] = {}
        self.locks: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)  # one git of ours in a worktree at a time
        self.stores: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)  # one that moves a repository's base
        self._limiter = anyio.CapacityLimiter(AT_ONCE)

    def place(self, row: WorktreeRow) -> Place:
        """Return where a worktree is and as whom."""
        tree = self._trees.tree(row.id)
        mounts = self._trees.bound(row.repository, tree)
        return Place(row.id, tree, self._trees.shadow(row.id), row.branch, row.uid, mounts)

    async def sync(self, repository: RepositoryRow) -> str:
        """Return the tip of the base branch as it is now."""
        async with self.stores[repository.id]:
            return await self._stores.sync(repository)

    async def look(self, row: WorktreeRow, repository: RepositoryRow, base: str, *, anew: bool = False) -> Standing:
        """See what is in a worktree now; what it is based on and what lies there is then in the work store, too.

        With `anew` all that its other refs name is, as well.
        """
        async with self.locks[row.id], self._limiter:
            last = None if anew else self._looks.get(row.id)
            place = self.place(row)
            found = await self._inside.look(place, base, repository.base, last)
            if found.packed:
                names = {"tip": found.tip, "head": found.head, "snapshot": found.snapshot}
                await self._stores.take(repository.id, row.id, place.shadow / "pack", names)
                self._looks[row.id] = found
        work = self._stores.work(repository.id)
        counted = await work.run("rev-list", "--left-right", "--count", "--cherry-pick", f"{base}...{found.tip}")
        behind, ahead = (int(word) for word in counted.text.split())
        dirty: Sequence[str] = ()
        if found.snapshot != found.head:
            dirty = await self.changed(repository.id, found.head, found.snapshot)
        return Standing(found, base, ahead, behind, dirty)

    async def changed(self, repository: str, old: str, new: str) -> list[str]:
        """Return the files that differ between two commits."""
        ran = await self._stores.work(repository).run("diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new)
        return [name for name in ran.out.decode("utf-8", "replace").split("\0") if name]

    def forget(self, key: str) -> None:
        """Forget one that is gone."""
        self._looks.pop(key, None)
        self.locks.pop(key, None)

    async def forecast(
        self, repository: str, mine: Mapping[str, Standing], all_of_them: Mapping[str, Standing]
    ) -> tuple[dict[str, dict[str, Clash]], bool]:
        """Return, for each of mine, which of the others would conflict with it; and whether all were compared."""
        found: dict[str, dict[str, Clash]] = {key: {} for key in mine}
        pairs = {
            tuple(sorted((one, other))): None
            for one in mine
            for other in all_of_them
            if one != other and (mine[one].ahead or mine[one].dirty)
            and (all_of_them[other].ahead or all_of_them[other].dirty)
        }  # fmt: skip
        for one, other in islice(pairs, PAIRS):
            clash = await self._clash(repository, all_of_them[one].look.snapshot, all_of_them[other].look.snapshot)
            if clash is not None:
                for key, with_whom in ((one, other), (other, one)):
                    if key in found:
                        found[key][with_whom] = clash
        return found, len(pairs) <= PAIRS

    async def _clash(self, repository: str, one: str, other: str) -> Clash | None:
        key = (min(one, other), max(one, other))
        if key not in self._clashes:
            while len(self._clashes) >= KEPT:
                del self._clashes[next(iter(self._clashes))]
            try:
                self._clashes[key] = await self._stores.clash(repository, *key)
            except AetherError as exc:  # without a common ancestor, say
                logger.debug("cannot compare %s and %s: %s", one, other, exc.message)
                return None
        return self._clashes[key]

    # The patch ---------------------------------------------------------------------------------------

    async def since(self, repository: str, standing: Standing) -> str:
        """Return the commit at which a worktree left the base."""
        found = await self._stores.work(repository).line("merge-base", standing.base, standing.look.tip)
        if found is None:
            raise Conflict(
                "its branch has nothing in common with the base; make another worktree and take the changes over"
            )
        return found

    async def numbers(
        self, repository: str, old: str, new: str, paths: Sequence[str]
    ) -> list[tuple[str, int | None, int | None]]:
        """Return path, lines added and lines removed of each file that differs."""
        ran = await self._stores.work(repository).run(*_diff("--numstat", "-z", "--no-renames"), old, new, "--", *paths)
        found = []
        for line in ran.out.decode("utf-8", "replace").split("\0"):
            if line:
                added, removed, name = line.split("\t", 2)
                found.append((name, *(None if count == "-" else int(count) for count in (added, removed))))
        return found  # type: ignore[return-value]

    async def patch(
        self, repository: str, old: str, new: str, paths: Sequence[str], first: int, limit: int
    ) -> tuple[bytes, bool]:
        """Return a part of the patch, and whether more follows."""
        ran = await self._stores.work(repository).run(
            *_diff("-p", "-M"), old, new, "--", *paths, keep=first + limit, deadline_s=120
        )
        return ran.out[first:], ran.cut

    # What must not be lost ----------------------------------------------------------------------------

    async def unsaved(self, row: WorktreeRow, standing: Standing) -> tuple[dict[str, str], int]:
        """Return the refs with commits that are nowhere else, by name, and how many such commits there are."""
        work = self._stores.work(row.repository)
        safe = [f"^{oid}" for oid in (standing.base, row.merged, row.pushed) if oid]
        refs = {"HEAD": standing.look.head, f"refs/heads/{row.branch}": standing.look.tip, **standing.look.refs}
        kept, commits = {}, set()
        for name, oid in refs.items():
            found = (await work.run("rev-list", "--max-count=10000", oid, *safe)).text.split()
            if found:
                kept[name] = oid
                commits.update(found)
        return kept, len(commits)

    async def archive(
        self, row: WorktreeRow, standing: Standing, refs: Mapping[str, str], without: Sequence[str]
    ) -> tuple[Path, Path | None]:
        """Write what is nowhere else into a bundle, what is not committed as a patch, too; it is on disk then.

        `without` are commits that whoever opens the bundle has.
        """
        work, root = self._stores.work(row.repository), self._trees.root / "archive"
        bundle, patch = root / f"{row.id}.bundle", None
        names = {f"refs/archive/{row.id}/{_plain(name)}": oid for name, oid in refs.items()}
        if standing.dirty:
            names[f"refs/archive/{row.id}/uncommitted"] = standing.look.snapshot
            patch = root / f"{row.id}.patch"
            with await anyio.to_thread.run_sync(_create, patch) as file:
                look = standing.look
                await work.run(*_diff("--binary", "--full-index"), look.head, look.snapshot, to=file, deadline_s=600)
                await anyio.to_thread.run_sync(os.fsync, file.fileno())
        lines = "".join(f"update {name} {oid}\n" for name, oid in names.items())
        await work.run("update-ref", "--stdin", give=lines.encode())
        given = "".join(f"{name}\n" for name in names) + "".join(f"^{oid}\n" for oid in without)
        with await anyio.to_thread.run_sync(_create, bundle) as file:
            await work.run("bundle", "create", "-q", "-", "--stdin", give=given.encode(), to=file, deadline_s=600)
            await anyio.to_thread.run_sync(os.fsync, file.fileno())
        await work.run("bundle", "verify", "-q", str(bundle), deadline_s=600)
        return bundle, patch


def check_paths(paths: Sequence[str]) -> None:
    """Refuse paths that are not plainly in the worktree."""
    for path in paths:
        parts = path.split("/")
        if path.startswith(("/", ":")) or ".." in parts or re.fullmatch(r"\.git", parts[0], re.IGNORECASE):
            raise Invalid(f"paths: {path!r} is no path in the worktree; give it relative, such as src/app.py")


def _diff(*how: str) -> tuple[str, ...]:
    return ("--literal-pathspecs", "diff", "--no-ext-diff", "--no-textconv", "--no-color", *how)


def _plain(name: str) -> str:
    return name.removeprefix("refs/")


def _create(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb")
