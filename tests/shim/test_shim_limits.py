"""What belongs to one process is bounded together, measured, and killed inside when memory is full."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from shim_lab import Lab, eventually, output_until

from aetherd.shim import cgroups
from aetherd.shim.client import Exit
from aetherd.shim.limits import Caps, LegacyPools, Limiter, UnifiedPools
from aetherd.shim.tree import Trees

pytestmark = pytest.mark.anyio
ROOT = f"aetherd-test-limits-{os.getpid()}"
MB = 1 << 20
HOG = "import os\nkept = []\nprint('ready', flush=True)\nwhile True: kept.append(bytearray(os.urandom(4096) * 2560))"
BOMB = """
import os, signal, sys, time
born = 0
while True:
    try: child = os.fork()
    except OSError: break
    if child == 0: time.sleep(60)
    born += 1
print(f"born {born}", flush=True)
time.sleep(60)
"""
BUSY = "print('ready', flush=True)\nwhile True: pass"


@pytest.fixture
def limiter() -> Iterator[Limiter]:
    found = Limiter(ROOT)
    if not found.controllers >= {"memory", "pids", "cpu"}:
        pytest.skip(f"no controllers here: {found.reason}")
    trees = Trees(ROOT)
    yield found
    for name in ("one", "two"):
        assert trees.kill(name, f"{ROOT}-{name}", deadline=10) == []
        trees.remove(name)
        found.remove(name)
    pools: Any = found.pools
    for root in {*getattr(pools, "roots", {}).values(), trees._root} - {None}:
        cgroups.remove(root)


async def bounded(lab: Lab, limiter: Limiter, code: str, caps: Caps, name: str = "one", **more: Any) -> Any:
    """Start a program in a pool, as the daemon does; returns its shim."""
    groups = limiter.make(name, caps)
    groups = [*Trees(ROOT).make(name, limiter.within(name)), *groups]
    env = {"PATH": os.environ["PATH"], "AETHER_PROCESS": f"{ROOT}-{name}"}
    _, shim = await lab.open([sys.executable, "-I", "-S", "-c", code], env=env, cgroups=groups, **more)
    return shim


async def end_of(shim: Any) -> Exit:
    with anyio.fail_after(30):
        while not isinstance(item := await shim.read(), Exit):
            pass
    return item


async def test_memory_over_its_bound_kills_inside_alone_and_is_counted(lab: Lab, limiter: Limiter) -> None:
    caps = Caps(memory=64 * MB)
    beside = await bounded(lab, limiter, "print('ready', flush=True)\nimport time\ntime.sleep(60)", caps)
    await output_until(beside, b"ready")
    hog = await bounded(lab, limiter, HOG, caps, oom_score_adj=500)
    assert (await end_of(hog)).signal == 9
    await eventually(lambda: limiter.oom_kills("one") == 1)
    usage = limiter.usage("one")
    assert usage is not None
    assert usage.memory_peak is not None
    assert usage.memory_peak >= 60 * MB
    assert Path(f"/proc/{beside.hello.os_pid}").exists()  # in the same pool, and not the one to go


async def test_processes_are_bounded_and_the_rest_of_the_machine_still_forks(lab: Lab, limiter: Limiter) -> None:
    bomb = await bounded(lab, limiter, BOMB, Caps(pids=32))
    assert b"born 31" in await output_until(bomb, b"born")
    usage = limiter.usage("one")
    assert usage is not None
    assert usage.pids == 32
    await output_until(await bounded(lab, limiter, "print('ready')", Caps(pids=8), name="two"), b"ready")


async def test_cores_are_bounded_and_time_is_measured(lab: Lab, limiter: Limiter) -> None:
    busy = await bounded(lab, limiter, BUSY, Caps(cpu=0.2))
    await output_until(busy, b"ready")

    def used() -> float:
        usage = limiter.usage("one")
        assert usage is not None
        assert usage.cpu_s is not None
        return usage.cpu_s

    begun, before = anyio.current_time(), used()
    await eventually(lambda: used() - before > 0.2)
    assert anyio.current_time() - begun > 0.5  # of one core it would be 0.2 s
    limiter.change("one", Caps())
    begun, before = anyio.current_time(), used()
    await eventually(lambda: used() - before > 1)  # twenty periods of the old bound


async def test_bounds_reach_a_program_that_runs_without(lab: Lab, limiter: Limiter) -> None:
    if limiter.mechanism != "cgroup1":
        pytest.skip("a program on cgroup v2 is always in a pool")
    assert limiter.make("one", Caps()) == []
    shim = await bounded(lab, limiter, BUSY, Caps())
    await output_until(shim, b"ready")
    assert limiter.usage("one") is None
    limiter.change("one", Caps(memory=256 * MB, pids=16), [shim.hello.os_pid])
    usage = limiter.usage("one")
    assert usage is not None
    assert usage.pids == 1
    for memory in (512 * MB, 128 * MB, None):  # up, down and away
        limiter.change("one", Caps(memory=memory))


# cgroup v2 ------------------------------------------------------------------------------------------------


@pytest.fixture
def unified(tmp_path: Path) -> Path:
    """A double of a unified hierarchy: plain files; the kernel's part is not played.

    Machines that test this have their controllers in v1, where v2 cannot have them as well.
    """
    for place in (tmp_path, root := tmp_path / "aetherd-x"):
        place.mkdir(exist_ok=True)
        (place / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
        (place / "cgroup.subtree_control").write_text("cpu memory pids\n")
    return root


def test_a_pool_of_v2_has_its_bounds_in_the_kernels_words(unified: Path) -> None:
    pools = UnifiedPools(unified)
    assert pools.controllers == {"memory", "pids", "cpu"}
    assert pools.make("p7", Caps(memory=64 * MB, pids=32, cpu=1.5)) == []  # its trees are below it
    place = unified / "pool-p7"

    def said() -> dict[str, str]:
        return {name: (place / name).read_text() for name in ("memory.max", "memory.swap.max", "pids.max", "cpu.max")}

    assert said() == {
        "memory.max": str(64 * MB),
        "memory.swap.max": "0",
        "pids.max": "32",
        "cpu.max": "150000 100000",
    }
    pools.change("p7", Caps(), ())
    assert said() == {
        "memory.max": "max",
        "memory.swap.max": "max",
        "pids.max": "max",
        "cpu.max": "max 100000",
    }
    assert pools.names() == {"p7"}


def test_a_pool_of_v2_is_measured(unified: Path) -> None:
    pools = UnifiedPools(unified)
    assert pools.usage("p7") is None
    pools.make("p7", Caps())
    place = unified / "pool-p7"
    (place / "memory.current").write_text("5000\n")
    (place / "memory.peak").write_text("9000\n")
    (place / "memory.stat").write_text("anon 3000\ninactive_file 1500\n")
    (place / "pids.current").write_text("3\n")
    (place / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\n")
    (place / "memory.events").write_text("low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\n")
    usage = pools.usage("p7")
    assert usage is not None
    assert (usage.memory, usage.memory_peak, usage.pids, usage.cpu_s, usage.oom_kills) == (3500, 9000, 3, 2.5, 1)


def test_without_controllers_there_are_no_pools(unified: Path) -> None:
    (unified / "cgroup.controllers").write_text("")
    (unified / "cgroup.subtree_control").write_text("")
    with pytest.raises(OSError, match="no controllers"):
        UnifiedPools(unified)
    with pytest.raises(OSError, match="no v1 hierarchy"):
        LegacyPools({})
    none = Limiter(ROOT, mechanism="rlimit")
    assert none.reason
    assert none.make("p7", Caps(pids=3)) == []
    assert none.usage("p7") is None
    none.remove("p7")


@pytest.mark.skipif(not cgroups.unified_root(ROOT), reason="no cgroup v2 here")
def test_a_tree_is_found_below_its_pool() -> None:
    trees = Trees(ROOT, mechanism="cgroup2")
    assert trees._root is not None
    (trees._root / "pool-p7").mkdir()
    (made,) = trees.make("p7", "pool-p7")
    assert made.endswith("/pool-p7/p7")
    assert trees.make("p7", "pool-p7") == trees.make("p7") == [made]
    assert trees._group("p7").path == Path(made)  # type: ignore[union-attr]
    trees.remove("p7")
    cgroups.remove(trees._root)
