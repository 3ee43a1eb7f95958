"""The person's own repository: found, read, moved on and pushed from, as its owner and without its hooks."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from aetherd.core.errors import Conflict, Invalid, NotFound
from aetherd.kernel.worktree.git import Git, GitFailed
from aetherd.kernel.worktree.stores import Stores
from aetherd.kernel.worktree.tables import RepositoryRow

PUSH_S = 300.0


@dataclass(frozen=True, slots=True)
class Found:
    """A repository on this machine."""

    path: Path
    git_dir: Path
    uid: int | None
    base: str


async def find(named: str, base: str | None, home: Path) -> Found:
    """Return the repository at a path; raises `Invalid` with what is wrong about it."""

    def look() -> tuple[Path, int | None]:
        real = Path(named).expanduser().resolve(strict=True)
        return real, real.stat().st_uid if os.geteuid() == 0 else None

    try:
        real, uid = await anyio.to_thread.run_sync(look)
    except (OSError, RuntimeError) as exc:
        raise NotFound(f"no directory {named}", kind="repository", id=named) from exc
    if home == real or home in real.parents:
        raise Invalid(f"{real} belongs to aetherd itself; name a repository of your own", field="repository")
    git = Git(real, uid)
    where = await git.line("rev-parse", "--path-format=absolute", "--git-common-dir", at=real)
    if where is None:
        raise Invalid(f"{real} is not a git repository (or belongs to somebody else)", field="repository")
    git = Git(Path(where), uid)
    if await git.line("rev-parse", "--is-shallow-repository") != "false":
        raise Invalid(f"{real} is a shallow clone; run `git fetch --unshallow` in it first", field="repository")
    if await git.line("config", "--get", "extensions.partialClone"):
        raise Invalid(f"{real} is a partial clone, which has not all its objects; clone it whole", field="repository")
    if base is None:
        base = await git.line("symbolic-ref", "-q", "--short", "HEAD", at=real)
        if base is None:
            raise Invalid(f"{real} is on no branch; say which one to start from with `base`", field="base")
    if await git.line("rev-parse", "-q", "--verify", f"refs/heads/{base}^{{commit}}") is None:
        raise Invalid(f"{real} has no branch {base!r} with a commit on it", field="base")
    return Found(real, Path(where), uid, base)


class Theirs:
    """What is done in repositories of people."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    async def identity(self, row: RepositoryRow) -> tuple[str, str] | None:
        """Return name and address the person commits under there; None when nothing is configured."""
        git, env = self._stores.theirs(row), await anyio.to_thread.run_sync(_own, row.uid)
        told = await git.line("config", "--get-regexp", r"^user\.(name|email)$", env=env) or ""
        found = dict(line.split(" ", 1) for line in told.splitlines() if " " in line)
        name, email = found.get("user.name"), found.get("user.email")
        return (name, email) if name and email else None

    async def contains(self, row: RepositoryRow, oid: str) -> bool:
        """Tell whether the base branch has a commit."""
        ran = await self._stores.theirs(row).run(
            "merge-base", "--is-ancestor", oid, f"refs/heads/{row.base}", check=False
        )
        return ran.code == 0

    async def land(self, row: RepositoryRow, old: str, new: str) -> str | None:
        """Move the base branch, with the checkout it is in; None when it is no longer at `old`.

        Returns what is to be said about it. Raises `Conflict` before anything moves when a checkout is in the way.
        """
        git, places = self._stores.theirs(row), await self._checkouts(row)
        for place in places:
            if (await git.run("status", "--porcelain", "-uno", "--ignore-submodules=all", at=place)).out:
                raise Conflict(
                    f"{row.base} is checked out at {place} with changes that are not committed, so it cannot move: "
                    "commit or stash them there, or check out another branch, then merge again"
                )
        await self._stores.give(row, new, old)
        for place in places:
            await git.run("update-index", "-q", "--refresh", at=place, check=False)
            dry = await git.run("read-tree", "-m", "-u", "-n", old, new, at=place, check=False)
            if dry.code:
                raise Conflict(f"the checkout at {place} is in the way: {dry.error.strip()[-300:]}")
        moved = await git.run("update-ref", "-m", "merge by aetherd", f"refs/heads/{row.base}", new, old, check=False)
        if moved.code:
            if await git.line("rev-parse", f"refs/heads/{row.base}") != old:
                return None
            raise GitFailed(f"git update-ref: {moved.error.strip()[-300:]}")
        return await self.settle(row, old, new)

    async def settle(self, row: RepositoryRow, old: str, new: str) -> str:
        """Bring a clean checkout of the base up to where that has moved; again after a crash is fine."""
        git, said = self._stores.theirs(row), ""
        for place in await self._checkouts(row):
            if (await git.run("diff-index", "--cached", "--quiet", new, at=place, check=False)).code == 0:
                continue
            clean = (await git.run("diff-index", "--cached", "--quiet", old, at=place, check=False)).code == 0
            await git.run("update-index", "-q", "--refresh", at=place, check=False)
            done = await git.run("read-tree", "-m", "-u", old, new, at=place, check=False) if clean else None
            if done is None or done.code:
                said = f"the checkout at {place} was changed meanwhile and still shows the state before: look at it"
        return said

    async def push(self, row: RepositoryRow, key: str, tip: str, have: str, remote: str, branch: str) -> None:
        """Push a commit to a remote of the repository, as the person's own git would; never by force."""
        git = self._stores.theirs(row)
        if remote not in (await git.run("remote")).text.splitlines():
            raise NotFound(f"{row.path} has no remote {remote!r}; git remote -v shows them", kind="remote", id=remote)
        await self._stores.give(row, tip, have)
        ref = f"refs/aetherd/{key}"
        await git.run("update-ref", ref, tip)
        env = await anyio.to_thread.run_sync(_own, row.uid)
        ran = await git.run(
            "push", "--porcelain", remote, f"{ref}:refs/heads/{branch}", env=env, check=False, deadline_s=PUSH_S,
            remote=True,
        )  # fmt: skip
        await git.run("update-ref", "-d", ref)
        if ran.code:
            words = [line for line in (ran.text + "\n" + ran.error).splitlines() if "[" in line or "atal" in line]
            raise Conflict(f"{remote} did not take it: {' '.join(words)[-500:] or ran.error.strip()[-500:]}")

    async def _checkouts(self, row: RepositoryRow) -> list[Path]:
        """Return where the base branch is checked out."""
        found: list[Path] = []
        place = None
        listed = await self._stores.theirs(row).run("worktree", "list", "--porcelain", "-z")
        for line in listed.out.decode("utf-8", "surrogateescape").split("\0"):
            word, _, rest = line.partition(" ")
            if word == "worktree":
                place = Path(rest)
            elif word == "branch" and rest == f"refs/heads/{row.base}" and place is not None:
                found.append(place)
        return [one for one in found if await anyio.to_thread.run_sync(one.is_dir)]


def _own(uid: int | None) -> dict[str, str]:
    """Return what lets a person's own git configuration count: who they are, how they reach remotes."""
    try:
        home = pwd.getpwuid(os.geteuid() if uid is None else uid).pw_dir
    except KeyError:
        return {}
    return {"HOME": home, "GIT_CONFIG_GLOBAL": f"{home}/.gitconfig"}
