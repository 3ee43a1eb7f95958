"""A house with real processes, a person's git repository, and agents with worktrees of it."""

from __future__ import annotations

import itertools
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from fakes import PATIENCE_S, Lab, anyio_backend, estate, lab

__all__ = ["Ground", "anyio_backend", "estate", "git", "ground", "lab", "meadow", "repository"]

_numbers = itertools.count()
BARE = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "HOME": "/nonexistent",
}
ENDED = ("merged", "conflict", "failed_tests", "failed", "cancelled")


def git(place: Path, *arguments: str) -> str:
    """Run the person's own git; returns what it printed."""
    found = subprocess.run(("git", "-C", str(place), *arguments), env=BARE, capture_output=True, text=True, check=True)
    return found.stdout.strip()


def repository(place: Path) -> Path:
    """Make a person's repository, with a file of ten lines on `main`; nothing is checked out but `desk`."""
    place.mkdir()
    git(place, "init", "-q", "-b", "main")
    git(place, "config", "user.name", "Pat Person")
    git(place, "config", "user.email", "pat@example.org")
    (place / "lines.txt").write_text("".join(f"line {number}\n" for number in range(10)))
    git(place, "add", "-A")
    git(place, "commit", "-qm", "first")
    git(place, "checkout", "-qb", "desk")
    return place


@dataclass
class Ground:
    """A repository of the owner's, and worktrees in it by the name of their agent."""

    lab: Lab
    path: Path
    test: str | None = None
    trees: dict[str, Any] = field(default_factory=dict)

    def call(self, name: str, **changes: Any) -> Any:
        """Return a call of an agent's own."""
        return self.lab.running.agent_call(self.trees[name].agent, **changes)

    def tree(self, name: str) -> Path:
        return Path(self.trees[name].path)

    async def open(self, name: str, **more: Any) -> Any:
        """Make an agent and its worktree."""
        agent = await self.lab("agent.create", name=f"{name}-{next(_numbers)}")
        given = {"test": self.test} if self.test else {}
        made = await self.lab(
            "worktree.create", repository=str(self.path), agent=agent.id, base="main", **given, **more
        )
        self.trees[name] = made
        return made

    async def __call__(self, who: str, verb: str, call: Any = None, /, **raw: Any) -> Any:
        """Run an operation about somebody's worktree, as the owner or as `call`."""
        return await self.lab(f"worktree.{verb}", call, worktree=self.trees[who].id, **raw)

    def write(self, who: str, name: str, text: str) -> None:
        """Write a file as the agent does."""
        place, uid = self.tree(who) / name, self.tree(who).stat().st_uid
        place.write_text(text)
        if os.geteuid() == 0:
            os.chown(place, uid, uid)

    def stage(self, who: str, name: str) -> None:
        """Stage a file as the agent does: what git writes for it is the agent's own."""
        git(self.tree(who), "-c", f"safe.directory={self.tree(who)}", "add", name)
        uid = self.tree(who).stat().st_uid
        for place in (self.tree(who) / ".git").rglob("*") if os.geteuid() == 0 else ():
            os.chown(place, uid, uid, follow_symlinks=False)

    def edit(self, who: str, number: int, text: str) -> None:
        """Change one of the ten lines."""
        lines = (self.tree(who) / "lines.txt").read_text().splitlines()
        lines[number] = text
        self.write(who, "lines.txt", "\n".join(lines) + "\n")

    async def work(self, who: str, number: int, text: str, **more: Any) -> Any:
        """Change a line and commit that."""
        self.edit(who, number, text)
        return await self(who, "commit", self.call(who), message=f"{who} changes line {number}", **more)

    async def seen(self, who: str) -> Any:
        """Return a worktree as it is now."""
        return (await self.lab("worktree.list", worktree=self.trees[who].id)).worktrees[0]

    async def merged(self, who: str, **raw: Any) -> Any:
        """Merge and wait for the outcome."""
        with anyio.fail_after(PATIENCE_S):
            return await self(who, "merge", self.call(who), wait_s=PATIENCE_S, **raw)

    def log(self, *more: str) -> list[str]:
        """Return the subjects of the person's main branch, newest first."""
        return git(self.path, "log", "--format=%s", "main", *more).splitlines()


@pytest.fixture
def meadow() -> Iterator[Path]:
    """Give a directory in which every user of the machine may write."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o777)
        yield place


@pytest.fixture
def ground(lab: Lab, tmp_path: Path) -> Ground:
    return Ground(lab, repository(tmp_path / "repository"))
