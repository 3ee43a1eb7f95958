"""Snapshots of agents: what is in one, what comes back, what does not."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from aetherd.core.errors import Conflict, Forbidden, NotFound
from fakes import Lab

pytestmark = pytest.mark.anyio


async def sleeper(lab: Lab, **raw: Any) -> tuple[Any, Path]:
    """Start an agent that does nothing, and return it with its home."""
    process = await lab.sh("exec sleep 1000", **raw)
    return process, lab.home / "agents" / process.agent / "home"


def own(home: Path, *paths: Path) -> None:
    """Let the agent own what the test wrote in its home."""
    status = home.stat()
    for path in paths:
        os.chown(path, status.st_uid, status.st_gid, follow_symlinks=False)


def fill(home: Path) -> None:
    """Make one of everything that a home can hold."""
    work = home / "work"
    (work / "empty").mkdir()
    (work / "deep/er").mkdir(parents=True)
    (work / "deep/er/big").write_bytes(os.urandom(3 << 20))
    (work / "run.sh").write_text("#!/bin/sh\n")
    (work / "run.sh").chmod(0o750)
    os.utime(work / "run.sh", ns=(5, 1_600_000_000_123_456_789))
    (work / "link").symlink_to("/etc/passwd")
    os.link(work / "run.sh", work / "deep/twin")
    with open(work / "sparse", "wb") as file:
        file.truncate(1 << 40)
        file.seek(1 << 39)
        file.write(b"in the middle")
    with open(work / "hole", "wb") as file:
        file.truncate(1 << 30)
    (work / os.fsdecode(b"not \xff utf-8")).write_text("x")
    (home / ".claude").mkdir(exist_ok=True)
    (home / ".claude/.credentials.json").write_text("canary of the credentials")
    os.mkfifo(work / "fifo")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(work / "s"))
    own(home, home / ".claude", *(home / ".claude").rglob("*"), *work.rglob("*"))


def picture(home: Path) -> dict[str, Any]:
    """Return all that a home holds, but for what no snapshot keeps."""
    found = {}
    for path in sorted((home / "work").rglob("*")):
        status = path.lstat()
        what: Any = os.readlink(path) if path.is_symlink() else None
        if path.is_file() and not path.is_symlink():
            what = (status.st_size, path.read_bytes() if status.st_size < 1 << 25 else status.st_blocks)
        elif not path.is_symlink() and not path.is_dir():
            continue
        found[str(path.relative_to(home))] = (oct(status.st_mode), status.st_mtime_ns, status.st_uid, what)
    return found


async def end(lab: Lab, pid: int) -> None:
    await lab("process.kill", pid=pid)
    await lab.ended(pid)


async def test_everything_in_a_home_comes_back_as_it_was_and_the_agent_runs_again(lab: Lab) -> None:
    process, home = await sleeper(lab)
    fill(home)
    before = picture(home)
    made = await lab("snapshot.create", agent=process.agent, name="good")
    assert (made.state, made.kind, made.pid, made.name) == ("ready", "manual", process.pid, "good")
    assert made.stored < 8 << 20
    assert (await lab("process.get", pid=process.pid)).state == "running"
    details = await lab("snapshot.get", snapshot=made.id, verify=True)
    left = {one.path: one.why for one in details.left_out}
    assert left["home/work/fifo"] == left["home/work/s"] == "a pipe, socket or device"
    wreck = await lab.sh("rm -rf ~/work/*; echo wrecked > ~/work/run.sh; mkdir ~/work/new", agent=process.agent)
    await lab.ended(wreck.pid)
    with pytest.raises(Conflict, match=r"runs as process .* end it first"):
        await lab("snapshot.restore", snapshot=made.id)
    await end(lab, process.pid)
    dry = await lab("snapshot.restore", snapshot=made.id, dry_run=True)
    assert (dry.done, dry.pid) == (False, None)
    assert {"work/new": "added", "work/deep/er/big": "removed"}.items() <= {
        one.path: one.change for one in dry.changes.files
    }.items()
    done = await lab("snapshot.restore", snapshot=made.id)
    assert picture(home) == before
    assert (home / "work/run.sh").stat().st_ino == (home / "work/deep/twin").stat().st_ino
    assert (home / "work/sparse").stat().st_blocks < 1000
    again = await lab("process.get", pid=done.pid)
    assert (again.agent, again.state, again.pid != process.pid) == (process.agent, "running", True)
    assert not list((lab.home / "snapshots/work").iterdir())
    await end(lab, done.pid)
    await lab("snapshot.restore", snapshot=done.safety)
    assert (home / "work/new").is_dir()


async def test_no_secret_is_in_a_snapshot(lab: Lab) -> None:
    process, home = await sleeper(lab, env={"KEY": "canary-of-the-environment"})
    (home / ".claude").mkdir()
    (home / ".claude/.credentials.json").write_text("canary of the credentials")
    own(home, home / ".claude", home / ".claude/.credentials.json")
    made = await lab("snapshot.create", agent=process.agent)
    details = await lab("snapshot.get", snapshot=made.id)
    assert "canary" not in details.model_dump_json()


async def test_what_has_not_changed_is_stored_once(lab: Lab) -> None:
    process, home = await sleeper(lab)
    (home / "work/big").write_bytes(os.urandom(4 << 20))
    own(home, home / "work/big")
    first = await lab("snapshot.create", agent=process.agent)
    (home / "work/small").write_text("new")
    own(home, home / "work/small")
    second = await lab("snapshot.create", agent=process.agent)
    assert first.stored > 4 << 20
    assert second.stored < 1000
    found = await lab("snapshot.diff", snapshot=first.id, other=second.id)
    assert [(one.path, one.change) for one in found.files if one.kind == "file"] == [("work/small", "added")]
    assert [one.text.splitlines()[-1] for one in found.files if one.kind == "file"] == ["+new"]
    await lab("snapshot.remove", snapshot=first.id)
    assert (await lab("snapshot.get", snapshot=second.id, verify=True)).verified
    await lab("snapshot.remove", snapshot=second.id)
    assert not [one for one in (lab.home / "snapshots/objects").rglob("*") if one.stat().st_size > 4 << 20]
    with pytest.raises(NotFound):
        await lab("snapshot.get", snapshot=first.id)


async def test_a_fork_runs_beside_with_files_of_its_own(lab: Lab) -> None:
    process, home = await sleeper(lab)
    (home / "work/note").write_text("of the first")
    own(home, home / "work/note")
    made = await lab("snapshot.create", agent=process.agent)
    fork = await lab("snapshot.fork", snapshot=made.id, name="second")
    there = lab.home / "agents" / fork.agent / "home"
    assert (there / "work/note").read_text() == "of the first"
    assert (there / "work/note").stat().st_uid == there.stat().st_uid
    running = {one.agent for one in (await lab("process.list", state="live")).processes}
    assert {process.agent, fork.agent} <= running
    assert (await lab("agent.get", agent="second")).id == fork.agent


async def test_a_torn_or_changed_snapshot_is_refused_and_nothing_is_touched(lab: Lab) -> None:
    process, home = await sleeper(lab)
    (home / "work/note").write_text("kept")
    own(home, home / "work/note")
    made = await lab("snapshot.create", agent=process.agent)
    await end(lab, process.pid)
    (home / "work/note").write_text("now")
    store = lab.home / "snapshots"
    whole = (store / "manifests" / made.id).read_bytes()
    for data in (whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1])):
        (store / "manifests" / made.id).write_bytes(data)
        with pytest.raises(Conflict, match="torn or was changed"):
            await lab("snapshot.restore", snapshot=made.id)
    (store / "manifests" / made.id).write_bytes(whole)
    for file in [one for one in (store / "objects").rglob("*") if one.is_file()]:
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(Conflict, match="torn"):
        await lab("snapshot.restore", snapshot=made.id)
    assert (home / "work/note").read_text() == "now"
    assert not list((store / "work").iterdir())


async def test_an_agent_sees_and_restores_its_own_alone(lab: Lab) -> None:
    process, _ = await sleeper(lab)
    other, _ = await sleeper(lab)
    made = await lab("snapshot.create", lab.agent_of(process))
    assert made.agent == process.agent
    assert [one.id for one in (await lab("snapshot.list", lab.agent_of(process))).snapshots] == [made.id]
    assert (await lab("snapshot.list", lab.agent_of(other))).snapshots == []
    for verb in ("get", "diff", "restore", "fork"):
        with pytest.raises(Forbidden):
            await lab(f"snapshot.{verb}", lab.agent_of(other), snapshot=made.id)


async def test_a_turn_that_changed_files_leaves_a_checkpoint(lab: Lab) -> None:
    process = await lab.ready(await lab.spawn(goal="say done"))
    made = await lab.event("snapshot.created", of=process.pid, kind="auto")
    listed = await lab("snapshot.list", agent=process.agent, kind="auto")
    assert [one.id for one in listed.snapshots] == [made["data"]["snapshot"]]


async def test_a_workspace_comes_back_unless_somebody_else_is_at_work_in_it(lab: Lab) -> None:
    process, _ = await sleeper(lab)
    space = await lab("workspace.create", name="shared-and-kept")
    await lab("workspace.mount", workspace=space.id, agent=process.agent)
    await lab("fs.write", workspace=space.id, path="plan.txt", content="good")
    before = (Path(space.path) / "plan.txt").stat()
    made = await lab("snapshot.create", agent=process.agent)
    await lab("fs.write", workspace=space.id, path="plan.txt", content="wrecked")
    await end(lab, process.pid)
    other, _ = await sleeper(lab)
    await lab("workspace.mount", workspace=space.id, agent=other.agent)
    done = await lab("snapshot.restore", snapshot=made.id)
    assert [one.path for one in done.left] == [space.path]
    assert f"process {other.pid}" in done.left[0].why
    assert (Path(space.path) / "plan.txt").read_text() == "wrecked"
    for pid in (other.pid, done.pid):
        await end(lab, pid)
    again = await lab("snapshot.restore", snapshot=made.id)
    assert again.left == []
    after = (Path(space.path) / "plan.txt").stat()
    assert (Path(space.path) / "plan.txt").read_text() == "good"
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    fork = await lab("snapshot.fork", snapshot=made.id)
    assert fork.agent in {one.agent for one in (await lab("workspace.get", workspace=space.id)).mounts}
