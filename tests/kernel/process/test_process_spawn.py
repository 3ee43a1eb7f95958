"""Spawning: what cannot work is refused with words before anything is written; what is accepted starts in its turn."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from aetherd.core.errors import AetherError, Conflict, Forbidden, Invalid, NotFound, Unavailable
from fakes import Estate, Lab

pytestmark = pytest.mark.anyio

REFUSED: list[tuple[dict[str, Any], type[AetherError], str]] = [
    ({"runtime": "nope"}, Unavailable, "no runtime named 'nope'; there are: builtin, command, puppet"),
    ({"runtime": "command"}, Invalid, "needs `argv`"),
    ({"runtime": "command", "argv": []}, Invalid, "needs `argv`"),
    ({"argv": ["ls"]}, Invalid, "puppet takes a goal"),
    ({"sandbox": {"tier": "docker"}}, Unavailable, "tier docker does not work here"),
    ({"sandbox": {"tier": "jail"}}, Invalid, "tier"),
    ({"sandbox": {"tier": "host", "network": "none"}}, Invalid, "a network policy needs a sandbox"),
    ({"sandbox": {"tier": "bwrap", "image": "debian"}}, Invalid, "an image needs tier docker"),
    ({"workspace": "w"}, NotFound, "no workspace 'w'"),
    ({"template": "web-researchr"}, NotFound, "no template 'web-researchr'; near it are: web-researcher"),
    ({"budget": -1}, Invalid, "budget"),
    ({"agent": "nobody"}, NotFound, "no agent 'nobody'"),
    ({"limits": {"open_files": 1}}, Invalid, "open_files"),
    ({"priority": 11}, Invalid, "priority"),
    ({"wish": 1}, Invalid, "wish"),
]


@pytest.mark.parametrize(("wish", "error", "words"), REFUSED, ids=[str(one[0]) for one in REFUSED])
async def test_what_cannot_work_is_refused_before_anything_is_written(
    lab: Lab, wish: dict[str, Any], error: type[AetherError], words: str
) -> None:
    before = len(lab.events)
    with pytest.raises(error, match=words):
        await lab.spawn(**wish)
    assert [one["type"] for one in lab.events[before:]] == []
    assert list((lab.home / "secrets" / "process").glob("*")) == list((lab.home / "secrets" / "process").glob("*.json"))


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"argv": ["/no/such/program"]}, "/no/such/program"),
        ({"argv": ["no-such-program"]}, "no-such-program"),
        ({"argv": ["/etc/passwd"]}, "/etc/passwd"),
        ({"argv": ["/bin/true"], "cwd": "/no/such/place"}, "/no/such/place"),
    ],
)
async def test_a_program_that_cannot_start_is_told_at_once_and_leaves_an_ended_process(
    lab: Lab, wish: dict[str, Any], words: str
) -> None:
    with pytest.raises(Unavailable, match=words) as refused:
        await lab.spawn("command", **wish)
    found = await lab("process.get", pid=refused.value.data["pid"])
    assert (found.state, found.outcome, found.phase, found.os_pid) == ("exited", "failed", "failed", None)
    assert words in found.reason
    assert not (lab.home / "run" / "p" / str(found.pid)).exists()
    assert (await lab("process.tree", pid=found.pid)).os_pids == []
    with pytest.raises(Conflict):
        await lab("process.kill", pid=found.pid)


async def test_a_word_with_a_nul_is_refused_by_the_adapter(lab: Lab) -> None:
    with pytest.raises(Invalid, match="NUL"):
        await lab.spawn("command", argv=["a\0b"])


async def test_a_spawned_process_is_told_whole(lab: Lab) -> None:
    made = await lab.spawn(goal="work", name="ada", role="tester", model="m-1", priority=3, toolset="lead")
    await lab.ready(made)
    found = await lab("process.get", pid=made.pid)
    assert (found.name, found.role, found.runtime, found.goal, found.priority) == ("ada", "tester", "puppet", "work", 3)
    assert (found.state, found.mode, found.stdio, found.incarnation) == ("running", "headless", "pipes", 1)
    assert (found.session, found.model, found.permission_mode) == (f"conversation-{made.pid}", "puppet-1", "ask")
    assert (found.tools_connected, found.toolset, found.parent, found.outcome) == (True, "lead", None, "running")
    assert all(found.capabilities.values())
    assert (await lab("agent.get", agent="ada")).id == found.agent
    with pytest.raises(Conflict, match="use another name, or run it with `agent`"):
        await lab.spawn(name="ada")


async def test_pids_count_up_and_are_the_wire_of_no_kernel_pid(lab: Lab) -> None:
    first, second = await lab.sh("exec sleep 1000"), await lab.sh("true")
    assert second.pid == first.pid + 1
    assert first.os_pid != first.pid
    assert (await lab("process.tree", pid=first.pid)).os_pids == [first.os_pid]


async def test_an_agent_can_be_run_again_in_its_last_conversation_or_a_new_one(lab: Lab) -> None:
    first = await lab.ready(await lab.spawn(goal="say one"))
    with pytest.raises(Conflict, match=f"running as process {first.pid}; send to it"):
        await lab.spawn(agent=first.agent)
    await lab.result(first.pid)
    await lab("process.kill", pid=first.pid)
    second = await lab.ready(await lab.spawn(agent=first.name, goal="say two"))
    assert (second.agent, second.session) == (first.agent, f"conversation-{first.pid}")
    assert (lab.puppet.launched[-1].resume, lab.puppet.launched[-1].session) == (True, second.session)
    await lab.result(second.pid)
    await lab("process.kill", pid=second.pid)
    third = await lab.ready(await lab.spawn(agent=first.agent, session="new", goal="say three"))
    assert (await lab("process.get", pid=third.pid)).session == f"conversation-{third.pid}"
    assert (lab.puppet.launched[-1].resume, lab.puppet.launched[-1].session) == (False, None)
    await lab.result(third.pid)
    assert lab.said(first) == ["say one", "say two", "say three"]


async def test_of_two_spawns_at_once_in_one_conversation_one_is_refused(lab: Lab) -> None:
    first = await lab.ready(await lab.spawn())
    await lab("process.kill", pid=first.pid)
    outcomes: list[str] = []

    async def again() -> None:
        try:
            outcomes.append((await lab.spawn(agent=first.agent)).state)
        except Conflict as refused:
            outcomes.append(refused.message)

    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(again)
    assert sum("is running as process" in one for one in outcomes) == 1, outcomes


async def test_a_child_knows_its_parent_and_only_its_family_may_touch_it(lab: Lab) -> None:
    mother, stranger = await lab.sh("exec sleep 1000"), await lab.sh("exec sleep 1000")
    child = await lab("process.spawn", lab.agent_of(mother), runtime="command", argv=["/bin/sleep", "1000"])
    assert child.parent == mother.pid
    assert (await lab("agent.get", agent=child.agent)).parent == mother.agent
    tree = await lab("process.tree", lab.agent_of(mother))
    assert [(root.process.pid, [node.process.pid for node in root.children]) for root in tree.roots] == [
        (mother.pid, [child.pid])
    ]
    listed = (await lab("process.list", lab.agent_of(mother))).processes
    assert [one.pid for one in listed] == [child.pid, mother.pid]
    assert [one.pid for one in (await lab("process.list", lab.agent_of(child))).processes] == [child.pid]
    for call in (lab.agent_of(stranger), lab.agent_of(child)):
        with pytest.raises(Forbidden):
            await lab("process.get", call, pid=mother.pid)


# Secrets ---------------------------------------------------------------------------------------------


async def test_an_environment_is_in_the_process_and_its_vault_and_nowhere_else(lab: Lab) -> None:
    canary = "canary-51ab"
    made = await lab.sh('echo "key: $MY_KEY"; read line', env={"MY_KEY": canary})
    await lab.printed(made.pid, f"key: {canary}")
    files = [file for file in (lab.home / "secrets" / "process").iterdir() if canary in file.read_text()]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600]
    assert canary not in str(lab.events)
    assert canary not in str(await lab("audit.query", limit=100))
    with sqlite3.connect(lab.home / "aether.db") as database:
        assert not [line for line in database.iterdump() if canary in line]
    database.close()
    await lab("process.kill", pid=made.pid)
    assert not files[0].exists()


async def test_a_credential_of_the_owner_is_given_to_the_runtime_that_needs_it_unless_another_is(lab: Lab) -> None:
    (lab.home / "secrets" / "PUPPET_KEY").write_text("canary-77cd\n")
    kept = await lab.spawn()
    assert lab.puppet.launched[-1].env == {"PUPPET_KEY": "canary-77cd"}
    await lab.spawn(env={"PUPPET_KEY": "mine"})
    assert lab.puppet.launched[-1].env == {"PUPPET_KEY": "mine"}
    other = await lab.sh('echo "key: $PUPPET_KEY."; read line')
    assert "key: ." in await lab.printed(other.pid, ".")
    await lab("process.spawn", lab.agent_of(kept), runtime="puppet", env={"PUPPET_PROXY": "x"})
    assert lab.puppet.launched[-1].env == {"PUPPET_PROXY": "x"}
    assert "canary-77cd" not in str(lab.events)
    (lab.home / "secrets" / "PUPPET_KEY").unlink()


async def test_a_process_has_a_token_of_its_own_which_dies_with_it(lab: Lab) -> None:
    made = await lab.sh('echo "$AETHER_TOKEN $AETHER_PID $AETHER_AGENT."; read line')
    token, pid, agent = (await lab.printed(made.pid, ".")).strip(".\r\n").split()
    assert (int(pid), agent) == (made.pid, made.agent)
    call = await lab.running.house.authenticate(token, "mcp", door=made.pid)
    assert (call.agent, call.pid, call.toolset) == (made.agent, made.pid, "worker")
    await lab("process.kill", pid=made.pid)
    with pytest.raises(AetherError):
        await lab.running.house.authenticate(token, "mcp", door=made.pid)


# The queue -------------------------------------------------------------------------------------------


@pytest.fixture
async def narrow(estate: Estate) -> AsyncIterator[Lab]:
    """A house that runs one at once."""
    async with estate.open(max_running=1) as made:
        yield made


async def test_the_queue_starts_the_most_urgent_first_and_the_oldest_of_them(narrow: Lab) -> None:
    first = await narrow.sh("exec sleep 1000")
    waiting = [await narrow.sh("true", priority=priority) for priority in (0, 5, 5, -1)]
    assert {one.state for one in waiting} == {"queued"}
    await narrow("process.set_priority", pid=waiting[3].pid, priority=9)
    await narrow("process.kill", pid=first.pid)
    for one in waiting:
        await narrow.ended(one.pid)
    begun = [one["pid"] for one in narrow.events if one["type"] == "process.started"]
    assert begun == [first.pid, *(waiting[index].pid for index in (3, 1, 2, 0))]


async def test_a_queued_process_takes_no_pause_shows_no_output_and_can_be_killed(narrow: Lab) -> None:
    await narrow.sh("exec sleep 1000")
    made = await narrow.sh("true")
    with pytest.raises(Conflict, match="is queued, it cannot become paused"):
        await narrow("process.pause", pid=made.pid)
    with pytest.raises(NotFound, match="no incarnation"):
        await narrow("process.output", pid=made.pid)
    assert (await narrow("process.wait", pid=made.pid, timeout_s=0.05)).outcome == "running"
    killed = await narrow("process.kill", pid=made.pid)
    assert (killed.state, killed.outcome, killed.ended_by, killed.incarnation) == ("exited", "killed", "user:owner", 0)
    assert list((narrow.home / "shim").glob(f"p{made.pid}-*")) == []


async def test_a_failed_start_makes_room_for_the_next(narrow: Lab) -> None:
    first = await narrow.sh("exec sleep 1000")
    bad = await narrow.spawn("command", argv=["/no/such/program"])
    good = await narrow.sh("exit 4")
    assert (bad.state, good.state) == ("queued", "queued")
    await narrow("process.kill", pid=first.pid)
    assert (await narrow.ended(bad.pid)).outcome == "failed"
    assert (await narrow.ended(good.pid)).exit_code == 4


async def test_what_is_accepted_and_not_started_is_started_by_the_next_daemon(estate: Estate) -> None:
    async with estate.open(max_running=1) as lab:
        await lab.sh("exec sleep 1000")
        made = await lab.sh("exit 5")
    with sqlite3.connect(estate.settings.database) as database:
        database.execute("UPDATE process SET state = 'starting' WHERE pid = ?", (made.pid,))
    database.close()
    async with estate.open() as lab:
        assert (await lab.ended(made.pid)).exit_code == 5
