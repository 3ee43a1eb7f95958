"""Our own two git stores beside each repository, and what is worked out in them.

`base.git` holds what the base branches reach; agents read its objects. `work.git`, which only the daemon reads, holds
what came out of worktrees, checked by git's fsck. Objects travel as packs, so no git of one side ever reads the
configuration of another. Nothing here touches a file of anybody's: rebases and merges are made of trees.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from aetherd.core.errors import Conflict
from aetherd.kernel.worktree.git import Git, GitFailed
from aetherd.kernel.worktree.inside import open_pack
from aetherd.kernel.worktree.tables import RepositoryRow

LONG_S = 600.0
PACKS = 50  # in the work store before they are put together
COMMITS = 1000  # that are rebased at once


@dataclass(frozen=True, slots=True)
class Clash:
    """What two lines of work both changed."""

    files: Sequence[str]
    commit: str = ""  # the one that could not be put on top


class Stores:
    """The stores of all repositories."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def base(self, repository: str) -> Git:
        """Return the store that agents may read."""
        return Git(self.root / repository / "base.git")

    def work(self, repository: str) -> Git:
        """Return the store that only the daemon reads."""
        return Git(self.root / repository / "work.git")

    def theirs(self, row: RepositoryRow) -> Git:
        """Return the person's repository, used as its owner."""
        return Git(Path(row.git_dir), row.uid)

    async def prepare(self, row: RepositoryRow) -> None:
        """Make both stores if they are not there."""
        base, work = self.base(row.id), self.work(row.id)
        if await anyio.to_thread.run_sync((work.directory / "objects" / "info" / "alternates").is_file):
            return
        kind = await self.theirs(row).line("rev-parse", "--show-object-format") or "sha1"
        for git, mode in ((base, 0o755), (work, 0o700)):
            await anyio.to_thread.run_sync(_directory, git.directory, mode)
            await git.run("init", "-q", "--bare", "--template=", f"--object-format={kind}", str(git.directory))
        await anyio.to_thread.run_sync(_alternate, work.directory, base.directory)

    async def sync(self, row: RepositoryRow) -> str:
        """Take what the base branch of the person's repository has now; returns its tip."""
        theirs, base, ref = self.theirs(row), self.base(row.id), f"refs/heads/{row.base}"
        tip = await theirs.line("rev-parse", "-q", "--verify", f"{ref}^{{commit}}")
        if tip is None:
            raise Conflict(f"{row.path} has no branch {row.base} any more", kind="repository", id=row.id)
        had = await base.line("rev-parse", "-q", "--verify", ref)
        if had != tip:
            if not await base.has(tip):
                known = [f"^{had}"] if had is not None and await theirs.has(had) else []
                await carry(theirs, base, [tip, *known], LONG_S)
            await base.run("update-ref", ref, tip)
        return tip

    async def known(self, row: RepositoryRow) -> str:
        """Return the tip of the base branch as it was when it was seen last."""
        return (await self.base(row.id).run("rev-parse", "-q", "--verify", f"refs/heads/{row.base}")).text

    async def take(self, repository: str, worktree: str, pack: Path, refs: dict[str, str]) -> None:
        """Take a pack that came out of a worktree, if git finds nothing wrong with it; keep what the refs name."""
        work = self.work(repository)
        descriptor = await anyio.to_thread.run_sync(open_pack, pack)
        with os.fdopen(descriptor, "rb") as file:
            await work.run("index-pack", "--stdin", "--fix-thin", "--strict", give=file, deadline_s=LONG_S)
        await self.keep(repository, worktree, refs)

    async def keep(self, repository: str, worktree: str, refs: dict[str, str]) -> None:
        """Have names for what must stay."""
        lines = "".join(f"update refs/worktrees/{worktree}/{name} {oid}\n" for name, oid in refs.items())
        await self.work(repository).run("update-ref", "--stdin", give=lines.encode())

    async def forget(self, repository: str, worktree: str) -> None:
        """Let go of what a worktree had, and of the room it took."""
        work = self.work(repository)
        names = (await work.run("for-each-ref", "--format=delete %(refname)", f"refs/worktrees/{worktree}/")).out
        await work.run("update-ref", "--stdin", give=names)
        await self.tidy(repository, packs=0)

    async def tidy(self, repository: str, *, packs: int = PACKS) -> None:
        """Put many packs into one, without what nothing names any more."""
        work = self.work(repository)
        if len(await anyio.to_thread.run_sync(lambda: list(work.directory.glob("objects/pack/*.pack")))) > packs:
            # What is just being taken in has no name yet: it is left alone for its youth.
            await work.run("gc", "-q", "--prune=1.hour.ago", deadline_s=LONG_S, check=False)

    async def clash(self, repository: str, one: str, other: str) -> Clash | None:
        """Return what would conflict if both were merged; None when nothing would."""
        tree = await self._merge(self.work(repository), one, other)
        return tree if isinstance(tree, Clash) else None

    async def merge(self, repository: str, onto: str, tip: str, message: str, who: tuple[str, str]) -> str | Clash:
        """Return a commit that merges `tip` into `onto`."""
        work = self.work(repository)
        tree = await self._merge(work, onto, tip)
        if isinstance(tree, Clash):
            return tree
        env = _names(who, who)
        made = await work.run("commit-tree", tree, "-p", onto, "-p", tip, give=message.encode(), env=env)
        return made.text

    async def rebase(self, repository: str, onto: str, tip: str, who: tuple[str, str]) -> str | Clash:
        """Put the commits of `tip` that `onto` lacks on top of it, one by one; merges among them are left out."""
        work = self.work(repository)
        if await work.line("merge-base", onto, tip) == onto:
            return tip
        names = ("rev-list", "--reverse", "--topo-order", "--no-merges", "--right-only", "--cherry-pick")
        commits = (await work.run(*names, f"{onto}...{tip}")).text.split()
        if len(commits) > COMMITS:
            raise Conflict(f"{len(commits):,} commits to rebase, at most {COMMITS:,}; squash them, or merge how=merge")
        for commit in commits:
            made = await self._pick(work, onto, commit, who)
            if isinstance(made, Clash):
                return made
            onto = made
        return onto

    async def _pick(self, work: Git, onto: str, commit: str, who: tuple[str, str]) -> str | Clash:
        """Put one commit on top: a merge whose common ancestor is the commit's parent."""
        stand_in = (
            await work.run("commit-tree", f"{onto}^{{tree}}", "-p", f"{commit}^", "-m", "x", env=_names(who, who))
        ).text
        tree = await self._merge(work, stand_in, commit)
        if isinstance(tree, Clash):
            return Clash(tree.files, commit)
        if tree == await work.line("rev-parse", f"{onto}^{{tree}}"):
            return onto  # it is in there already
        told = await work.run("log", "-1", "--date=raw", "--format=%an%x00%ae%x00%ad%x00%B", commit)
        name, email, date, message = told.out.decode("utf-8", "replace").split("\0", 3)
        env = _names((name, email), who) | {"GIT_AUTHOR_DATE": date}
        return (await work.run("commit-tree", tree, "-p", onto, give=message.encode(), env=env)).text

    async def _merge(self, work: Git, one: str, other: str) -> str | Clash:
        """Return the tree of a merge, or what is in its way."""
        ran = await work.run(
            "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", one, other, check=False
        )
        tree, *files = ran.out.decode("utf-8", "surrogateescape").split("\0")
        if ran.code == 0:
            return tree
        if ran.code == 1:
            shown = (name.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for name in files if name)
            return Clash(list(dict.fromkeys(shown)))
        raise GitFailed(f"git merge-tree: {ran.error.strip()[-300:]}")

    async def give(self, row: RepositoryRow, oid: str, have: str) -> None:
        """Copy a commit into the person's repository, with what that lacks of it; no branch moves."""
        await carry(self.work(row.id), self.theirs(row), [oid, f"^{have}"], LONG_S, loose=True)


