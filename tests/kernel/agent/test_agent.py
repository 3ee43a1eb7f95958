"""Agents: names are unique while they live, homes are private, and what is removed is removed as it was said."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import pytest

from aetherd.core.errors import Conflict, Forbidden, Invalid, NotFound
from aetherd.core.ids import new_id
from aetherd.operations.operation import Call
from fakes import Lab

pytestmark = pytest.mark.anyio
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="agents get a uid of their own only from root")


async def make(lab: Lab, call: Call | None = None, **more: Any) -> Any:
    """Create an agent with a name of its own."""
    return await lab("agent.create", call, **{"name": new_id("name"), **more})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_new_agent_has_what_it_was_given_and_is_found_by_id_and_name(lab: Lab) -> None:
    made = await make(lab, role="tester", description="looks twice")
    assert (made.role, made.description, made.user, made.org) == ("tester", "looks twice", "owner", "home")
    assert (made.parent, made.archived_at) == (None, None)
    assert await lab("agent.get", agent=made.id) == await lab("agent.get", agent=made.name) == made
    told = await lab.event("agent.created", name=made.name)
    assert (told["agent"], told["actor"]) == (made.id, "user:owner")


async def test_a_home_is_closed_to_everybody_but_its_agent(lab: Lab) -> None:
    made = await make(lab)
    home = Path(made.home)
    assert mode(home.parent) == 0o711
    for path in (home, home / "work", home / "tmp", home.parent / "runtime"):
        assert mode(path) == 0o700
        assert path.stat().st_uid == (made.uid if made.uid is not None else os.geteuid())


@as_root
async def test_every_agent_has_a_uid_of_its_own_which_is_never_given_again(lab: Lab) -> None:
    first, second = await make(lab), await make(lab)
    assert second.uid == first.uid + 1 >= lab.running.house.settings.agent_uid_base
    await lab("agent.remove", agent=second.id, home="delete")
    third = await make(lab, name=second.name)
    assert third.uid == second.uid + 1
    assert third.id != second.id


async def test_a_name_in_use_is_refused_for_a_new_and_for_a_renamed_agent(lab: Lab) -> None:
    first, second = await make(lab), await make(lab)
    with pytest.raises(Conflict, match="use another name"):
        await make(lab, name=first.name)
    with pytest.raises(Conflict):
        await lab("agent.update", agent=second.id, name=first.name)
    assert (await lab("agent.get", agent=second.id)).name == second.name


@pytest.mark.parametrize("name", ["", " x", "-x", "a/b", "a\nb", "a\0", "x" * 65, "../x", "a;b", "owner", "aetherd"])
async def test_a_name_that_could_be_mistaken_for_something_else_is_refused(lab: Lab, name: str) -> None:
    with pytest.raises(Invalid, match="name"):
        await make(lab, name=name)


async def test_an_update_changes_what_is_given_and_leaves_the_rest(lab: Lab) -> None:
    made = await make(lab, role="tester", description="looks twice")
    changed = await lab("agent.update", agent=made.name, name=f"{made.name}.b", role="lead")
    assert (changed.name, changed.role, changed.description) == (f"{made.name}.b", "lead", "looks twice")
    assert (changed.id, changed.home) == (made.id, made.home)
    same = await lab("agent.update", agent=made.id, name=changed.name)
    assert same == changed
    with pytest.raises(NotFound):
        await lab("agent.get", agent=made.name)


async def test_an_unknown_agent_is_not_found_and_the_answer_names_some_that_are(lab: Lab) -> None:
    made = await make(lab)
    with pytest.raises(NotFound, match="there are: ") as refused:
        await lab("agent.get", agent="nobody")
    assert refused.value.data == {"kind": "agent", "id": "nobody"}
    assert made.name  # there is at least one


async def test_an_archived_agent_is_listed_only_when_asked_for_and_keeps_its_home(lab: Lab) -> None:
    made = await make(lab)
    put_away = await lab("agent.archive", agent=made.id)
    again = await lab("agent.archive", agent=made.id)
    assert put_away.archived_at == again.archived_at is not None
    assert made.id not in [one.id for one in (await lab("agent.list", limit=100)).agents]
    assert made.id in [one.id for one in (await lab("agent.list", archived=True, limit=100)).agents]
    assert Path(made.home).is_dir()
    assert len([one for one in lab.events if one["type"] == "agent.archived" and one["agent"] == made.id]) == 1


async def test_a_dry_run_tells_what_would_go_and_removes_nothing(lab: Lab) -> None:
    made = await make(lab)
    (Path(made.home) / "work" / "notes").write_bytes(b"x" * 1000)
    told = await lab("agent.remove", agent=made.id, home="delete", dry_run=True)
    assert (told.agent, told.action, told.bytes, told.archive, told.done) == (made.id, "delete", 1000, None, False)
    assert await lab("agent.get", agent=made.id) == made
    assert (Path(made.home) / "work" / "notes").exists()


async def test_a_home_with_a_pipe_a_socket_and_a_sparse_terabyte_is_packed_at_once(lab: Lab, tmp_path: Path) -> None:
    made = await make(lab)
    work = Path(made.home) / "work"
    os.mkfifo(work / "pipe")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(work / "s"))
    with (work / "huge").open("wb") as file:
        file.write(b"begin")
        file.seek(1 << 39)
        file.write(b"middle")
        file.truncate(1 << 40)
    with (work / "hole").open("wb") as file:
        file.truncate(1 << 40)
    with anyio.fail_after(20):
        answer = await lab("agent.remove", agent=made.id, home="archive")
    assert Path(answer.archive).stat().st_size < 100_000
    subprocess.run(["tar", "xzf", answer.archive, "-C", str(tmp_path)], check=True, timeout=20)
    there = tmp_path / made.id / "home" / "work"
    assert sorted(os.listdir(there)) == ["hole", "huge"]
    assert [(there / name).stat().st_size for name in ("hole", "huge")] == [1 << 40, 1 << 40]
    with (there / "huge").open("rb") as file:
        assert file.read(6) == b"begin\0"
        file.seek((1 << 39) - 1)
        assert file.read(8) == b"\0middle\0"
    assert (there / "huge").stat().st_blocks < 100


async def test_remove_keeps_packs_or_deletes_the_home_as_it_is_told(lab: Lab) -> None:
    kept, packed, deleted = await make(lab), await make(lab), await make(lab)
    for one in (kept, packed, deleted):
        (Path(one.home) / "work" / "notes").write_text("what I found")
    (Path(packed.home) / "link").symlink_to("/etc/passwd")
    assert (await lab("agent.remove", agent=kept.id)).done
    answer = await lab("agent.remove", agent=packed.id, home="archive")
    await lab("agent.remove", agent=deleted.id, home="delete")
    assert (Path(kept.home) / "work" / "notes").read_text() == "what I found"
    assert not Path(packed.home).exists()
    assert not Path(deleted.home).exists()
    assert mode(Path(answer.archive)) == 0o600
    with tarfile.open(answer.archive) as archive:
        assert archive.extractfile(f"{packed.id}/home/work/notes").read() == b"what I found"  # type: ignore[union-attr]
        assert archive.getmember(f"{packed.id}/home/link").issym()
    for one in (kept, packed, deleted):
        with pytest.raises(NotFound):
            await lab("agent.get", agent=one.id)


async def test_deleting_a_home_follows_no_link_out_of_it(lab: Lab, tmp_path: Path) -> None:
    made = await make(lab)
    (tmp_path / "mine").write_text("stays")
    (Path(made.home) / "work" / "link").symlink_to(tmp_path)
    answer = await lab("agent.remove", agent=made.id, home="delete", dry_run=True)
    assert answer.bytes == 0
    await lab("agent.remove", agent=made.id, home="delete")
    assert (tmp_path / "mine").read_text() == "stays"


@as_root
async def test_making_a_home_again_gives_nothing_away_through_a_link_the_agent_planted(
    lab: Lab, tmp_path: Path
) -> None:
    made = await make(lab)
    (Path(made.home) / "work").rmdir()
    (Path(made.home) / "work").symlink_to(tmp_path)
    await lab.kernel.rooms["agent"].make_home(made.id, made.uid)
    assert tmp_path.stat().st_uid == os.geteuid()
    assert (Path(made.home) / "work").is_symlink()


async def test_the_name_of_a_removed_agent_is_free_again_and_its_id_is_not(lab: Lab) -> None:
    first = await make(lab)
    await lab("agent.remove", agent=first.id)
    second = await make(lab, name=first.name)
    assert second.id != first.id
    assert second.home != first.home
    assert (await lab("agent.get", agent=first.name)).id == second.id


async def test_an_agent_that_runs_is_neither_removed_nor_put_away(lab: Lab) -> None:
    process = await lab.sh("exec sleep 1000")
    for name in ("agent.remove", "agent.archive"):
        with pytest.raises(Conflict, match=f"runs as process {process.pid}"):
            await lab(name, agent=process.agent)
    await lab("process.kill", pid=process.pid)
    assert (await lab("agent.remove", agent=process.agent, home="delete")).done


async def test_an_agent_that_is_removed_while_it_is_spawned_is_not_run(lab: Lab) -> None:
    made = await make(lab)

    async def meanwhile(agent: str, user: str, org: str, goal: str | None) -> str:
        if agent == made.id:
            await lab("agent.remove", agent=made.id)
        return ""

    lab.kernel.rooms["process"].context_sources.append(meanwhile)
    with pytest.raises(NotFound, match=f"agent '{made.name}' was removed"):
        await lab.spawn(agent=made.id, goal="say hello")
    assert (await lab("process.list", agent=made.id)).processes == []


async def test_an_agent_that_is_spawned_while_it_is_removed_stays(lab: Lab) -> None:
    made, spawned = await make(lab), []

    def meanwhile(session: object, agent: str) -> None:
        if agent == made.id and not spawned:
            spawned.append(anyio.from_thread.run(lambda: lab.sh("exec sleep 1000", agent=made.id)))

    lab.kernel.rooms["agent"].removal_gates.append(meanwhile)
    with pytest.raises(Conflict, match="runs as process"):
        await lab("agent.remove", agent=made.id, home="delete")
    assert (await lab("process.get", pid=spawned[0].pid)).state == "running"
    assert Path(made.home).is_dir()


async def test_an_agent_of_another_user_is_not_told_of(lab: Lab) -> None:
    made, stranger = await make(lab), lab.running.call(actor="user:stranger", user="stranger")
    theirs = await make(lab, stranger, name=made.name)
    for ref in (made.id, "nobody"):
        with pytest.raises(NotFound) as refused:
            await lab("agent.get", stranger, agent=ref)
        assert refused.value.message == f"no agent {ref!r}; there are: {theirs.name}"
    assert (await lab("agent.get", stranger, agent=made.name)).id == theirs.id
    assert (await lab("agent.get", agent=made.name)).id == made.id


async def test_pages_are_newest_first_and_complete(lab: Lab) -> None:
    made = [(await make(lab)).id for _ in range(5)]
    seen: list[str] = []
    cursor = None
    while len(seen) < 5:
        page = await lab("agent.list", limit=2, **({"cursor": cursor} if cursor else {}))
        assert len(page.agents) == 2
        seen += [one.id for one in page.agents]
        cursor = page.cursor
    assert seen[:5] == made[::-1]
    assert len(set(seen)) == len(seen)


async def test_the_last_page_says_that_it_is_the_last(lab: Lab) -> None:
    total = len((await lab("agent.list", limit=100, archived=True)).agents)
    assert (await lab("agent.list", limit=total, archived=True)).cursor is None


async def test_an_agent_sees_itself_and_its_children_and_nobody_else(lab: Lab) -> None:
    mother, stranger = await make(lab), await make(lab)
    as_mother = Call("c", f"agent:{mother.id}", frozenset({"*"}), "mcp", agent=mother.id)
    child = await make(lab, as_mother)
    assert child.parent == mother.id
    assert {one.id for one in (await lab("agent.list", as_mother)).agents} == {mother.id, child.id}
    assert (await lab("agent.update", as_mother, agent=child.id, role="helper")).role == "helper"
    for name in ("agent.get", "agent.update", "agent.archive"):
        with pytest.raises(Forbidden):
            await lab(name, as_mother, agent=stranger.id)


async def test_two_agents_made_up_at_once_have_different_names(lab: Lab) -> None:
    first, second = await lab.sh("true"), await lab.sh("true")
    assert first.name != second.name
    assert first.name.startswith("command-")
