"""Control: one holder at a time, nobody else's input gets in, and the agent goes on in the same conversation."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import suppress
from datetime import timedelta
from typing import Any

import anyio
import pytest

from aetherd.core.errors import Conflict, Forbidden, Invalid
from aetherd.kernel.control.tables import LeaseRow
from aetherd.runtime import Text, Told
from aetherd.store import Tx
from fakes import PATIENCE_S, Estate, Lab

pytestmark = pytest.mark.anyio


async def agent(lab: Lab, **raw: Any) -> Any:
    """Start an idle agent with a conversation."""
    return await lab.ready(await lab.spawn(**raw))


async def held(lab: Lab, **raw: Any) -> Any:
    """Start an agent and take it over."""
    made = await agent(lab, **raw)
    await lab("control.acquire", pid=made.pid)
    return made


async def back(lab: Lab, process: Any, **raw: Any) -> Any:
    """Hand back, and return the process once its agent goes on."""
    await lab("control.release", pid=process.pid, **raw)
    await lab.event("control.stepped", pid=process.pid, to="free")
    return await lab("process.get", pid=process.pid)


def steps(lab: Lab, pid: int) -> list[str]:
    return [one["to"] for one in lab.of(pid, "control.stepped")]


# Taking over and handing back ------------------------------------------------------------------------


async def test_a_process_that_was_never_held_is_free(lab: Lab) -> None:
    made = await agent(lab)
    lease = await lab("control.status", pid=made.pid)
    assert (lease.held, lease.holder, lease.step, lease.terminal, lease.requested) == (False, None, "free", None, None)


async def test_an_agent_is_taken_over_in_its_own_tui_and_goes_on_in_the_same_conversation(lab: Lab) -> None:
    made = await agent(lab)
    lease = await lab("control.acquire", pid=made.pid, reason="to look")
    assert (lease.held, lease.holder, lease.step, lease.reason) == (True, "user:owner", "tui", "to look")
    assert (lease.terminal, lease.since < lease.expires_at) == (str(made.pid), True)
    found = await lab("process.get", pid=made.pid)
    assert (found.mode, found.stdio, found.incarnation, found.state) == ("tui", "pty", 2, "running")
    assert (found.phase, found.phase_source, found.controller) == ("controlled", "user", "user:owner")
    session = f"conversation-{made.pid}"
    assert f"the screen of {session}" in await lab.printed(made.pid, session)
    found = await back(lab, made)
    assert (found.mode, found.incarnation, found.phase, found.controller) == ("headless", 3, "idle", None)
    assert steps(lab, made.pid) == ["interrupting", "draining", "tui", "returning", "free"]
    mine = [one for one in lab.puppet.launched if one.pid == made.pid]
    assert [(one.mode, one.session, one.resume) for one in mine] == [
        ("headless", None, False),
        ("tui", session, True),
        ("headless", session, True),
    ]


async def test_the_agent_is_told_the_note_once_and_nothing_without_one(lab: Lab) -> None:
    noted, plain = await held(lab), await held(lab)
    await back(lab, noted, note="I renamed the file")
    await lab.result(noted.pid)
    await back(lab, plain)
    await lab("process.send", pid=plain.pid, text="say go on")
    await lab.result(plain.pid)
    (text,) = lab.said(noted)
    assert text.startswith("A person took over your session")
    assert text.endswith("Their note: I renamed the file")
    assert lab.said(plain) == ["say go on"]
    assert {one["by"] for one in lab.of(noted.pid, "agent.told")} == {"aetherd"}  # they are not the person's words


async def test_a_turn_is_interrupted_first_and_the_agent_is_told_to_go_on(lab: Lab) -> None:
    made = await lab.ready(await lab.spawn(goal="work"))
    await lab.event("process.phase_changed", pid=made.pid, to="thinking")
    await lab("control.acquire", pid=made.pid)
    await back(lab, made)
    await lab.event("agent.turn_ended", pid=made.pid, outcome="completed")
    assert [line["type"] for line in lab.heard(made)] == ["say", "interrupt", "say"]
    assert "Your turn was interrupted by it" in lab.said(made)[1]


async def test_what_was_said_in_the_tui_is_in_the_story_and_its_conversation_is_followed(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await held(lab)
    monkeypatch.setattr(lab.puppet, "typed", (Told("typed by hand"), Text("an answer")))
    monkeypatch.setattr(lab.puppet, "moved_to", "another-conversation")
    found = await back(lab, made)
    told = await lab.event("agent.told", pid=made.pid, text="typed by hand")
    assert (told["data"]["by"], told["data"]["state"]) == ("terminal", "delivered")
    assert lab.of(made.pid, "agent.text")[-1]["text"] == "an answer"
    await lab.event("agent.session_started", pid=made.pid, session="another-conversation")
    assert found.session == "another-conversation"
    assert (lab.puppet.launched[-1].session, lab.puppet.launched[-1].resume) == ("another-conversation", True)


async def test_a_program_keeps_its_terminal_and_only_the_keyboard_moves(lab: Lab) -> None:
    made = await lab.sh("exec sleep 1000")
    lease = await lab("control.acquire", pid=made.pid)
    assert (lease.step, lease.terminal) == ("held", str(made.pid))
    found = await lab("process.get", pid=made.pid)
    assert (found.phase, found.incarnation, found.os_pid) == ("controlled", 1, made.os_pid)
    lease = await lab("control.release", pid=made.pid, note="nobody reads this")
    assert (lease.held, lease.step, lease.terminal) == (False, "free", None)
    assert (await lab("process.get", pid=made.pid)).phase == "executing"
    assert steps(lab, made.pid) == ["held", "returning", "free"]


async def test_a_person_who_leaves_the_tui_hands_back_by_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab.puppet, "screen", ("/bin/sh", "-c", "read line; exit 0"))
    made = await held(lab)
    await lab("terminal.send", terminal=str(made.pid), text="bye\r")
    await lab.event("control.stepped", pid=made.pid, to="free")
    assert [one["reason"] for one in lab.of(made.pid, "control.released")] == ["its terminal was closed"]
    found = await lab("process.get", pid=made.pid)
    assert (found.mode, found.controller, found.state) == ("headless", None, "running")


@pytest.mark.parametrize(
    ("screen", "words"),
    [
        (("/bin/sh", "-c", "echo no such theme; exit 7"), "its terminal did not open: no such theme"),
        (("/no/such/screen",), "its terminal could not be opened: .*/no/such/screen"),
    ],
)
async def test_a_tui_that_does_not_open_gives_the_agent_back_to_itself(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, screen: tuple[str, ...], words: str
) -> None:
    made = await agent(lab)
    monkeypatch.setattr(lab.puppet, "screen", screen)
    with suppress(Conflict):  # it may be there for a moment
        await lab("control.acquire", pid=made.pid)
    await lab.event("control.stepped", pid=made.pid, to="free")
    (released,) = lab.of(made.pid, "control.released")
    assert re.match(words, released["reason"])
    assert (await lab("control.status", pid=made.pid)).reason == released["reason"]
    found = await lab("process.get", pid=made.pid)
    assert (found.mode, found.state, found.controller, found.session) == (
        "headless",
        "running",
        None,
        f"conversation-{made.pid}",
    )
    await lab("process.send", pid=made.pid, text="say still here")
    assert (await lab.result(made.pid)).text == "still here"


async def test_a_takeover_that_cannot_begin_is_told_to_the_person(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await agent(lab)
    monkeypatch.setattr(lab.puppet, "screen", ("/no/such/screen",))
    with pytest.raises(Conflict, match=f"takeover of process {made.pid} was rolled back: its terminal could not be"):
        await lab("control.acquire", pid=made.pid)


async def test_a_takeover_goes_on_over_a_restart_of_the_daemon(estate: Estate) -> None:
    async with estate.open() as lab:
        made = await held(lab)
        running = await lab("process.get", pid=made.pid)
    async with estate.open() as lab:
        assert await lab("process.get", pid=made.pid) == running
        lease = await lab("control.status", pid=made.pid)
        assert (lease.holder, lease.step) == ("user:owner", "tui")
        with pytest.raises(Conflict, match="you have control"):
            await lab("process.send", pid=made.pid, text="hello")
        found = await back(lab, made, note="done")
        assert (found.mode, found.incarnation) == ("headless", 3)
        await lab.result(made.pid)
        assert len(lab.said(made)) == 1


# Who may ---------------------------------------------------------------------------------------------


async def test_there_is_one_holder_and_its_input_goes_through_the_terminal(lab: Lab) -> None:
    made = await held(lab)
    second = lab.running.call(actor="user:second")
    with pytest.raises(Conflict, match="user:owner has control") as refused:
        await lab("control.acquire", second, pid=made.pid)
    assert refused.value.data["holder"] == "user:owner"
    for call, words in ((None, "you have control of process .*: type in its terminal"), (second, "user:owner has")):
        for name, more in (("process.send", {"text": "x"}), ("process.interrupt", {})):
            with pytest.raises(Conflict, match=words):
                await lab(name, call, pid=made.pid, **more)
    assert (await lab("control.acquire", pid=made.pid)).step == "tui"
    assert len(lab.of(made.pid, "control.acquired")) == 1


async def test_what_nobody_holds_cannot_be_handed_back(lab: Lab) -> None:
    made = await agent(lab)
    with pytest.raises(Conflict, match=f"nobody has control of process {made.pid}"):
        await lab("control.release", pid=made.pid)
    made = await held(lab)
    await back(lab, made)
    with pytest.raises(Conflict, match="nobody has control"):
        await lab("control.release", pid=made.pid)


async def test_agents_neither_take_nor_hand_back_but_may_look(lab: Lab) -> None:
    made = await held(lab)
    for name in ("control.acquire", "control.release"):
        with pytest.raises(Forbidden, match="control is for people"):
            await lab(name, lab.agent_of(made), pid=made.pid)
    assert (await lab("control.status", lab.agent_of(made), pid=made.pid)).holder == "user:owner"
    stranger = await agent(lab)
    with pytest.raises(Forbidden):
        await lab("control.status", lab.agent_of(stranger), pid=made.pid)


async def test_only_the_holder_hands_back(lab: Lab) -> None:
    made = await held(lab)
    for actor in ("user:second", "user:owner/token_7"):
        with pytest.raises(Conflict, match=r"user:owner has control of process \d+ and alone hands") as refused:
            await lab("control.release", lab.running.call(actor=actor), pid=made.pid, note="mine")
        assert refused.value.data == {"holder": "user:owner", "pid": made.pid}
    assert (await lab("control.status", pid=made.pid)).holder == "user:owner"
    assert lab.of(made.pid, "control.released") == []
    await back(lab, made)


async def test_a_paused_process_is_resumed_before_it_is_taken_over(lab: Lab) -> None:
    made = await agent(lab)
    await lab("process.pause", pid=made.pid)
    with pytest.raises(Conflict, match="is paused; resume it first"):
        await lab("control.acquire", pid=made.pid)
    assert not (await lab("control.status", pid=made.pid)).held


async def test_the_end_of_the_process_frees_it(lab: Lab) -> None:
    program, puppet = await lab.sh("exec sleep 1000"), await held(lab)
    await lab("control.acquire", pid=program.pid)
    for made in (program, puppet):
        await lab("process.kill", pid=made.pid)
        lease = await lab("control.status", pid=made.pid)
        assert (lease.held, lease.step, lease.terminal) == (False, "free", None)
        assert (await lab("process.get", pid=made.pid)).controller is None
        assert [one["reason"] for one in lab.of(made.pid, "control.released")] == ["the process has ended"]


async def test_a_lease_lasts_until_the_end_that_frees_it_is_really_written(lab: Lab) -> None:
    made = await lab.sh("exec sleep 1000")
    await lab("control.acquire", pid=made.pid)
    loop, full, room = asyncio.get_running_loop(), anyio.Event(), lab.kernel.rooms["process"]

    def no_space(tx: Tx, pid: int, reason: str) -> None:
        if pid == made.pid and not full.is_set():
            loop.call_soon_threadsafe(full.set)
            raise sqlite3.OperationalError("disk I/O error")

    room.end_hooks.append(no_space)
    await lab("process.signal", pid=made.pid, signal="KILL")
    with anyio.fail_after(PATIENCE_S):
        await full.wait()
    assert (await lab("control.status", pid=made.pid)).held
    assert (await lab.ended(made.pid)).controller is None
    room.end_hooks.remove(no_space)


def test_the_gate_says_who_has_it_or_that_it_is_on_its_way_back(lab: Lab) -> None:
    room = lab.kernel.rooms["control"]
    owner, second = lab.running.call(), lab.running.call(actor="user:second")
    assert room.gate(999_999, owner) is None
    for holder, step, call, words in (
        ("user:owner", "tui", owner, "you have control"),
        ("user:owner", "tui", second, "user:owner has control"),
        ("user:owner", "draining", None, "user:owner has control"),
        (None, "returning", owner, "being handed back"),
        (None, "free", owner, None),
    ):
        room._leases[999_999] = LeaseRow(pid=999_999, agent="a", user="owner", org="home", holder=holder, step=step)
        said = room.gate(999_999, call)
        assert said is None if words is None else words in said
    del room._leases[999_999]


# A lease ends by itself ------------------------------------------------------------------------------


async def test_a_lease_ends_when_its_holder_is_not_seen_and_lives_while_it_is(lab: Lab) -> None:
    seen, unseen = await lab.sh("exec sleep 1000"), await lab.sh("exec sleep 1000")
    first = await lab("control.acquire", pid=seen.pid)
    await lab("control.acquire", pid=unseen.pid)
    lab.clock.advance(400)
    renewed = await lab("control.acquire", pid=seen.pid)
    assert renewed.expires_at > first.expires_at
    lab.clock.advance(400)
    released = await lab.event("control.released", pid=unseen.pid)
    assert released["data"]["reason"] == "the lease expired: its holder was not seen"
    assert (await lab("control.status", pid=seen.pid)).held
    assert not (await lab("control.status", pid=unseen.pid)).held


async def test_an_agent_whose_holder_is_gone_goes_on(lab: Lab) -> None:
    made = await held(lab)
    lab.clock.advance(601)
    await lab.event("control.stepped", pid=made.pid, to="free")
    await lab("process.send", pid=made.pid, text="say on my own")
    assert (await lab.result(made.pid)).text == "on my own"


# An agent asks for a person --------------------------------------------------------------------------


async def test_a_wish_for_a_person_is_shown_until_one_comes(lab: Lab) -> None:
    made = await agent(lab)
    lease = await lab("control.request_human", lab.agent_of(made), reason="a captcha", wait_s=0)
    assert (lease.held, lease.requested) == (False, "a captcha")
    found = await lab("process.get", pid=made.pid)
    assert (found.requested, found.phase) == ("a captcha", "waiting_input")
    await lab("control.acquire", pid=made.pid)
    assert (await lab("process.get", pid=made.pid)).requested is None
    assert (await lab("control.status", pid=made.pid)).requested is None


async def test_an_agent_that_waits_for_a_person_learns_who_came(lab: Lab) -> None:
    made = await lab.sh("exec sleep 1000")
    leases: list[Any] = []

    async def ask() -> None:
        leases.append(await lab("control.request_human", lab.agent_of(made), reason="look at this"))

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await lab.event("control.requested", pid=made.pid, reason="look at this")
        await lab("control.acquire", pid=made.pid)
    assert leases[0].holder == "user:owner"


async def test_a_person_does_not_ask_for_a_person(lab: Lab) -> None:
    with pytest.raises(Invalid, match=r"people use control\.acquire"):
        await lab("control.request_human", reason="help", wait_s=0)


async def test_a_wish_ends_with_its_process(lab: Lab) -> None:
    made = await lab.sh("exec sleep 1000")
    await lab("control.request_human", lab.agent_of(made), reason="help", wait_s=0)
    await lab("process.kill", pid=made.pid)
    assert (await lab("process.get", pid=made.pid)).requested is None
    assert (await lab("control.status", pid=made.pid)).requested is None


@pytest.mark.parametrize("days", [1, -1])
async def test_a_clock_set_a_day_off_neither_ends_a_lease_nor_keeps_one(
    lab: Lab, days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await held(lab)
    real = lab.clock.now
    monkeypatch.setattr(lab.clock, "now", lambda: real() + timedelta(days=days))
    lab.clock.advance(30)
    assert (await lab("control.status", pid=made.pid)).held
    lab.clock.advance(601)
    released = await lab.event("control.released", pid=made.pid)
    assert released["data"]["reason"] == "the lease expired: its holder was not seen"
