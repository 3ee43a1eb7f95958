"""What must never happen across rooms: an agent that uses us, who may more, to reach what is not its own."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest
from sqlmodel import Session, SQLModel, create_engine

from aetherd.core.errors import Forbidden, PendingApproval, Unavailable
from aetherd.core.ids import new_id
from aetherd.kernel.approval import rules
from aetherd.kernel.process.inputs import _waiting
from aetherd.kernel.process.queries import changed_files
from aetherd.kernel.process.supervisor import _unavailable
from aetherd.kernel.process.tables import InputRow
from aetherd.shim.client import ShimGone
from fakes import Lab

pytestmark = pytest.mark.anyio
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="agents get a uid of their own only from root")


@as_root
async def test_a_link_in_a_home_does_not_make_the_agent_owner_of_what_it_leads_to(lab: Lab, tmp_path: Path) -> None:
    made = await lab("agent.create", name=new_id("name"))
    room, home = lab.kernel.rooms["agent"], Path(made.home)
    for name in ("work", "tmp"):
        (home / name).rmdir()
        (home / name).symlink_to(tmp_path)
    await room.make_home(made.id, made.uid)
    assert tmp_path.stat().st_uid == os.geteuid()
    assert home.stat().st_uid == made.uid


@as_root
async def test_an_agent_opens_no_directory_of_the_machine_by_the_place_of_its_child(lab: Lab, tmp_path: Path) -> None:
    parent = lab.agent_of(await lab.ready(await lab.spawn()))
    for place in ("/", str(tmp_path), str(lab.home / "agents" / str(parent.agent) / "home" / "..")):
        with pytest.raises(Forbidden):
            await lab("process.spawn", parent, runtime="command", argv=["/bin/true"], cwd=place)
    tmp_path.chmod(0o755)
    with_person = await lab.sh("sleep 60", cwd=str(tmp_path))
    (tmp_path / "below").mkdir()
    (tmp_path / "out").symlink_to("/")
    parent = lab.agent_of(with_person)
    for name in ("out", "below"):  # which the agent could replace by a link before its child is started
        with pytest.raises(Forbidden):
            await lab("process.spawn", parent, runtime="command", argv=["/bin/true"], cwd=str(tmp_path / name))
    child = await lab("process.spawn", parent, runtime="command", argv=["/bin/true"], cwd=str(tmp_path))
    assert child.parent == with_person.pid


async def test_only_the_agents_own_files_are_named_as_changed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    assert changed_files(tmp_path, 0, os.getuid()) == ["mine"]
    assert changed_files(tmp_path, 0, os.getuid() + 1) == []


async def test_an_agent_kills_only_with_leave_by_whichever_operation(lab: Lab) -> None:
    process = await lab.ready(await lab.spawn())
    with pytest.raises(Forbidden, match=r"process\.kill"):
        await lab("process.signal", lab.agent_of(process), pid=process.pid, signal="KILL")
    assert (await lab("process.get", pid=process.pid)).state == "running"


async def test_leave_for_a_runtimes_tool_is_none_for_an_operation_of_the_same_name(lab: Lab) -> None:
    process = await lab.spawn(goal="ask process.kill ls ;; work")
    asked = await lab.event("approval.requested", pid=process.pid, title="Run ls")
    await lab("approval.decide", id=asked["data"]["approval"], decision="allow_run")
    with pytest.raises(PendingApproval):
        await lab("process.kill", lab.agent_of(process), pid=process.pid)
    assert (await lab("process.get", pid=process.pid)).ended_by is None


@pytest.mark.parametrize("name", ["*", "Bash(*)", "B*sh", "", "a b"])
async def test_leave_for_a_tool_whose_name_has_wildcards_covers_nothing_more(name: str) -> None:
    assert rules.literal(name) is None


async def test_leave_for_a_directory_does_not_lead_out_of_it() -> None:
    assert rules.matches("Edit(/work/*)", "Edit", {"file_path": "/work/a"})
    assert not rules.matches("Edit(/work/*)", "Edit", {"file_path": "/work/../etc/passwd"})


async def test_what_had_its_number_before_a_crash_is_sent_before_anything_new() -> None:
    engine = create_engine("sqlite://")
    SQLModel.metadata.create_all(engine, tables=[SQLModel.metadata.tables["process_input"]])

    def row(key: str, kind: str, frame: int | None, incarnation: int | None) -> InputRow:
        return InputRow(
            id=key,
            pid=1,
            kind=kind,
            by="user:owner",
            state="queued",
            created_at=key,
            frame=frame,
            incarnation=incarnation,
        )

    with Session(engine) as session:
        session.add(row("1", "say", 5, 2))
        session.add(row("2", "say", None, None))
        session.add(row("3", "answer", None, None))
        session.add(row("4", "say", 9, 1))  # of an incarnation that has ended: its number means nothing now
        session.commit()
        assert [item.id for item in _waiting(session, 1, 2)] == ["1", "3", "2", "4"]


async def test_a_database_that_is_busy_is_no_fault_of_supervising_however_it_is_wrapped() -> None:
    busy = Unavailable("full")
    assert _unavailable(ExceptionGroup("", [ExceptionGroup("", [busy])])) is busy
    assert _unavailable(ExceptionGroup("", [busy, ValueError()])) is None
    assert _unavailable(ShimGone("gone")) is None


async def test_a_caller_who_leaves_while_it_spawns_leaves_no_process_that_nobody_attends(lab: Lab) -> None:
    name = new_id("name")
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: lab.spawn(name=name))
        while not (found := [p for p in (await lab("process.list")).processes if p.name == name]):
            await anyio.sleep(0)
        group.cancel_scope.cancel()
    await lab.ready(found[0])
