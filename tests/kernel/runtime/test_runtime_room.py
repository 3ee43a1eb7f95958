"""Runtimes: installed in a place of their own, checked, repaired, changed, removed; and what goes wrong on the way."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import anyio
import pytest
from installing import Tool, head, install
from registry_double import RegistryDouble

from aetherd.core.config import Settings
from aetherd.core.errors import Conflict, Invalid, NotFound, Unavailable
from aetherd.kernel.runtime.installer import NODE
from aetherd.kernel.runtime.shelf import Shelf
from aetherd.operations.observed import Behaviour, Observations, Seen
from house import Running, run_house

pytestmark = pytest.mark.anyio


async def test_an_install_tells_its_steps_and_then_doctor_and_room_show_the_runtime_ready(
    running: Running, settings: Settings, registry: RegistryDouble
) -> None:
    before = await running.invoke("runtime.get", {"runtime": "acp:tool"})
    assert (before.state, before.installed, before.pinned, before.installable) == ("missing", None, "1.0.0", True)
    told = await install(running)
    steps = list(dict.fromkeys(one.step for one in told))
    assert steps[-1] == "done"
    assert steps == sorted(steps, key=["waiting", "node", "npm", "packages", "checksums", "switch", "done"].index)
    now = await running.invoke("runtime.get", {"runtime": "tool"})
    assert (now.state, now.available, now.version, now.installed) == ("ready", True, "1.0.0", "1.0.0")
    assert (now.packages, now.node, now.files > 3, now.bytes > 0) == (["tool@1.0.0"], NODE, True, True)
    doctor = await running.invoke("system.doctor")
    (same,) = [one for one in doctor.runtimes if one.name == "acp:tool"]
    assert (same.available, same.version, same.path) == (now.available, now.version, now.path)
    place = settings.home / "runtimes/tool/current"
    assert all(path.stat().st_mode & stat.S_IROTH for path in [settings.home / "runtimes", *place.rglob("*")])
    assert (place / "bin/node").read_text().startswith("#!")
    assert head(settings)["integrity"]["tool"].startswith("sha512-")
    assert not list((settings.home / "runtimes").glob(".making-*"))
    fetched = len(registry.asked)
    await install(running)
    assert not [path for path in registry.asked[fetched:] if "node-linux" in path], "Node is fetched once"


async def test_what_aetherd_cannot_install_says_how_it_is_got_and_is_not_removed(
    running: Running, settings: Settings
) -> None:
    with pytest.raises(Invalid, match="command is not installed by aetherd"):
        await install(running, "command")
    with pytest.raises(NotFound, match="no runtime 'nosuch'; there are acp:tool, command"):
        await install(running, "nosuch")
    other = settings.home / "runtimes/command/1"  # another runtime's, which is called as this one is
    other.mkdir(parents=True)
    (other.parent / "current").symlink_to("1")
    with pytest.raises(NotFound, match="command is not installed"):
        await running.invoke("runtime.remove", {"runtime": "command"})
    assert other.is_dir()
    with pytest.raises(Conflict, match="aetherctl runtime install tool"):
        await running.invoke("runtime.update", {"runtime": "tool"})


@pytest.mark.parametrize("name", ["node_modules/tool/lib/deep.js", "bin/node", "node_modules/tool/run"])
async def test_damage_is_found_by_check_and_mended_by_install(running: Running, settings: Settings, name: str) -> None:
    await install(running)
    assert (await running.invoke("runtime.check", {"runtime": "tool"})).ok
    (settings.home / "runtimes/tool/current" / name).write_text("#!/bin/false\n")
    found = await running.invoke("runtime.check", {"runtime": "tool"})
    assert (found.ok, found.damaged) == (False, [f"{name}: different"])
    assert "aetherctl runtime install tool" in found.problem
    await install(running)
    assert (await running.invoke("runtime.check", {"runtime": "tool"})).ok
    assert [path.name for path in (settings.home / "runtimes/tool").glob("1*")] == ["1.0.0+1"]


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        ("away", "cannot be reached: .*; check the network and its proxy, or name a mirror"),
        ("garbled", "other bytes than the registry says"),
        ("unknown", "npm could not install it: E404 404 tool@2.0.0"),
        ("old node", "the pinned Node does not suit the package: .*tool@2.0.0"),
        ("no credential", "answered 401; check the credential in ~/.npmrc"),
    ],
)
async def test_what_cannot_be_installed_says_why_and_leaves_the_version_in_use(
    running: Running,
    settings: Settings,
    registry: RegistryDouble,
    tool: Tool,
    monkeypatch: pytest.MonkeyPatch,
    trouble: str,
    says: str,
) -> None:
    await install(running)
    tool.pin("2.0.0", node="18.0.0")
    if trouble == "away":
        monkeypatch.setenv("npm_config_registry", "http://user:secret@127.0.0.1:1/")
    elif trouble == "garbled":
        for arch in ("x64", "arm64"):
            registry.add(f"node-linux-{arch}", "18.0.0", {"bin/node": "something else"})
            archive, _ = registry.packages[key := f"node-linux-{arch}@18.0.0"]
            registry.packages[key] = (archive, "sha512-" + "A" * 86 + "==")
    elif trouble == "unknown":
        del registry.packages["tool@2.0.0"]
    elif trouble == "old node":
        registry.engines["tool@2.0.0"] = NODE
    else:
        registry.token = "another"
    with pytest.raises(Unavailable, match=says) as refused:
        await install(running)
    assert "secret" not in refused.value.message
    now = await running.invoke("runtime.get", {"runtime": "tool"})
    assert (now.state, now.version, now.installed, now.pinned) == ("outdated", "1.0.0", "1.0.0", "2.0.0")
    assert (await running.invoke("runtime.check", {"runtime": "tool"})).ok
    assert not list((settings.home / "runtimes").glob(".making-*"))


async def test_an_update_leaves_what_runs_its_version_and_a_removal_waits_for_its_end(
    running: Running, settings: Settings, tool: Tool
) -> None:
    await install(running)
    process = await running.invoke("process.spawn", {"runtime": "acp:tool", "goal": "sleep"})
    tool.pin("2.0.0")
    (updated,) = (await running.invoke("runtime.update")).updated
    assert (updated.runtime, updated.version, updated.step) == ("acp:tool", "2.0.0", "done")
    place = settings.home / "runtimes/tool"
    assert {path.name for path in place.glob("[12]*")} == {"1.0.0", "2.0.0"}
    assert (await running.invoke("runtime.get", {"runtime": "tool"})).processes == [process.pid]
    with pytest.raises(Conflict, match=f"in use by p{process.pid}"):
        await running.invoke("runtime.remove", {"runtime": "tool"})
    await running.invoke("process.kill", {"pid": process.pid})
    with anyio.fail_after(20):
        while (await running.invoke("runtime.get", {"runtime": "tool"})).processes:
            await anyio.sleep(0.02)
    removed = await running.invoke("runtime.remove", {"runtime": "tool"})
    assert removed.version == "2.0.0"
    assert removed.freed_bytes > 0
    assert not place.exists()
    assert (await running.invoke("runtime.get", {"runtime": "tool"})).state == "missing"


async def test_who_asks_meanwhile_follows_the_same_install_and_leaving_does_not_end_it(
    running: Running, registry: RegistryDouble
) -> None:
    registry.held = "tool@1.0.0"
    ended: list[str] = []

    async def follow() -> None:
        ended.extend(one.step for one in await install(running))

    leaver = await running.invoke("runtime.install", {"runtime": "tool"})
    await anext(leaver)
    await leaver.aclose()
    async with anyio.create_task_group() as group:
        group.start_soon(follow)
        await anyio.to_thread.run_sync(registry.reached.wait, 20)
        now = await running.invoke("runtime.get", {"runtime": "tool"})
        assert (now.state, now.installing.step) == ("installing", "packages")
        with pytest.raises(Conflict, match="is being installed"):
            await running.invoke("runtime.remove", {"runtime": "tool"})
        registry.go_on.set()
    assert ended[-1] == "done"
    assert sum("tool@1.0.0.tgz" in path for path in registry.asked) == 1


async def test_an_install_cut_by_a_kill_leaves_the_version_in_use_and_is_cleared_away(
    running: Running, settings: Settings, registry: RegistryDouble, tool: Tool
) -> None:
    await install(running)
    registry.held = "tool@2.0.0"
    place = settings.home / "runtimes"
    code = (
        "import os, sys, anyio; from pathlib import Path; from aetherd.runtime import Package;"
        "from aetherd.kernel.runtime.installer import Installer; from aetherd.kernel.runtime.shelf import Shelf\n"
        "async def say(step, detail): pass\n"
        f"package = Package(npm=('tool@2.0.0',), node={NODE!r}, program='node_modules/tool/run')\n"
        "anyio.run(Installer(Shelf(Path(sys.argv[1])), os.environ).install, 'tool', package, {}, say)"
    )
    daemon = await anyio.open_process([sys.executable, "-c", code, str(place)])
    assert await anyio.to_thread.run_sync(registry.reached.wait, 20)
    daemon.kill()
    await daemon.aclose()
    (left,) = place.glob(".making-*")
    npm = int((left / "lock").read_text())
    await anyio.to_thread.run_sync(Shelf(place).open)
    assert not list(place.glob(".making-*"))
    with anyio.fail_after(5):
        while Path(f"/proc/{npm}").exists():
            await anyio.sleep(0.02)
    now = await running.invoke("runtime.check", {"runtime": "tool"})
    assert (now.ok, now.version) == (True, "1.0.0")
    registry.go_on.set()
    tool.pin("2.0.0")
    assert (await install(running))[-1].step == "done"


async def test_get_answers_what_the_bench_saw_not_what_the_adapter_claims(
    settings: Settings, tool: Tool, registry: RegistryDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Seen("0.9.0", (Behaviour("steer", "text reaches it in mid-turn", False, "it waits"),))
    monkeypatch.setattr("aetherd.daemon.kernel.observations", lambda: Observations({"acp:tool": seen}))
    async with run_house(settings, {"acp:tool": tool}) as running:
        found = await running.invoke("runtime.get", {"runtime": "tool"})
    assert found.observed_version == "0.9.0"
    assert [one.model_dump() for one in found.observed] == [
        {"behaviour": "steer", "summary": "text reaches it in mid-turn", "holds": False, "note": "it waits"}
    ]
