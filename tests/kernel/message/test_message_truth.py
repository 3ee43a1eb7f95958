"""Messages to real processes: busy, idle, paused, dead, never started, deaf and put away. None vanishes, none lies."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from sqlmodel import select

from aetherd.kernel.message.tables import MessageRow
from fakes import PATIENCE_S, Estate, Lab, anyio_backend, estate, lab

__all__ = ["anyio_backend", "estate", "lab"]

pytestmark = pytest.mark.anyio

MESSAGES = 200
STAMPS = ("delivered_at", "read_at", "acked_at", "failed_at")
HAS = {  # which time stamps a state has
    "queued": set(),
    "delivered": {"delivered_at"},
    "read": {"delivered_at", "read_at"},
    "acked": {"delivered_at", "read_at", "acked_at"},
    "failed": {"failed_at"},
}


async def inbox(lab: Lab, agent: str) -> list[Any]:
    """Return all of an agent's messages, oldest first; a state without its time stamp is a lie."""
    found = (await lab("message.inbox", agent=agent, limit=500)).messages
    for one in found:
        assert {name for name in STAMPS if getattr(one, name)} == HAS[one.state], one
        assert (one.failed_reason is not None) == (one.state == "failed")
    return list(reversed(found))


async def all_are(lab: Lab, agent: str, state: str) -> list[Any]:
    """Return an agent's messages once all are in this state."""
    others = select(MessageRow.id).where(MessageRow.recipient == agent, MessageRow.state != state)
    with anyio.fail_after(PATIENCE_S):
        while True:
            news = lab._news
            if await lab.kernel.store.read(lambda session: session.exec(others).first()) is None:
                return await inbox(lab, agent)
            await news.wait()


def told(lab: Lab, agent: str) -> list[str]:
    """Return the ids of the messages that an agent's runtimes really read, in their order."""
    path = lab.home / "agents" / agent / "home" / "work" / "heard"
    return re.findall(r"\(message (message_\w+),", path.read_text()) if path.exists() else []


async def engaged(lab: Lab, process: Any) -> Path:
    """Keep a puppet at work, reading nothing, until somebody writes into the pipe that this returns."""
    gate = lab.home / "agents" / process.agent / "home" / "work" / "gate"
    os.mkfifo(gate)
    os.chmod(gate, 0o666)
    await lab("process.send", pid=process.pid, text="fifo gate ;; say through")
    await lab.event("process.phase_changed", pid=process.pid, to="thinking")
    return gate


