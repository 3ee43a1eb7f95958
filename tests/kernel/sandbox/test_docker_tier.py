"""The Docker tier by its face: a hardened container per process, found again, and gone without a trace."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from aetherd.core.config import Settings
from aetherd.core.errors import Unavailable
from aetherd.daemon.kernel import make_home
from aetherd.kernel.process.host import Host
from aetherd.kernel.sandbox.containers import Docker
from aetherd.kernel.sandbox.docker import Engine
from aetherd.kernel.sandbox.keepers import Keepers
from aetherd.kernel.sandbox.plan import OWN, Plan
from docker_engine import DockerEngine
from house import clear

pytestmark = [pytest.mark.anyio, pytest.mark.docker]
UID = 29_999


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """What a process is about to get: a home, a door."""
    for name in ("home/work", "config", f"door/{OWN}"):
        (tmp_path / name).mkdir(parents=True)
    for place in (tmp_path, *tmp_path.rglob("*")):
        os.chown(place, UID, UID)
    return Plan(7, "agent_x", UID, tmp_path / "home", tmp_path / "config", tmp_path / "home/work", tmp_path / "door")


@pytest.fixture
async def tier(docker_base: DockerEngine, settings: Settings) -> AsyncIterator[Docker]:
    """The tier on an engine of our own, with real keepers."""
    make_home(settings)
    engine, keepers = Engine(docker_base.host), Keepers(settings)
    found = Docker(engine, keepers, settings.home, Host(settings).key)
    yield found
    for pid in await found.pids():
        await found.drop(pid)
    engine.close()
    await keepers.aclose()
    await anyio.to_thread.run_sync(clear, settings)


async def test_a_container_is_closed_on_every_side_and_sees_the_agents_own_paths(
    tier: Docker, plan: Plan, docker_base: DockerEngine
) -> None:
    assert await tier.probe() is None
    inside = await tier.hold(plan)
    first = inside.enter["pid"]
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{first}/status").read_text().splitlines())
    assert status["Uid"].split() == [str(UID)] * 4
    assert (int(status["CapEff"], 16), int(status["CapBnd"], 16)) == (0, 0)
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")

    def shell(line: str) -> str:
        return docker_base.docker("exec", f"aether-{tier._key}-p7", "sh", "-c", line)

    assert shell("ls /sys/class/net") == "lo"
    assert shell("touch /x 2>&1 || true").endswith("Read-only file system")
    assert shell(f"touch /run/aether/x 2>&1; touch /run/aether/{OWN}/x {plan.home}/y && echo ok").endswith("ok")
    assert (plan.home / "y").stat().st_uid == UID
    assert shell("unshare -U true 2>&1 || true").endswith("Operation not permitted")


async def test_what_stands_is_found_again_and_what_nobody_keeps_is_ended(
    tier: Docker, plan: Plan, settings: Settings
) -> None:
    made = await tier.hold(plan)
    assert await tier.find(7) == made
    assert await tier.hold(plan) == made
    assert (settings.home / "shim" / "h7" / "holder.json").exists()
    assert await tier.pids() == [7]
    held = tier._keepers.found(7)
    assert held is not None
    os.kill(held.keeper_pid, signal.SIGKILL)
    with anyio.fail_after(10):
        while tier._keepers.found(7) is not None:
            await anyio.lowlevel.checkpoint()
    assert await tier.find(7) is None
    assert await tier.pids() == []
    assert not Path(f"/proc/{made.enter['pid']}").exists()


async def test_an_image_that_is_missing_is_named_with_how_to_get_it(tier: Docker, plan: Plan) -> None:
    wanted = Plan(**{name: getattr(plan, name) for name in plan.__slots__} | {"wish": {"graphical": True}})
    with pytest.raises(Unavailable, match="aetherctl sandbox build-image desktop"):
        await tier.hold(wanted)
    assert await tier.pids() == []


async def test_without_an_engine_the_reason_says_what_to_do(tmp_path: Path) -> None:
    assert await Engine("").trouble() == "switched off by the setting docker_host"
    assert "install docker.io" in (await Engine(f"unix://{tmp_path}/none").trouble() or "")
    (tmp_path / "deaf").touch()
    assert "no Docker engine answers" in (await Engine(f"unix://{tmp_path}/deaf").trouble() or "")
