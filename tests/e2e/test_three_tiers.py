"""The same agent in each tier: a task passes in all of them, and what tries to get out is stopped as documented."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docker_engine import DockerEngine, docker_base, docker_engine
from tests.e2e import walls
from tests.e2e.claude_lab import KEY, Claude, aether, bash, give_key, model, real, says
from tests.e2e.daemon_lab import Daemon, Refused, until

__all__ = ["docker_base", "docker_engine"]
pytestmark = [pytest.mark.docker, pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


@pytest.fixture(scope="module")
def house(docker_base: DockerEngine) -> Iterator[tuple[Daemon, int]]:
    """A daemon with all tiers, and the port of a service on loopback that is none of its business."""
    with walls.served(docker_base) as both:
        yield both


@real
@pytest.mark.parametrize("tier", walls.TIERS)
def test_a_real_claude_code_does_the_same_task_in_every_tier(house: tuple[Daemon, int], tier: str) -> None:
    daemon, _ = house
    who = bash("id -u > who && git init -q . && git status --short && grep Seccomp: /proc/self/status")
    remember = aether("memory_remember", content=f"deployment: the {tier} holds")
    with model(says(who, remember), says("Done.")) as api:
        give_key(daemon, api)
        claude = Claude(daemon, api, "write down who you are", direct=False, sandbox={"tier": tier})
        claude.decide("allow_once")
        result = claude.wait()
        assert (result["outcome"], result["text"]) == ("completed", "Done.")
        assert "?? who" in str(api.requests[-1].messages)
        assert {request.key for request in api.log} == {KEY}  # which the daemon put in
        row = claude.get()
        assert (row["sandbox"]["tier"], row["tools_connected"]) == (tier, True)
        assert claude.file("who").strip() == str(row["sandbox"]["uid"])
        found = daemon.call("memory.recall", query=f"deployment {tier}", agent=claude.name)
        assert any(tier in memory["content"] for memory in found["memories"])


@pytest.fixture(scope="module")
def found(house: tuple[Daemon, int]) -> dict[str, dict[str, str]]:
    """What stopped each try in each tier."""
    daemon, service = house
    victim = walls.victim_of(daemon)
    return {tier: walls.tried(daemon, tier, victim, service) for tier in walls.TIERS}


def test_nothing_gets_out_of_a_sandbox_and_the_table_of_the_documentation_is_true(
    found: dict[str, dict[str, str]],
) -> None:
    for tier in ("bwrap", "docker"):
        assert all(walls.blocked(found[tier]).values()), (tier, found[tier])
    for name in ("other home", "other door", "database", "secrets", "root", "mount", "fork bomb", "memory hog"):
        assert walls.blocked(found["host"])[name], (name, found["host"])
    documented = [re.sub(r"stopped: .*", "stopped", cell) for cell in _cells(walls.written())]
    measured = [re.sub(r"stopped: .*", "stopped", cell) for cell in _cells(walls.table(found))]
    assert documented[: len(measured)] == measured


def _cells(table: str) -> list[str]:
    return [cell.strip() for line in table.splitlines() if line.startswith("|") for cell in line.split("|")[1:-1]]


def test_a_sandbox_outlives_the_daemon_is_measured_bounded_and_gone_with_its_process(house: tuple[Daemon, int]) -> None:
    daemon, _ = house
    tiers = {tier["name"]: tier for tier in daemon.call("sandbox.list")["tiers"]}
    assert [name for name, tier in tiers.items() if tier["works"]] == ["docker", "bwrap", "host"]
    wish = {"argv": ["sleep", "1000"], "limits": {"pids": 40}}
    pids = {tier: daemon.spawn("command", sandbox={"tier": tier}, **wish)["pid"] for tier in walls.TIERS}
    daemon.kill()
    daemon.start()
    for tier, pid in pids.items():
        assert daemon.call("sandbox.get", pid=pid)["tier"] == tier
        assert (daemon.get(pid)["state"], daemon.get(pid)["incarnation"]) == ("running", 1)
        done = _run(daemon, pid, "head -c 200000 /dev/zero | tr '\\0' x; echo oh >&2; exit 3", limit=1000)
        assert (done["code"], done["stderr"], done["bytes"], len(done["stdout"])) == (3, "oh\n", 200_000, 1000)
        home = Path(daemon.call("sandbox.get", pid=pid)["mounts"][0]["path"])
        assert (home / done["file"]).read_text() == "x" * 200_000
        late = _run(daemon, pid, "echo begun; sleep 1000", timeout_s=1)
        assert (late["timed_out"], late["code"], late["stdout"]) == (True, None, "begun\n")
        assert daemon.call("sandbox.set_limits", pid=pid, memory_mb=128)["limits"]["memory_mb"] == 128
        hog = _run(daemon, pid, "head -c 300M /dev/zero | tail | wc -c; sleep 0")
        assert hog["stdout"].strip() == "0"  # tail was killed before it had an end to tell
        stats = daemon.call("sandbox.stats", pid=pid)
        assert (stats["oom_kills"], stats["limits"]["pids"]) == (1, 40)
        daemon.call("process.kill", pid=pid)
        daemon.call("process.wait", pid=pid, until="exit", timeout_s=20)
    assert daemon.call("sandbox.prune", dry_run=True)["removed"] == []


@pytest.mark.parametrize("tier", walls.TIERS)
def test_the_runtime_builtin_runs_with_the_interpreter_of_its_tier(house: tuple[Daemon, int], tier: str) -> None:
    daemon, _ = house
    pid = daemon.spawn("builtin", goal="demo:\nsay hello from inside", sandbox={"tier": tier})["pid"]
    assert daemon.wait(pid)["text"] == "hello from inside"


def test_a_graphical_spawn_where_no_desktop_can_start_fails_says_why_and_leaves_nothing(
    house: tuple[Daemon, int], docker_base: DockerEngine
) -> None:
    daemon, _ = house
    before = docker_base.docker("ps", "-aq")
    wish = {"tier": "docker", "image": "aetherd/base", "graphical": True}
    with pytest.raises(Refused, match=r"desktops need Xvnc where the process runs.*the image aetherd/desktop has them"):
        daemon.spawn("command", argv=["touch", "ran"], name="blind", sandbox=wish)
    (process,) = daemon.call("process.list", agent="blind")["processes"]
    assert (process["state"], process["outcome"]) == ("exited", "failed")
    assert "desktops need Xvnc" in process["reason"]
    assert not list((daemon.home / "agents" / process["agent"]).rglob("ran"))
    assert not daemon.tree(process["pid"])
    assert not (daemon.home / "run" / "p" / str(process["pid"])).exists()
    until(lambda: docker_base.docker("ps", "-aq") == before, 10, "its container to go")


def _run(daemon: Daemon, pid: int, line: str, **input: Any) -> dict[str, Any]:
    found: dict[str, Any] = daemon.call("sandbox.exec", pid=pid, argv=["sh", "-c", line], **input)
    return found