async def carry(source: Git, target: Git, revisions: Sequence[str], deadline_s: float, *, loose: bool = False) -> None:
    """Copy objects from one repository to another, each as its own user."""
    with tempfile.TemporaryFile() as file:
        wanted = "".join(f"{one}\n" for one in revisions).encode()
        await source.run(
            "pack-objects",
            "--revs",
            "--stdout",
            "--thin",
            "--delta-base-offset",
            "-q",
            give=wanted,
            to=file,
            deadline_s=deadline_s,
        )
        file.seek(0)
        arguments = ("unpack-objects", "-q") if loose else ("index-pack", "--stdin", "--fix-thin")
        await target.run(*arguments, give=file, deadline_s=deadline_s)


def _names(author: tuple[str, str], committer: tuple[str, str]) -> dict[str, str]:
    return {
        "GIT_AUTHOR_NAME": author[0],
        "GIT_AUTHOR_EMAIL": author[1],
        "GIT_COMMITTER_NAME": committer[0],
        "GIT_COMMITTER_EMAIL": committer[1],
    }


def _directory(place: Path, mode: int) -> None:
    place.mkdir(parents=True, exist_ok=True)
    place.chmod(mode)


def _alternate(repository: Path, other: Path) -> None:
    info = repository / "objects" / "info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "alternates").write_text(f"{other / 'objects'}\n")
