"""A daemon that is killed in the middle of the merge queue: the real one, on a real repository."""

from __future__ import annotations

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
    """In tier host: the tests tell from outside of any sandbox that they run."""
    with Daemon(env={"AETHER_SANDBOX": "host"}) as daemon, tempfile.TemporaryDirectory() as name:
        ground = Path(name)
        ground.chmod(0o777)
        place, gate, runs = ground / "repository", ground / "gate", ground / "runs"
        git(ground, "init", "-q", "-b", "main", str(place))
        git(place, "commit", "-q", "--allow-empty", "-m", "first")
        git(place, "checkout", "-q", "--detach")
        test = f"echo $$ >> {runs}; while [ ! -e {gate} ]; do sleep 0.05; done; test -e ann"
        trees = [made(daemon, place, who, test=test) for who in ("ann", "bob")]
        runs.touch(mode=0o666)
        runs.chmod(0o666)
        for tree in trees:
            daemon.call("worktree.merge", worktree=tree["id"])
        until(lambda: runs.read_text(), 30, "the first test to run")
        daemon.restart()
        until(lambda: len(runs.read_text().split()) == 2, 30, "the test to be run again")
        first = int(runs.read_text().split()[0])
        until(lambda: not Path(f"/proc/{first}").exists(), 10, "the test of the killed daemon to be ended")
        gate.touch()

        def states() -> list[Any]:
            found = {one["id"]: one["merge"]["state"] for one in daemon.call("worktree.list")["worktrees"]}
            return [found[tree["id"]] for tree in trees]

        until(lambda: states() == ["merged", "merged"], 30, "both to be merged", states)
        assert git(place, "log", "--format=%s", "main").splitlines() == ["bob's", "ann's", "first"]


def made(daemon: Daemon, place: Path, who: str, **more: Any) -> dict[str, Any]:
    """Make an agent with a worktree that has one commit."""
    daemon.call("agent.create", name=who)
    tree: dict[str, Any] = daemon.call("worktree.create", repository=str(place), base="main", agent=who, **more)
    (Path(tree["path"]) / who).write_text("new")
    daemon.call("worktree.commit", worktree=tree["id"], message=f"{who}'s")
    return tree