async def test_200_messages_to_recipients_of_every_sort_end_in_a_true_state_and_none_vanishes(lab: Lab) -> None:
    idle, busy, paused, dead = [await lab.ready(await lab.spawn(name=n)) for n in ("idle", "busy", "paused", "dead")]
    deaf = await lab.sh("exec sleep 1000", name="deaf")
    never, away = [await lab("agent.create", name=name) for name in ("never", "away")]
    gate = await engaged(lab, busy)
    await lab("process.pause", pid=paused.pid)
    await lab("process.kill", pid=dead.pid)
    agents = {
        "idle": idle.agent,
        "busy": busy.agent,
        "paused": paused.agent,
        "dead": dead.agent,
        "deaf": deaf.agent,
        "never": never.id,
        "away": away.id,
    }
    sent: defaultdict[str, list[Any]] = defaultdict(list)

    async def send(number: int) -> None:
        name, priority = list(agents)[number % 7], ("next", "now", "queue")[number // 7 % 3]
        sent[name].append(await lab("message.send", to=name, text=f"text {number}", priority=priority))

    async with anyio.create_task_group() as group:
        for number in range(MESSAGES):
            group.start_soon(send, number)
    assert sum(map(len, sent.values())) == MESSAGES

    await all_are(lab, idle.agent, "delivered")
    for name in ("busy", "paused", "dead", "deaf", "never", "away"):
        assert Counter(one.state for one in await inbox(lab, agents[name])) == {"queued": len(sent[name])}, name
        assert told(lab, agents[name]) == []
    deaf_call = lab.agent_of(deaf)
    await lab("message.ack", deaf_call, ids=[one.id for one in sent["deaf"]])
    await lab("agent.archive", agent="away")
    await anyio.to_thread.run_sync(gate.write_text, "open")
    await lab("process.resume", pid=paused.pid)
    for name in ("dead", "never"):
        await lab.spawn(agent=agents[name])

    for name in ("idle", "busy", "paused", "dead", "never"):
        found = await all_are(lab, agents[name], "delivered")
        ids = {one.id: one.priority for one in found}
        heard = told(lab, agents[name])
        assert sorted(heard) == sorted(ids) == sorted(one.id for one in sent[name]), name  # each once, none besides
        for each in ("now", "next", "queue"):  # one of another may overtake
            wanted = [key for key, priority in ids.items() if priority == each]
            assert [key for key in heard if key in wanted] == wanted, name
    assert {one.state for one in await inbox(lab, deaf.agent)} == {"acked"}
    (note,) = (await lab("message.inbox")).messages
    assert sorted(note.data["messages"]) == sorted(one.id for one in sent["away"])
    thread = (await lab("message.thread", thread=sent["away"][0].thread)).messages
    assert (thread[0].state, thread[0].failed_reason) == ("failed", "agent away was archived")


async def test_what_a_runtime_took_and_did_not_read_before_it_died_is_told_to_the_next(lab: Lab) -> None:
    made = await lab.ready(await lab.spawn(name="mole"))
    await engaged(lab, made)
    sent = await lab("message.send", to="mole", text="dig")
    with anyio.fail_after(PATIENCE_S):
        while not [one for one in lab.of(made.pid, "agent.told") if sent.id in one["text"] and one["state"] == "sent"]:
            await lab._news.wait()
    assert (await inbox(lab, made.agent))[0].state == "queued"  # its shim has it, it has not
    await lab("process.kill", pid=made.pid)
    assert (await inbox(lab, made.agent))[0].state == "queued"
    again = await lab.spawn(agent=made.agent)
    await all_are(lab, made.agent, "delivered")
    assert told(lab, made.agent) == [sent.id]
    assert [one["state"] for one in lab.of(again.pid, "agent.told") if sent.id in one["text"]][-1] == "delivered"


async def test_a_runtime_that_never_says_what_it_reads_has_what_its_shim_took(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await lab.ready(await lab.spawn(name="mute"))
    gate = await engaged(lab, made)
    monkeypatch.setattr(lab.puppet, "capabilities", replace(lab.puppet.capabilities, echo=False))
    assert (await lab("message.send", to="mute", text="hear")).state == "delivered"
    await anyio.to_thread.run_sync(gate.write_text, "open")
    await lab.event("agent.turn_ended", pid=made.pid, text="through")


async def test_a_message_in_hand_when_a_person_takes_over_is_told_after_the_hand_back(lab: Lab) -> None:
    made = await lab.ready(await lab.spawn(name="pilot"))
    await lab("control.acquire", pid=made.pid)
    sent = await lab("message.send", to="pilot", text="land")
    assert sent.state == "queued"
    await lab("control.release", pid=made.pid)
    await all_are(lab, made.agent, "delivered")
    assert told(lab, made.agent) == [sent.id]


async def test_a_daemon_that_comes_back_delivers_what_it_was_told_meanwhile_once(estate: Estate) -> None:
    async with estate.open() as one:
        made = await one.ready(await one.spawn(name="mole"))
        gate = await engaged(one, made)
        sent = [await one("message.send", to="mole", text=str(number)) for number in range(3)]
        assert {each.state for each in sent} == {"queued"}
    await anyio.to_thread.run_sync(gate.write_text, "open")  # it reads what its shim has while no daemon is there
    async with estate.open() as two:
        await all_are(two, made.agent, "delivered")
        assert told(two, made.agent) == [each.id for each in sent]
