"""A daemon that is killed in the middle of the merge queue: the real one, on a real repository."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.e2e.daemon_lab import Daemon, until

BARE = {"PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent", "GIT_CONFIG_GLOBAL": "/dev/null"}
BARE |= {f"GIT_{who}_{what}": "pat@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def git(place: Path, *arguments: str) -> str:
    """Run the person's own git; returns what it printed."""
    found = subprocess.run(("git", "-C", str(place), *arguments), env=BARE, capture_output=True, text=True, check=True)
    return found.stdout.strip()


def test_a_kill_in_the_middle_of_the_merge_queue_loses_and_doubles_nothing() -> None:
    with Daemon() as daemon, tempfile.TemporaryDirectory() as name:
        ground = Path(name)
        place = ground / "repository"
        git(ground, "init", "-q", "-b", "main", str(place))
        git(place, "commit", "-q", "--allow-empty", "-m", "first")
        git(place, "checkout", "-q", "--detach")
        test = 'touch "$HOME/begun"; while [ ! -e "$HOME/gate" ]; do sleep 0.05; done; test -e ann'
        trees = [made(daemon, place, who, test=test) for who in ("ann", "bob")]

        def begun() -> list[int]:
            """Return when the test that runs has begun, of those whose home is there."""
            return [one.stat().st_mtime_ns for one in daemon.home.glob("worktrees/tests/*/home/begun")]

        def running() -> int:
            return sum(b"$HOME/gate" in command(os_pid) for os_pid in daemon.tree())

        for tree in trees:
            daemon.call("worktree.merge", worktree=tree["id"])
        until(begun, 30, "the first test to run")
        first = begun()
        daemon.restart()
        until(lambda: begun() and begun() != first, 30, "the test to be run again")
        until(lambda: running() == 1, 10, "the test of the killed daemon to be ended")

        def states() -> list[Any]:
            found = {one["id"]: one["merge"]["state"] for one in daemon.call("worktree.list")["worktrees"]}
            return [found[tree["id"]] for tree in trees]

        def done() -> bool:
            for home in daemon.home.glob("worktrees/tests/*/home"):
                with contextlib.suppress(OSError):  # it was just cleared away
                    (home / "gate").touch()
            return states() == ["merged", "merged"]

        until(done, 30, "both to be merged", states)
        assert git(place, "log", "--format=%s", "main").splitlines() == ["bob's", "ann's", "first"]


def command(os_pid: int) -> bytes:
    """Return the command line of a process; nothing when it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{os_pid}/cmdline").read_bytes()
    return b""


def made(daemon: Daemon, place: Path, who: str, **more: Any) -> dict[str, Any]:
    """Make an agent with a worktree that has one commit."""
    daemon.call("agent.create", name=who)
    tree: dict[str, Any] = daemon.call("worktree.create", repository=str(place), base="main", agent=who, **more)
    (Path(tree["path"]) / who).write_text("new")
    daemon.call("worktree.commit", worktree=tree["id"], message=f"{who}'s")
    return tree
