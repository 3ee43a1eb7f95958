"""A tree is found, frozen and killed whole, whatever it forked, by every mechanism this machine has."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from shim_lab import Lab, eventually, output_until

from aetherd.shim import cgroups
from aetherd.shim.client import alive, start_time_of
from aetherd.shim.tree import MECHANISMS, Trees, descendants

pytestmark = pytest.mark.anyio
ROOT = f"aetherd-test-{os.getpid()}"


def tag(number: int) -> str:
    """Return a name and marker that no other test run on this machine uses."""
    return f"t{os.getpid()}-{number}"


FORKS = """
import os, sys, time
def daemon(depth):
    if child := os.fork():
        os.waitpid(child, 0)
        return
    os.setsid()
    if os.fork(): os._exit(0)
    if depth % 3 == 0: os.execve("/bin/sleep", ["sleep", "60"], {})
    while depth == 1 and len(sys.argv) > 2: pass
    time.sleep(60)
for n in range(int(sys.argv[1])): daemon(n)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture(params=MECHANISMS)
def trees(request: pytest.FixtureRequest) -> Iterator[Trees]:
    name = f"{ROOT}-{MECHANISMS.index(request.param)}"
    try:
        trees = Trees(name, mechanism=request.param)
    except OSError as error:
        pytest.skip(str(error))
    assert trees.mechanism == request.param
    yield trees
    for number in range(1, 9):
        assert trees.kill(tag(number), tag(number), deadline=10) == []
    if trees._root is not None:
        cgroups.remove(trees._root)
    mount = cgroups.own_mount(name)
    if mount.exists():
        subprocess.run(["umount", str(mount)], check=True)
        mount.rmdir()
        mount.parent.rmdir()


async def forest(lab: Lab, trees: Trees, count: int, marker: str, *more: str) -> int:
    """Start a process that double-forks `count` daemons, and return its pid."""
    env = {"PATH": os.environ["PATH"], "AETHER_PROCESS": marker}
    argv = [sys.executable, "-c", FORKS, str(count), *more]
    _, shim = await lab.open(argv, env=env, cgroups=trees.make(marker))
    await output_until(shim, b"ready")
    await eventually(lambda: len(trees.members(marker, marker)) == count + 1)
    return shim.hello.os_pid


async def test_daemons_that_left_their_session_and_environment_are_killed_too(lab: Lab, trees: Trees) -> None:
    await forest(lab, trees, 50, tag(1))
    members = {pid: start_time_of(pid) for pid in trees.members(tag(1), tag(1))}
    assert len(members) == 51
    started = time.monotonic()
    assert trees.kill(tag(1), tag(1)) == []
    assert time.monotonic() - started < 2
    assert trees.members(tag(1), tag(1)) == []
    await eventually(lambda: all(start_time_of(pid) != start for pid, start in members.items()))
    trees.remove(tag(1))


async def test_a_frozen_tree_uses_no_time_and_goes_on_when_thawed(lab: Lab, trees: Trees) -> None:
    await forest(lab, trees, 6, tag(2), "busy")

    def used() -> int:
        fields = [
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in trees.members(tag(2), tag(2))
        ]
        return sum(int(field[11]) + int(field[12]) for field in fields)

    assert not trees.frozen(tag(2), tag(2))
    trees.freeze(tag(2), tag(2))
    assert trees.frozen(tag(2), tag(2))
    before = used()
    await anyio.sleep(0.3)
    assert used() == before
    trees.thaw(tag(2), tag(2))
    assert not trees.frozen(tag(2), tag(2))
    await eventually(lambda: used() > before)
    trees.freeze(tag(2), tag(2))
    assert trees.kill(tag(2), tag(2)) == []  # a frozen tree can be killed
    trees.remove(tag(2))


