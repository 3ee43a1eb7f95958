"""Who has a workspace, and what they can do there with fs tools and with their own programs."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import Any

import anyio
import pytest

from aetherd.core.errors import Conflict, Forbidden, Invalid, NotFound
from fakes import Lab
from tests.kernel.workspace.conftest import Pair

pytestmark = pytest.mark.anyio


async def test_a_workspace_is_found_by_its_name_and_says_who_has_it(pair: Pair) -> None:
    found = await pair.lab("workspace.get", workspace=pair.space.name)
    assert found.id == pair.space.id
    assert {mount.name for mount in found.mounts} == {pair.agents["ann"].name, pair.agents["bob"].name}
    assert found.id in [one.id for one in (await pair.lab("workspace.list", agent=pair.agents["ann"].id)).workspaces]
    with pytest.raises(Conflict, match="exists"):
        await pair.lab("workspace.create", name=pair.space.name)


async def test_an_agent_sees_what_it_has_or_made_and_nothing_else(pair: Pair) -> None:
    made = await pair.lab("workspace.create", pair.call("eve"), name=f"eve {pair.space.name}"[:60])
    assert [mount.agent for mount in made.mounts] == [pair.agents["eve"].id]
    listed = await pair.lab("workspace.list", pair.call("eve"))
    assert [one.id for one in listed.workspaces] == [made.id]
    for name, raw in (("get", {}), ("reserve", {"path": "x", "reason": "y"}), ("changes", {}), ("mount", {})):
        with pytest.raises(Forbidden, match="not mounted for you"):
            await pair("eve", f"workspace.{name}", **raw)
    with pytest.raises(Forbidden, match="not mounted for you"):
        await pair("eve", "fs.list")
    with pytest.raises(Forbidden, match="only to agents you made"):
        await pair("ann", "workspace.mount", agent=pair.agents["eve"].id)
    with pytest.raises(NotFound, match="no workspace 'nowhere'"):
        await pair.lab("workspace.get", workspace="nowhere")


async def test_fs_tools_of_all_who_have_it_work_on_the_same_files(pair: Pair) -> None:
    await pair("ann", "fs.write", path="src/app.py", content="one\n")
    await pair("bob", "fs.edit", path="src/app.py", old="one", new="two")
    await pair(None, "fs.write", path="src/app.py", content="three\n", mode="append")
    assert (await pair("ann", "fs.read", path="src/app.py")).text == "two\nthree\n"
    assert [one.path for one in (await pair("bob", "fs.search", content="three")).matches] == ["src/app.py"]
    await pair("bob", "fs.move", path="src/app.py", to="lib/app.py")
    await pair("ann", "fs.copy", path="lib", to="copy")
    await pair(None, "fs.remove", path="copy/app.py")
    assert [one.path for one in (await pair(None, "fs.list", recursive=True)).entries] == [
        "copy",
        "lib",
        "lib/app.py",
        "src",
    ]
    about = (pair.path / "lib/app.py").stat()
    assert about.st_mode & 0o777 == 0o664
    assert pair.path.stat().st_mode & 0o007 == 0


@pytest.mark.parametrize("path", ["../x", "a/../../x", "out/x", "/etc/passwd"])
async def test_fs_tools_stay_in_the_workspace(pair: Pair, path: str) -> None:
    (pair.path / "out").symlink_to("/tmp")
    for verb, raw in (("read", {}), ("write", {"content": "x"}), ("stat", {}), ("remove", {})):
        with pytest.raises((Forbidden, Invalid, NotFound)):
            await pair(None if verb == "remove" else "ann", f"fs.{verb}", path=path, **raw)


async def test_one_names_an_agent_or_a_workspace(pair: Pair) -> None:
    with pytest.raises(Invalid, match="not both"):
        await pair("ann", "fs.read", path="x", agent=pair.agents["ann"].id)


async def test_programs_of_all_who_have_it_write_the_same_files_and_nobody_elses_get_in(pair: Pair) -> None:
    assert (
        await pair.sh("ann", f"cd {pair.path} && mkdir sub && echo one > sub/f && umask 077 && echo x > closed") == ""
    )
    await pair(None, "workspace.get")  # a look puts the rights in order
    assert await pair.sh("bob", f"cd {pair.path} && echo two >> sub/f && echo y >> closed && cat sub/f closed") == (
        "one\r\ntwo\r\nx\r\ny\r\n"
    )
    assert (await pair("ann", "fs.read", path="sub/f")).text == "one\ntwo\n"
    if pair.own_uids:
        said = await pair.sh("eve", f"cat {pair.path}/sub/f")
        assert "No such file" in said or "denied" in said
        assert (pair.path / "sub/f").stat().st_uid == pair.agents["ann"].uid


async def test_a_running_agent_reaches_it_with_its_own_programs_from_its_next_start(pair: Pair) -> None:
    process = await pair.lab.spawn("command", argv=["sleep", "1000"], agent=pair.agents["eve"].id)
    mounted = await pair.lab("workspace.mount", workspace=pair.space.id, agent=pair.agents["eve"].id)
    wire = mounted.model_dump(mode="json")
    assert (wire["live"], wire["from"]) == ((False, "next start") if pair.own_uids else (True, "now"))
    assert "fs tools reach it now" in mounted.note
    await pair("eve", "fs.write", path="hello", content="from eve")
    await pair.lab("process.kill", pid=process.pid)
    process = await pair.lab.spawn("command", argv=["sleep", "1000"], agent=pair.agents["eve"].id)
    found = await pair.lab("workspace.get", workspace=pair.space.id)
    [mount] = [one for one in found.mounts if one.agent == pair.agents["eve"].id]
    assert (mount.live, mount.pid) == (True, process.pid)
    assert found.model_dump(mode="json")["mounts"][0]["from"] == "next start"


async def test_who_may_only_look_cannot_write(pair: Pair) -> None:
    await pair("ann", "fs.write", path="f", content="ann's")
    await pair(None, "workspace.mount", agent=pair.agents["eve"].id, mode="ro")
    assert (await pair("eve", "fs.read", path="f")).text == "ann's"
    with pytest.raises(Forbidden, match="mounted ro"):
        await pair("eve", "fs.write", path="f", content="eve's")
    with pytest.raises(Forbidden, match="mounted ro"):
        await pair("eve", "workspace.reserve", path="f", reason="mine")
    if pair.own_uids:
        said = await pair.sh("eve", f"cat {pair.path}/f; echo; echo no > {pair.path}/f")
        assert said.startswith("ann's")
        assert "Read-only file system" in said or "cannot create" in said
    assert (pair.path / "f").read_text() == "ann's"


async def test_an_agent_is_spawned_into_a_workspace_and_told_of_it(pair: Pair) -> None:
    process = await pair.lab.ready(await pair.lab.spawn(goal="say hi", workspace=pair.space.name))
    spawn = next(one for one in pair.lab.puppet.launched if one.pid == process.pid)
    assert spawn.cwd == pair.path
    assert f"{pair.space.name} (read and write): {pair.path}" in spawn.context
    assert (await pair.lab("workspace.get", workspace=pair.space.id)).mounts[-1].agent == process.agent
    child = await pair.lab(
        "process.spawn", pair.lab.agent_of(process), runtime="command", argv=["true"], workspace=pair.space.id
    )
    assert child.agent in [one.agent for one in (await pair.lab("workspace.get", workspace=pair.space.id)).mounts]
    with pytest.raises(Forbidden, match="not mounted for you"):
        await pair.lab("process.spawn", pair.call("eve"), runtime="command", argv=["true"], workspace=pair.space.id)


async def test_what_is_unmounted_is_out_of_reach(pair: Pair) -> None:
    with pytest.raises(Forbidden, match="is not yours"):
        await pair("ann", "workspace.unmount", agent=pair.agents["bob"].id)
    held = await pair("bob", "workspace.reserve", path="x", reason="mine")
    gone = await pair("bob", "workspace.unmount")
    assert gone.released == [held.id]
    with pytest.raises(Forbidden):
        await pair("bob", "fs.list")
    if pair.own_uids:
        assert "No such file" in await pair.sh("bob", f"ls {pair.path}")
    with pytest.raises(Conflict, match="does not have"):
        await pair(None, "workspace.unmount", agent=pair.agents["bob"].id)


@pytest.mark.parametrize("files", ["keep", "archive", "delete"])
async def test_a_removed_workspace_leaves_what_was_asked(pair: Pair, files: str) -> None:
    await pair("ann", "fs.write", path="f", content="kept?")
    os.symlink("/etc/hostname", pair.path / "link")
    dry = await pair(None, "workspace.remove", files=files, dry_run=True)
    assert (dry.done, dry.bytes >= 5, pair.path.exists()) == (False, True, True)
    gone = await pair(None, "workspace.remove", files=files)
    assert gone.done
    assert pair.path.exists() == (files == "keep")
    if files == "archive":
        with tarfile.open(gone.archive) as archive:
            assert f"{pair.space.id}/f" in archive.getnames()
        assert Path(gone.archive).stat().st_mode & 0o777 == 0o600
    assert Path("/etc/hostname").exists()
    with pytest.raises(NotFound):
        await pair("ann", "fs.read", path="f")
    assert (await pair.lab("workspace.create", name=pair.space.name)).id != pair.space.id


async def test_a_workspace_in_use_is_not_removed(pair: Pair) -> None:
    process: Any = await pair.lab.spawn("command", argv=["sleep", "1000"], agent=pair.agents["ann"].id)
    with pytest.raises(Conflict, match=f"runs as process {process.pid}"):
        await pair(None, "workspace.remove", files="delete")
    assert pair.path.exists()


async def test_two_workspaces_have_groups_of_their_own(lab: Lab) -> None:
    one, two = await lab("workspace.create", name="one"), await lab("workspace.create", name="two")
    if lab.kernel.lifecycle.own_uids:
        assert Path(one.path).stat().st_gid != Path(two.path).stat().st_gid
    assert await lab("workspace.get", workspace="one") == one.model_copy(update={"files": 0, "bytes": 0})


async def test_an_agent_that_is_renamed_or_removed_is_so_here_too(pair: Pair) -> None:
    await pair("ann", "workspace.reserve", path="f", reason="x")
    new = f"{pair.agents['ann'].name}-2"
    await pair.lab("agent.update", agent=pair.agents["ann"].id, name=new)
    await pair.lab("agent.remove", agent=pair.agents["bob"].id)
    with anyio.fail_after(20):
        while [one.name for one in (await pair(None, "workspace.get")).mounts] != [new]:
            await anyio.sleep(0.01)
    assert [one.holder for one in (await pair(None, "workspace.get")).reservations] == [new]


async def test_what_programs_do_in_it_can_be_watched(pair: Pair) -> None:
    seen: list[str] = []
    with anyio.fail_after(20):
        changes = await pair.lab.running.invoke(
            "fs.watch", {"workspace": pair.space.id, "follow": True}, pair.call("ann")
        )
        async for part in changes:
            seen += [one.path for one in part.changes]
            if not seen:
                await pair("bob", "fs.write", path="f", content="x")
            if "f" in seen:
                break
        await changes.aclose()
