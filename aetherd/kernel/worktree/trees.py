"""The directories of worktrees on disk: made, measured, packed, removed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from aetherd.core import disk
from aetherd.core.errors import Conflict
from aetherd.kernel.worktree.git import Git
from aetherd.kernel.worktree.stores import Stores, carry

NAMES = 400_000  # looked at to measure one
LONG_S = 600.0


@dataclass(frozen=True, slots=True)
class Bound:
    """A directory as a process gets it."""

    path: Path
    readonly: bool = False
    gid: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A worktree its agent is to be run in."""

    id: str
    path: Path
    note: str = ""  # it is told of it anyhow


@dataclass(frozen=True, slots=True)
class Disk:
    """What a directory takes."""

    bytes: int
    files: int
    complete: bool  # False: it holds more names than were looked at


class Trees:
    """Where worktrees are, and how one comes to be."""

    def __init__(self, home: Path) -> None:
        self.root = home / "worktrees"
        self.stores = Stores(self.root / "store")
        self._disk = anyio.CapacityLimiter(2)

    def open(self) -> None:
        """Make the directories that hold them: agents pass through, and cannot list them. Blocking."""
        for name in ("", "store", "shadow", "tests", "archive"):
            place = self.root / name
            place.mkdir(mode=0o711, parents=True, exist_ok=True)
            place.chmod(0o700 if name == "archive" else 0o711)
        for left in (self.root / "tests").iterdir():  # of a daemon that was killed
            disk.clear(left)

    def tree(self, key: str) -> Path:
        """Return where a worktree is."""
        return self.root / key

    def shadow(self, key: str) -> Path:
        """Return our own GIT_DIR for it."""
        return self.root / "shadow" / key

    def bound(self, repository: str, tree: Path) -> list[Bound]:
        """Return what a process that works in a tree needs."""
        return [Bound(tree), Bound(self.stores.base(repository).directory / "objects", readonly=True)]

    async def make(
        self,
        repository: str,
        tree: Path,
        oid: str,
        branch: str,
        uid: int | None,
        *,
        who: tuple[str, str],
        base: str,
        tip: str,
    ) -> None:
        """Check a commit out into a repository of its own that shares the base's objects, and give it to a uid.

        `who` commits there; `tip` is where the branch `base` is.
        """
        await self.clear(tree)
        git = Git(tree / ".git")
        await anyio.to_thread.run_sync(lambda: tree.mkdir(mode=0o700))
        await git.run(
            "init", "-q", "--template=", f"--initial-branch={branch}", f"--object-format={kind(oid)}", at=tree
        )
        await anyio.to_thread.run_sync(_settle, git.directory, self.stores.base(repository).directory, who)
        if oid != tip:  # a candidate of the queue
            await carry(self.stores.work(repository), git, [oid, f"^{tip}"], LONG_S)
        refs = f"create refs/heads/{branch} {oid}\ncreate refs/remotes/base/{base} {tip}\n"
        await git.run("update-ref", "--stdin", give=refs.encode())
        await git.run("reset", "-q", "--hard", at=tree, deadline_s=LONG_S)
        if uid is not None:
            await anyio.to_thread.run_sync(give, tree, uid, limiter=self._disk)

    async def make_shadow(self, key: str, oid: str, uid: int | None) -> None:
        """Make our own GIT_DIR for a worktree: agents' programs never reach it."""
        place = self.shadow(key)
        await self.clear(place)
        await anyio.to_thread.run_sync(lambda: place.mkdir(mode=0o700))
        git = Git(place)
        await git.run("init", "-q", "--bare", "--template=", f"--object-format={kind(oid)}", str(place))
        if uid is not None:
            await anyio.to_thread.run_sync(give, place, uid, limiter=self._disk)

    def nest(self, place: Path, uid: int | None) -> None:
        """Make an empty directory for a uid, in one that all may pass through. Blocking."""
        place.parent.mkdir(mode=0o711, exist_ok=True)
        place.mkdir(mode=0o700)
        if uid is not None:
            os.chown(place, uid, uid)

    async def clear(self, place: Path) -> None:
        """Remove a directory with all that is in it; links are not followed."""
        await anyio.to_thread.run_sync(disk.clear, place, limiter=self._disk)

    async def disk(self, key: str) -> Disk:
        """Measure a worktree."""
        return await anyio.to_thread.run_sync(measure, self.tree(key), limiter=self._disk)

    async def pack(self, key: str) -> Path:
        """Pack a whole worktree into a tar file, for when git cannot tell what is in it."""
        target = self.root / "archive" / f"{key}.tar.gz"
        try:
            await anyio.to_thread.run_sync(disk.pack, self.tree(key), target, limiter=self._disk)
        except OSError as exc:
            raise Conflict(f"worktree {key} could not be packed ({exc}); end what works in it, and try again") from exc
        return target


def give(place: Path, uid: int) -> None:
    """Give a directory nobody else has seen yet to a uid."""
    for _, directories, files, descriptor in os.fwalk(place):
        for name in (*directories, *files):
            os.chown(name, uid, uid, dir_fd=descriptor, follow_symlinks=False)
    os.chown(place, uid, uid, follow_symlinks=False)


def measure(place: Path) -> Disk:
    """Return what a directory takes on disk; links are not followed, and what vanishes meanwhile does not count."""
    total = count = 0
    try:
        for _, _, files, descriptor in disk.walk(place):
            for name in files:
                count += 1
                try:
                    total += os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_blocks * 512
                except OSError:
                    continue
            if count > NAMES:
                return Disk(total, count, False)
    except OSError:
        return Disk(total, count, False)
    return Disk(total, count, True)


def kind(oid: str) -> str:
    """Return what a repository of this object counts with."""
    return "sha256" if len(oid) == 64 else "sha1"


def _settle(repository: Path, store: Path, who: tuple[str, str]) -> None:
    """Have a repository use the objects of a store, and commit as somebody (whose name holds no quote)."""
    info = repository / "objects" / "info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "alternates").write_text(f"{store / 'objects'}\n")
    with (repository / "config").open("a") as file:
        file.write(f'[user]\n\tname = "{who[0]}"\n\temail = "{who[1]}"\n')