async def test_a_signal_reaches_every_process_of_the_tree_and_no_other(lab: Lab, trees: Trees) -> None:
    await forest(lab, trees, 4, tag(3))
    await forest(lab, trees, 4, tag(4))
    assert trees.signal(tag(3), tag(3), signal.SIGTERM) == 5
    await eventually(lambda: trees.members(tag(3), tag(3)) == [])
    assert len(trees.members(tag(4), tag(4))) == 5
    assert trees.kill(tag(4), tag(4)) == []
    for name in (tag(3), tag(4)):
        trees.remove(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a uid of its own, so that the limit counts nothing else")
async def test_a_fork_bomb_is_killed(lab: Lab, trees: Trees) -> None:
    code = """
import os, time
print("ready", flush=True)
while True:
    try: os.fork()
    except OSError: time.sleep(0.05)
"""
    env = {"PATH": "/usr/bin:/bin", "AETHER_PROCESS": tag(5)}
    rights: dict[str, Any] = {
        "uid": 54321,
        "gid": 54321,
        "rlimits": {"nproc": [20, 20]},
        "cgroups": trees.make(tag(5)),
    }
    _, shim = await lab.open(["python3", "-c", code], env=env, **rights)
    await output_until(shim, b"ready")
    await eventually(lambda: len(trees.members(tag(5), tag(5))) > 15)
    assert trees.kill(tag(5), tag(5), deadline=10) == []
    trees.remove(tag(5))


async def test_leftovers_outside_the_group_are_found_by_their_environment(lab: Lab, trees: Trees) -> None:
    _, spawned = await lab.start(["sleep", "60"], env={"PATH": os.environ["PATH"], "AETHER_PROCESS": tag(6)})
    trees.make(tag(6))
    assert trees.members(tag(6), tag(6)) == [spawned.os_pid]
    assert trees.members(tag(6), "t") == []
    trees.freeze(tag(6), tag(6))
    assert trees.frozen(tag(6), tag(6))
    trees.thaw(tag(6), tag(6))
    assert trees.kill(tag(6), tag(6)) == []
    trees.remove(tag(6))


def test_we_and_our_ancestors_are_never_part_of_a_tree(trees: Trees) -> None:
    code = """
import os, sys
from aetherd.shim.tree import Trees
trees = Trees(sys.argv[1], mechanism=sys.argv[2])
assert trees.members(sys.argv[3], sys.argv[3]) == [], trees.members(sys.argv[3], sys.argv[3])
assert trees.kill(sys.argv[3], sys.argv[3]) == []
assert trees.signal(sys.argv[3], sys.argv[3], 9) == 0
print("alive")
"""
    trees.make(tag(7))
    env = {**os.environ, "AETHER_PROCESS": tag(7), "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    name = trees._root.name if trees._root else "x"
    inner = [sys.executable, "-c", code, name, trees.mechanism, tag(7)]
    parent = f"import subprocess, sys; sys.exit(subprocess.call({inner!r}))"
    shown = subprocess.run(
        [sys.executable, "-c", parent], env=env, capture_output=True, text=True, timeout=20, check=False
    )
    assert shown.stdout == "alive\n", shown.stderr
    trees.remove(tag(7))


def test_a_reused_pid_is_not_signalled() -> None:
    from aetherd.shim import tree

    with subprocess.Popen(["sleep", "60"]) as bystander:
        start = start_time_of(bystander.pid)
        assert start is not None
        assert tree._send({bystander.pid: start - 1}, signal.SIGKILL) == []
        assert bystander.poll() is None
        assert tree._send({bystander.pid: start}, signal.SIGKILL) == [bystander.pid]


async def test_descendants_are_those_below_and_not_the_process_itself(lab: Lab) -> None:
    _, shim = await lab.open(["sh", "-c", "sleep 60 & sh -c 'sleep 60 & echo ready; wait'"])
    await output_until(shim, b"ready")
    below = descendants(shim.hello.os_pid)
    assert len(below) == 3
    assert shim.hello.os_pid in descendants(shim.hello.shim_pid)
    for pid in below:
        os.kill(pid, signal.SIGKILL)


async def test_removing_a_group_with_processes_fails_and_harms_nobody(lab: Lab, trees: Trees) -> None:
    if trees.mechanism == "processes":
        pytest.skip("no groups")
    groups = trees.make(tag(8))
    _, spawned = await lab.start(["sleep", "60"], cgroups=groups)
    with pytest.raises(OSError, match="busy"):
        trees.remove(tag(8))
    assert alive(spawned.os_pid, spawned.start_time, spawned.boot_id)
    assert trees.kill(tag(8), "none") == []
    trees.remove(tag(8))
    trees.remove(tag(8))


@pytest.mark.parametrize("name", ["", "..", "a/b", "cgroup.procs", "a" * 200])
def test_names_that_are_no_names_are_refused(name: str) -> None:
    trees = Trees(ROOT, mechanism="processes")
    with pytest.raises(ValueError, match="not a name"):
        trees.make(name)
